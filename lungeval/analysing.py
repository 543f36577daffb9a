"""`analyse LABELS.csv`: the scoring and the report of a run, for labels that were collected elsewhere."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, did_you_mean
from lungeval.files import write_atomic
from lungeval.keys import content_key, sha256_file
from lungeval.labels import read_labels
from lungeval.progress import Progress
from lungeval.records import REAL_ARM, Estimate, Policy, ScoredReading, Verdict, to_json
from lungeval.reporting import words as wording
from lungeval.reporting.document import write
from lungeval.reporting.findings import FEW_CASES
from lungeval.scoring import versions
from lungeval.statistics.analysis import Settings, conclude
from lungeval.statistics.estimands import ESTIMANDS

PRIMARY = ("balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate")
SHOWN: tuple[tuple[str, str | None], ...] = (
    ("balanced_accuracy", "half"), ("sensitivity", "excluded"), ("specificity", "excluded"), ("accuracy", "excluded"),
    ("fool_rate", None), ("unsure_rate", None), ("false_discovery_rate", "excluded"),
    ("false_omission_rate", "excluded"), ("kappa_truth", "excluded"), ("dprime", "excluded"), ("criterion", "excluded"),
)  # fmt: skip
"""Rows of the tables on the terminal: estimand and policy."""
BY_READER: tuple[tuple[str, str | None], ...] = (
    ("balanced_accuracy", "half"), ("sensitivity", "excluded"), ("specificity", "excluded"), ("fool_rate", None),
    ("unsure_rate", None),
)  # fmt: skip
"""Columns of the table of readers."""


def analyse_labels(
    labels: Path, columns: str, words: Sequence[str], *, primary: str, unsure: Policy, alpha: float,
    margin: float | None = None, attention: int | None = None, out: Path | None, progress: Progress,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Results as `results.json` has them, and a table of them; the report is written into a folder beside.

    Raises:
        LungevalError: `usage` for options that cannot be read, `labels` for a table that cannot.
    """
    if primary not in PRIMARY:
        raise LungevalError("usage", f"--primary {primary} is not an estimand", remedy=did_you_mean(primary, PRIMARY))
    announce: list[str] = []
    table = read_labels(labels, columns=columns_of(columns), mapping=words_of(words), announce=announce)
    for line in announce:
        progress.say(f"  {line}")
    settings = Settings(primary=primary, unsure=unsure, alpha=alpha, margin=margin, attention=attention)
    estimates, found = conclude(table, settings)
    results = {
        "schema": 1,
        "run": _facts(labels, table, settings),
        "estimates": estimates,
        "image_metrics": [],
        "verdicts": found,
    }
    plain = json.loads(to_json(results))
    key = content_key(
        file=sha256_file(labels), columns=columns, words=list(words), primary=primary, unsure=unsure, alpha=alpha,
        margin=margin, attention=attention,
    )  # fmt: skip
    folder = out or Path("reports") / f"{labels.stem}-{key[:8]}"
    write_atomic(folder / "results.json", to_json(results))
    write(folder, plain, table, {})
    progress.say(f"report: {folder / 'report.html'}")
    said = [row for row in found if row.inference == settings.headline(int(row.inputs["n_readers"]))]
    return plain, _text(estimates, said, settings)


def columns_of(text: str) -> dict[str, str]:
    """What `--columns yours=ours,…` says: your column -> its column.

    Raises:
        LungevalError: `usage` where it cannot be read.
    """
    pairs = [part.split("=") for part in text.split(",") if part]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise LungevalError(
            "usage", f"--columns {text} is not yours=ours,…", remedy="such as image=case,pass=presentation"
        )
    return {yours.strip(): ours.strip() for yours, ours in pairs}


def words_of(maps: Sequence[str]) -> dict[str, dict[str, str]]:
    """What `--map column.yours=ours` says, column by column.

    Raises:
        LungevalError: `usage` where one cannot be read.
    """
    found: dict[str, dict[str, str]] = {}
    for text in maps:
        left, equals, ours = text.partition("=")
        column, dot, yours = left.partition(".")
        if not (equals and dot and column and yours and ours):
            raise LungevalError(
                "usage", f"--map {text} is not column.yours=ours", remedy="such as truth.synthetic=fake"
            )
        found.setdefault(column, {})[yours] = ours
    return found


def _facts(labels: Path, table: list[ScoredReading], settings: Settings) -> dict[str, Any]:
    main = [row for row in table if row.presentation == "main"]
    kinds = sorted({(row.reader_kind, row.reader) for row in table})
    arms = sorted({row.arm for row in table if row.arm} - {REAL_ARM})
    cells = sorted({(row.modality, row.condition) for row in table if row.modality or row.condition})
    programs = [reader for kind, reader in kinds if kind in ("simulated", "scripted")]
    return {
        "name": labels.stem,
        "title": f"Labels of {labels.name}",
        **versions(),
        "ribbon": f"Not a clinical result: simulated or scripted readers ({', '.join(programs)})" if programs else "",
        "arms": [{"name": arm} for arm in arms],
        "cells": [{"modality": m, "condition": c} for m, c in cells],
        "readers": [
            {
                "id": reader, "kind": kind, "planned": sum(r.reader == reader for r in main),
                "answered": sum(r.reader == reader and r.label is not None for r in main),
            }
            for kind, reader in kinds
        ],
        "analysis": {
            "primary": settings.primary, "unsure": settings.unsure, "alpha": settings.alpha,
            **({} if settings.margin is None else {"margin": settings.margin}),
            **({} if settings.attention is None else {"attention": settings.attention}),
        },
        "limitations": ["How these readings were collected and blinded is not known to lungeval."],
    }  # fmt: skip


def _text(estimates: Sequence[Estimate], verdicts: Sequence[Verdict], settings: Settings) -> str:
    """The verdicts, a table for each generator, and a line for each reader."""
    own = (settings.primary, None if None in ESTIMANDS[settings.primary].policies else settings.unsure)
    asked = [own, *(row for row in SHOWN if row != own)]
    kinds = sorted({row.scope.reader_kind for row in estimates if row.scope.reader_kind})
    blocks = []
    for verdict in verdicts:
        of = f"{wording.KINDS[verdict.scope.reader_kind]}, " if len(kinds) > 1 and verdict.scope.reader_kind else ""
        blocks.append(textwrap.wrap(f"{of}{verdict.code.replace('_', ' ')}: {verdict.text}", 110))
    for kind in kinds:
        rows = [
            row for row in estimates if row.scope.reader_kind == kind and (row.estimand, row.policy) in asked
            and not (row.scope.modality or row.scope.condition or row.scope.subset)
        ]  # fmt: skip
        readers = sorted({row.scope.reader for row in rows if row.scope.reader})
        arms = sorted({row.scope.arm for row in rows if row.scope.arm is not None})
        said = f"{len(readers)} {wording.KINDS[kind]}"
        said = said.replace("readers", "reader", 1) if len(readers) == 1 else said
        for arm in [None, *arms] if len(arms) != 1 else arms:
            what = f"images of {arm} and their reals" if arm else "all images"
            mine = _shielded([row for row in rows if row.scope.arm == arm])
            blocks.append([f"{said}, {what}", *_measures(mine, asked, alone=len(readers) == 1)])
        if len(readers) > 1:
            over = arms[0] if len(arms) == 1 else None
            mine = _shielded([row for row in rows if row.scope.arm == over])
            blocks.append(["each reader", *_readers(mine, own, readers)])
    blocks.append(
        [f"in brackets: the {100 * (1 - settings.alpha):g}% interval; all other numbers: --json, and the report"]
    )
    return "\n\n".join("\n".join(block) for block in blocks)


def _shielded(rows: list[Estimate]) -> list[Estimate]:
    """The estimates of one part, without their values where it has under 20 cases: counts and intervals stay."""
    if max((row.n_cases or 0 for row in rows), default=0) >= FEW_CASES:
        return rows
    few = f"under {FEW_CASES} cases: no value"
    return [row.model_copy(update={"value": None, "reason": row.reason or few}) for row in rows]


def _measures(rows: Sequence[Estimate], asked: Sequence[tuple[str, str | None]], *, alone: bool) -> list[str]:
    """A line for each measure, with what holds for these readers and for readers like them."""
    heads = ("this reader", "") if alone else ("these readers", "readers like these")
    lines = [f"  {'':26} {'unsure':9} {heads[0]:24} {heads[1]:24} count".rstrip()]
    for name, policy in asked:
        mine = [row for row in rows if (row.estimand, row.policy) == (name, policy)]
        mine = [row for row in mine if (row.scope.reader is not None) == alone]
        if not mine:
            continue
        cells = [_cell(row) for row in mine] if alone else [
            _cell(next((row for row in mine if row.inference == inference), None))
            for inference in ("these_readers", "readers_like_these")
        ]  # fmt: skip
        k, n = mine[0].k, mine[0].n_readings
        count = f"{k:g}/{n}" if k is not None and n else ""
        why = next((row.reason for row in mine if row.value is None and row.reason), "")
        cells = [*cells, ""][:2]
        note = "; ".join(filter(None, (count, why)))
        unsure = {"excluded": "left out"}.get(policy or "", policy or "")
        lines.append(f"  {wording.title(name):26} {unsure:9} {cells[0]:24} {cells[1]:24} {note}".rstrip())
    return lines


def _readers(rows: Sequence[Estimate], own: tuple[str, str | None], readers: Sequence[str]) -> list[str]:
    """A line for each reader, in a few measures."""
    shown = [own, *(row for row in BY_READER if row != own)]
    width = max(len(name) for name in readers)
    lines = [f"  {'':{width}} " + " ".join(f"{wording.title(name):22}" for name, _ in shown).rstrip()]
    for reader in readers:
        mine: dict[tuple[str, str | None], Estimate] = {
            (row.estimand, row.policy): row for row in rows if row.scope.reader == reader
        }
        lines.append(f"  {reader:{width}} " + " ".join(f"{_cell(mine.get(key)):22}" for key in shown).rstrip())
    return lines


def _cell(row: Estimate | None) -> str:
    """A value with its interval, or the interval alone."""
    if row is None:
        return "-"
    form = wording.form_of(row.estimand)
    limits = wording.interval(row.low, row.high, form)
    value = "" if limits and row.value is None else wording.number(row.value, form)
    return " ".join(part for part in (value, f"({limits})" if limits else "") if part)
