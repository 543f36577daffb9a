"""Stage `score` -> 4-scores/: open the key, join each reading to its truth, analyse; results.json and readings.csv."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.protocol import LockedProtocol, Protocol
from lungeval.records import Case, Reading, ScoredReading, estimates_of, rows_to_csv, to_json
from lungeval.runs import Run
from lungeval.scoring.agreement import metric_agreement
from lungeval.scoring.facts import facts, stated, versions
from lungeval.scoring.requests import attempts_of, requests
from lungeval.seal import open_key
from lungeval.statistics.analysis import Settings, conclude
from lungeval.statistics.refusals import refusal_rates

__all__ = ["join", "score", "settings_of", "versions"]


def score(
    run: Run,
    locked: LockedProtocol,
    readings: Sequence[Reading],
    readers: Sequence[dict[str, Any]],
    *,
    ribbon: str,
    drawn_arms: Sequence[str],
    blurs: Mapping[str, int] | None = None,
) -> None:
    """Write 4-scores/.

    Args:
        run: the run; images, cases, measures and readings are there.
        locked: the protocol.
        readings: every answer.
        readers: id, kind, experience_years, planned, answered, closed of every reader.
        ribbon: what every page says of what is not real.
        drawn_arms: arms whose images are phantoms.
        blurs: how often the page lost the focus, by presentation, where that was counted.
    """
    key = {case.case: case for case in open_key(run.folder)}
    table = join(readings, key, blurs)
    folder = run.path("score")
    measures = json.loads((run.path("measure") / "measures.json").read_text(encoding="utf-8"))
    about = facts(run, locked, list(key.values()), readers, ribbon=ribbon, drawn_arms=drawn_arms)
    manifest, log = run.manifest(), attempts_of(run)
    refused = refusal_rates(manifest, {row["arm"] for row in log}, alpha=locked.protocol.analysis.alpha)
    if refused:
        about["requests"] = requests(manifest, log, {str(row.scope.arm) for row in refused})
    settings = settings_of(locked.protocol)
    estimates, found = conclude(table, settings)
    metrics = estimates_of(measures["image_metrics"])
    results = {
        "schema": 1,
        "run": stated(about | {"extractors": measures["extractors"]}),
        "estimates": [*estimates, *refused],
        "image_metrics": metrics,
        "verdicts": found,
        **metric_agreement(run, key, table, estimates, metrics, seed=settings.seed, level=settings.level),
    }
    write_atomic(folder / "readings.csv", rows_to_csv(ScoredReading, table))
    write_atomic(folder / "results.json", to_json(results))
    run.finish("score")


def settings_of(protocol: Protocol) -> Settings:
    """The protocol's analysis as the statistics take it."""
    analysis = protocol.analysis
    pairs: tuple[tuple[str, str], ...] | None = None if analysis.compare == "all" else ()
    if not isinstance(analysis.compare, str):
        pairs = tuple((pair[0], pair[1]) for pair in analysis.compare)
    return Settings(
        primary=analysis.primary, unsure=analysis.unsure, alpha=analysis.alpha, margin=analysis.margin, compare=pairs,
        labels=("real", "unsure", "fake") if protocol.answers.unsure else ("real", "fake"),
        attention=analysis.attention, seed=protocol.seed, effect=protocol.blinding.declared_effect or "",
    )  # fmt: skip


def join(
    readings: Sequence[Reading], key: dict[str, Case], blurs: Mapping[str, int] | None = None
) -> list[ScoredReading]:
    """Readings with their truth, in order of kind of reader, reader and position.

    Raises:
        LungevalError: `changed` where a reading is of a case that the key does not know.
    """
    rows: list[ScoredReading] = []
    for reading in sorted(readings, key=lambda r: (r.reader_kind, r.reader, r.position)):
        case = key.get(reading.case)
        if case is None:
            raise LungevalError(
                "changed", f"reader {reading.reader} answered case {reading.case}, which the key does not know",
                where="3-readings", remedy="the readings are of another run: put this run's own store back",
            )  # fmt: skip
        rows.append(
            ScoredReading(
                reader=reading.reader,
                case=reading.case,
                truth=case.truth,
                label=reading.label,
                arm=case.arm,
                modality=case.modality,
                condition=case.condition,
                patient=case.cluster,
                confidence=reading.confidence,
                rt_ms=reading.rt_ms,
                presentation=reading.kind,
                presentation_id=reading.presentation,
                reader_kind=reading.reader_kind,
                position=reading.position,
                blurs=(blurs or {}).get(reading.presentation),
            )
        )
    return rows
