"""`analyse LABELS.csv`: the scoring and the report of a run, for labels that were collected elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, did_you_mean
from lungeval.files import write_atomic
from lungeval.keys import content_key, sha256_file
from lungeval.labels import read_labels
from lungeval.progress import Progress
from lungeval.records import REAL_ARM, Estimate, Policy, ScoredReading, to_json
from lungeval.reporting.document import write
from lungeval.scoring import versions
from lungeval.statistics.analysis import Settings, conclude

PRIMARY = ("balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate")
SHOWN = (
    ("sensitivity", "excluded"), ("specificity", "excluded"), ("accuracy", "excluded"), ("balanced_accuracy", "half"),
    ("fool_rate", None), ("unsure_rate", None), ("false_discovery_rate", "excluded"),
    ("false_omission_rate", "excluded"), ("kappa_truth", "excluded"), ("dprime", "excluded"), ("criterion", "excluded"),
)  # fmt: skip
"""Rows of the table on the terminal: estimand and policy."""


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
    said = [row.text for row in found if row.inference == settings.headline(int(row.inputs["n_readers"]))]
    return plain, "\n".join([_text(estimates), "", *said])


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


def _text(estimates: Sequence[Estimate]) -> str:
    lines = [f"{'estimand':24} {'unsure':9} {'of':32} {'value and interval':34} count"]
    for estimate in estimates:
        scope = estimate.scope
        if (estimate.estimand, estimate.policy) not in SHOWN or scope.modality or scope.condition or scope.subset:
            continue
        if scope.readers is not None and (len(scope.readers) == 1 or estimate.low is None):
            continue  # one reader's mean is the reader; a mean without an interval is in --json and in the report
        who = scope.reader or f"mean, {str(estimate.inference or 'no interval').replace('_', ' ')}"
        of = " ".join(filter(None, [who, scope.arm]))
        n = estimate.n_readings
        count = f"{estimate.k:g}/{n}" if estimate.k is not None and n else ""
        value = "" if estimate.value is None else f"{estimate.value:.4f}"
        limits = "" if estimate.low is None else f" ({estimate.low:.4f} to {estimate.high:.4f})"
        shown = value + limits if value else f"not estimable: {estimate.reason}"
        lines.append(f"{estimate.estimand:24} {estimate.policy or '':9} {of:32} {shown:34} {count}")
    return "\n".join(lines)
