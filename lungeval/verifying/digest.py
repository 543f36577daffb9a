"""One hash of everything a study found, the same after any number of stops, restarts and replays.

In it: every image by arm (content key, pixel hash, outcome), every plan by content key, every reading (no clock times;
drawn times of simulated readers), every estimate, image metric and agreement of the two to ten significant digits
(refusal rates follow from the outcomes). Not in it: times, host, versions, opaque ids and nonces (they are secret and
differ), how a backend was configured, what was paid.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lungeval.keys import canonical
from lungeval.records import ScoredReading, read_rows
from lungeval.runs import Run
from lungeval.seal import open_key
from lungeval.statistics.refusals import REFUSAL_RATE

PROSE = ("what", "remedy", "reason", "accepted")
"""Of the rows of the leak audit: words for people."""
ROWS = ("facts", "confounds")
AGREEMENT = ("metric_agreement", "metric_agreement_points")
"""Of `results.json`, where image metrics were computed: the digest of a run without them is as it was."""
VOLATILE = {
    "versions", "version", "protocol", "blinding", "stand_ins", "arms", "funnel", "requests", "limitations", "ribbon",
    "extractors", "exposures", "status", "status_reason", "amendments",
}  # fmt: skip
"""Keys of `results.json: run` that may differ between equal studies."""


def digest(run: Run) -> str:
    """SHA-256 (hex) of a scored run's canonical content.

    Raises:
        LungevalError: `run-folder` where the run is not scored; `changed` where a stage was edited.
    """
    run.need("generate", "blind", "measure", "score")
    run.check()
    return hashlib.sha256(canonical(content(run)).encode()).hexdigest()


def content(run: Run) -> dict[str, Any]:
    """What the digest is taken of."""
    key = {case.case: case for case in open_key(run.folder)}
    results = json.loads((run.path("score") / "results.json").read_text(encoding="utf-8"))
    readings = read_rows(ScoredReading, run.path("score") / "readings.csv")
    return {
        "schema": 1,
        "images": [[i.arm, i.modality, i.condition, i.key, i.sha256, i.outcome] for i in run.manifest()],
        "cases": sorted([case.arm, case.key, case.sha256] for case in key.values()),
        "plan": sorted([s.reader, s.position, key[s.case].key, s.kind] for s in run.plan()),
        "readings": sorted(
            [
                [r.reader_kind, r.reader, key[r.case].key, r.presentation, r.label, _number(r.confidence), _time(r)]
                for r in readings
            ],
            key=canonical,
        ),
        "run": {
            name: _rounded(_numbers(name, value)) for name, value in results["run"].items() if name not in VOLATILE
        },
        # Refusal rates are counts of the outcomes above; whether an arm has any depends on a log that may be absent.
        "estimates": [_rounded(row) for row in results["estimates"] if row["estimand"] != REFUSAL_RATE],
        "image_metrics": _rounded(results["image_metrics"]),
        "verdicts": _rounded(results["verdicts"]),
        **{name: _rounded(results[name]) for name in AGREEMENT if name in results},
    }


def _numbers(name: str, value: Any) -> Any:
    """The leak audit without its sentences, which may be worded anew."""
    if name != "audit":
        return value
    parts = {part: [{k: v for k, v in row.items() if k not in PROSE} for row in value[part]] for part in ROWS}
    return value | parts


def _time(reading: ScoredReading) -> float | None:
    return _number(reading.rt_ms) if reading.reader_kind == "simulated" else None


def _number(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.10g}")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
