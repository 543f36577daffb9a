"""The tables of the readings store."""

from __future__ import annotations

import sqlalchemy as sa

from lungeval.records import Reading

TABLES = sa.MetaData()
READINGS = sa.Table(
    "readings",
    TABLES,
    sa.Column("reader", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("presentation", sa.String, nullable=False, unique=True),
    sa.Column("reader_kind", sa.String, nullable=False),
    sa.Column("case", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("confidence", sa.Integer),
    sa.Column("rt_ms", sa.Integer),
    sa.Column("viewing", sa.String, nullable=False),
    sa.Column("attempt", sa.String, nullable=False),
    sa.Column("received", sa.String, nullable=False),
    sa.Column("previous", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)
CONSENTS = sa.Table(
    "consents",
    TABLES,
    sa.Column("reader", sa.String, primary_key=True),
    sa.Column("given", sa.String, nullable=False),
)
SESSIONS = sa.Table(
    "sessions",
    TABLES,
    sa.Column("sha256", sa.String, primary_key=True),
    sa.Column("reader", sa.String, nullable=False, index=True),
    sa.Column("opened", sa.String, nullable=False),
    sa.Column("ended", sa.String),
)
FIELDS = list(Reading.model_fields)
"""The columns of READINGS that are a reading's own."""
