"""`lungeval agree`: image metrics beside readers, over the generators of several runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lungeval.agreeing import OTHER, agree_runs
from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.records import Estimate, Scope, to_json

NETWORK = "net-a"
QUIET = Progress(quiet=True)


def scored(
    folder: Path, arms: int, *, seed: int = 0, kinds: tuple[str, ...] = ("human",), weights: str = "w",
    slope: float = -0.01, extra: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """A scored run whose fool rate falls as the excess grows, with a little noise."""
    rng = np.random.default_rng(seed)
    estimates, metrics = [], []
    for i in range(arms):
        arm, excess = f"g{i}", 5.0 + 4.0 * i
        scope = Scope(arm=arm, modality="xray", condition="covid_19", extractor=NETWORK)
        facts: dict[str, Any] = {"n_real": 50, "n_fake": 50, "method": "m", "source": "s", "level": 0.95}
        for name, value, se in (
            ("frechet_excess", excess, 1.0),
            ("frechet", 90 + excess, 1.0),
            ("kernel", excess / 1e3, 1e-4),
        ):
            metrics.append(Estimate(estimand=f"{name}[{NETWORK}]", scope=scope, value=value, se=se, **facts))
        metrics.append(Estimate(estimand=f"vendi[{NETWORK}]", scope=scope, value=9.0, **facts))
        for kind in kinds:
            rate = 0.6 + slope * excess + float(rng.normal(0, 0.02))
            own = Scope(arm=arm, reader_kind=kind, readers=("r1", "r2"))  # type: ignore[arg-type]
            shared: dict[str, Any] = {"scope": own, "inference": "these_readers", "n_cases": 60, "level": 0.95,
                                      "method": "m", "source": "s"}  # fmt: skip
            estimates.append(Estimate(estimand="fool_rate", value=rate, se=0.04, **shared))
            estimates.append(Estimate(estimand="dprime", value=2 - 3 * rate, se=0.2, policy="excluded", **shared))
    facts = {"name": "study", "version": "0", "extractors": [{"name": NETWORK, "weights_sha256": weights}]}
    if kinds == ("simulated",):
        facts["ribbon"] = "Not a clinical result: simulated readers"
    results = {
        "schema": 1,
        "run": facts,
        "estimates": estimates,
        "image_metrics": metrics,
        "verdicts": [],
        **(extra or {}),
    }
    (folder / "4-scores").mkdir(parents=True)
    (folder / "4-scores" / "results.json").write_text(to_json(results), encoding="utf-8")
    return folder


def rows_of(data: dict[str, Any]) -> dict[str, Estimate]:
    return {row.estimand: row for row in data["rows"]}


def test_few_arms_are_drawn_and_nothing_is_estimated(tmp_path: Path) -> None:
    data, text = agree_runs([scored(tmp_path / "a", 3)], tmp_path / "page.html", QUIET)
    assert {row.value for row in data["rows"]} == {None}
    assert all((row.reason or "").startswith("3 arms, under 8: drawn") for row in data["rows"])
    assert len([p for p in data["points"] if p["estimand"].startswith("agreement[kernel[")]) == 2 * 3
    assert "3 arms, under 8: drawn, and nothing is estimated." in text
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('class="scatter"') == 4
    assert "The dots as a table" in page


def test_many_arms_give_a_correlation_by_name(tmp_path: Path) -> None:
    data, text = agree_runs([scored(tmp_path / "a", 9)], None, QUIET)
    found = rows_of(data)
    assert set(found) == {
        f"agreement[{name}[{NETWORK}],{measure}]" for name in ("frechet_excess", "kernel")
        for measure in ("fool_rate", "dprime")
    }  # fmt: skip
    row = found[f"agreement[frechet_excess[{NETWORK}],fool_rate]"]
    assert row.value is not None
    assert row.value > 0.9
    assert row.low is not None
    assert row.p_adjusted is not None
    assert row.low < row.value
    assert row.p_adjusted >= (row.p or 1)
    assert row.scope.arms == tuple(f"g{i}" for i in range(9))
    assert re.search(r"frechet_excess\[net-a\] +fool rate +\+1\.00 \(\+0\.\d\d to \+1\.00\)", text)
    assert json.loads(to_json(data))["runs"] == ["a"]


def test_runs_are_compared_within_each(tmp_path: Path) -> None:
    """Readers of the second run are fooled twice as often throughout: between runs, nothing is compared."""
    first, second = scored(tmp_path / "a", 5), scored(tmp_path / "b", 5, seed=1, slope=-0.012)
    lone = scored(tmp_path / "c", 1, seed=2)
    row = rows_of(agree_runs([first, second, lone], None, QUIET)[0])[f"agreement[kernel[{NETWORK}],fool_rate]"]
    assert row.value is not None
    assert row.scope.arms is not None
    assert len(row.scope.arms) == 10, "the run with one generator has nothing to compare"
    assert row.scope.arms[0] == "a: g0"
    assert row.scope.subset == "within runs"
    assert "of 2 runs, within each" in row.method


def test_kinds_of_readers_are_never_pooled(tmp_path: Path) -> None:
    data, text = agree_runs([scored(tmp_path / "a", 4, kinds=("human", "simulated"))], tmp_path / "p.html", QUIET)
    assert {row.scope.reader_kind for row in data["rows"]} == {"human", "simulated"}
    assert all(len(row.scope.arms or ()) == 4 for row in data["rows"])
    assert text.index("human readers") < text.index("simulated readers")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.index('id="human"') < page.index('id="simulated"')


def test_networks_of_one_name_and_other_weights_are_not_compared(tmp_path: Path) -> None:
    runs = [scored(tmp_path / "a", 8), scored(tmp_path / "b", 8, seed=1, weights="others")]
    data, _ = agree_runs(runs, None, QUIET)
    assert all(row.value is None for row in data["rows"])
    assert all(OTHER in (row.reason or "") for row in data["rows"])


def test_faults_say_what_to_do(tmp_path: Path) -> None:
    run = scored(tmp_path / "a", 2)
    with pytest.raises(LungevalError, match="no scored run") as missing:
        agree_runs([tmp_path / "nothing"], None, QUIET)
    assert missing.value.code == "run-folder"
    with pytest.raises(LungevalError, match="count twice") as twice:
        agree_runs([run, run / "4-scores" / "results.json"], None, QUIET)
    assert twice.value.code == "usage"
    bad = tmp_path / "bad.json"
    bad.write_text("{}", encoding="utf-8")
    with pytest.raises(LungevalError, match="not results as lungeval writes them"):
        agree_runs([bad], None, QUIET)


def test_without_metrics_it_says_so(tmp_path: Path) -> None:
    data, text = agree_runs([scored(tmp_path / "a", 0)], tmp_path / "p.html", QUIET)
    assert (data["rows"], data["points"]) == ([], [])
    assert "no image metric" in text
    assert "No image metric" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_page_is_whole_and_safe(tmp_path: Path) -> None:
    hostile = scored(tmp_path / "<img src=x>", 9, kinds=("simulated",))
    out = tmp_path / "p.html"
    data, text = agree_runs([hostile, scored(tmp_path / "b", 8, seed=3)], out, QUIET)
    page = out.read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert data["ribbon"] == "Not a clinical result: simulated readers"
    assert text.startswith(data["ribbon"])
    assert f'class="ribbon" role="note">{data["ribbon"]}' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    agree_runs([hostile, tmp_path / "b"], tmp_path / "again.html", QUIET)
    assert (tmp_path / "again.html").read_bytes() == out.read_bytes()


def test_image_by_image_is_taken_over_from_scoring(tmp_path: Path) -> None:
    name = f"image_agreement[distance[{NETWORK}],fool_rate]"
    row = {"estimand": name, "scope": {"arm": "g0", "reader_kind": "human", "extractor": NETWORK}, "value": 0.31,
           "low": 0.1, "high": 0.5, "level": 0.95, "p": 0.004, "p_adjusted": 0.004, "n_fake": 40, "n_clusters": 40,
           "method": "m", "source": "s"}  # fmt: skip
    points = [
        {"estimand": name, "reader_kind": "human", "arm": "g0", "key": str(i), "modality": "xray",
         "condition": "covid_19", "score": float(i), "k": i % 3, "n_readings": 2 + i % 3}
        for i in range(40)
    ]  # fmt: skip
    extra = {"metric_agreement": [row], "metric_agreement_points": points}
    data, text = agree_runs([scored(tmp_path / "a", 2, extra=extra)], tmp_path / "p.html", QUIET)
    assert [part["rows"][0].value for part in data["image_rows"]] == [0.31]
    assert "+0.31 (+0.10 to +0.50)" in text
    assert (tmp_path / "p.html").read_text(encoding="utf-8").count('<g class="one">') == 40


def test_a_replay_does_not_count_twice(tmp_path: Path) -> None:
    first, second = scored(tmp_path / "a", 3), scored(tmp_path / "b", 3)
    path = second / "4-scores" / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    results["run"]["name"] = "study again"  # as a replay: another protocol, the same images and answers
    path.write_text(to_json(results), encoding="utf-8")
    with pytest.raises(LungevalError, match="would count twice") as fault:
        agree_runs([first, second], None, QUIET)
    assert fault.value.code == "usage"
