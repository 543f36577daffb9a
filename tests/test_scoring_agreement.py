"""Scoring joins image metrics with readers: over arms, and each fake's distance with how often it passed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.records import Case, Estimate, Scope, ScoredReading, to_json
from lungeval.scoring import agreement as scoring_agreement
from lungeval.scoring.agreement import IMAGES, asked_of, metric_agreement
from lungeval.statistics.image_agreement import ImagePoint, image_agreement
from lungeval.verifying.digest import AGREEMENT

HEAD = "arm,key,modality,condition,extractor,score"


def study(folder: Path, n: int = 24, *, scores: str | None = "") -> tuple[Any, dict[str, Case], list[ScoredReading]]:
    """A run of one arm: far fakes are never taken for real, near ones always, by either of two readers."""
    rng = np.random.default_rng(1)
    key, table, lines = {}, [], [HEAD]
    for i in range(n):
        case, far = f"case{i}", i / n
        key[case] = Case(case=case, truth="fake", arm="gan", modality="xray", condition="any", cluster=f"k{i}",
                         key=f"key{i}", sha256="", nonce="")  # fmt: skip
        lines.append(f"gan,key{i},xray,any,net,{far + float(rng.normal(0, 0.1)):.6f}")
        for reader in ("r1", "r2"):
            for kind in ("main", "repeat"):
                label = "real" if kind == "main" and rng.random() > far else "fake"
                table.append(
                    ScoredReading(reader=reader, case=case, truth="fake", label=label, arm="gan", modality="xray",  # type: ignore[arg-type]
                                  condition="any", patient=f"k{i}", presentation=kind, reader_kind="human")  # type: ignore[arg-type]
                )  # fmt: skip
    folder.mkdir(exist_ok=True)
    if scores is not None:
        (folder / IMAGES).write_text("\n".join([*lines, *filter(None, [scores])]) + "\n", encoding="utf-8")
    return SimpleNamespace(path=lambda stage: folder), key, table


def metric(name: str, arm: str = "gan", **also: Any) -> Estimate:
    scope = Scope(arm=arm, modality="xray", condition="any", extractor="net")
    return Estimate(estimand=f"{name}[net]", scope=scope, value=1.0, method="m", source="s", **also)


def test_without_image_metrics_nothing_is_added(tmp_path: Path) -> None:
    run, key, table = study(tmp_path, scores=None)
    assert metric_agreement(run, key, table, [], [], seed=1, level=0.95) == {}


def test_older_runs_without_scores_have_their_arms(tmp_path: Path) -> None:
    run, key, table = study(tmp_path, scores=None)
    rate = Estimate(estimand="fool_rate", scope=Scope(reader_kind="human", readers=("r1", "r2")), value=0.5, se=0.1,
                    inference="these_readers", n_cases=24, method="m", source="s")  # fmt: skip
    found = metric_agreement(run, key, table, [rate], [metric("frechet_excess", se=0.2)], seed=1, level=0.95)
    assert [row.estimand for row in found["metric_agreement"]] == [
        "agreement[frechet_excess[net],fool_rate]", "agreement[frechet_excess[net],dprime]",
    ]  # fmt: skip
    point = found["metric_agreement_points"][0]
    assert (point["arm"], point["metric"], point["reader"], point["reader_se"]) == ("gan", 1.0, 0.5, 0.1), (
        "of a study's only generator the estimate of all cases is its own"
    )


def test_each_fake_is_joined_by_the_opened_key(tmp_path: Path) -> None:
    run, key, table = study(tmp_path)
    found = metric_agreement(run, key, table, [], [], seed=1, level=0.9)
    row = found["metric_agreement"][0]
    assert row.estimand == "image_agreement[distance[net],fool_rate]"
    assert row.value is not None
    assert row.value > 0.3
    assert (row.level, row.n_fake, row.n_readings) == (0.9, 24, 48), "repeats do not count"
    points = found["metric_agreement_points"]
    assert {p["key"] for p in points} == {case.key for case in key.values()}
    assert not any(set(p) & {"case"} for p in points), "opaque ids differ from replay to replay"
    assert points == sorted(points, key=lambda p: p["key"])
    json.dumps(to_json(found))


def test_unread_and_unscored_fakes_are_left_out(tmp_path: Path) -> None:
    run, key, table = study(tmp_path, scores="gan,key99,xray,any,net,")
    some = [row.model_copy(update={"label": None}) if row.case == "case0" else row for row in table]
    points = metric_agreement(run, key, some, [], [], seed=1, level=0.95)["metric_agreement_points"]
    assert len(points) == 23
    assert "key0" not in {p["key"] for p in points}


@pytest.mark.parametrize(
    ("text", "said"), [("arm,key\n", "columns should be"), (f"{HEAD}\ngan,k,xray,any,net,far\n", "'far' is no number")]
)
def test_an_edited_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    run, key, table = study(tmp_path)
    (tmp_path / IMAGES).write_text(text, encoding="utf-8")
    with pytest.raises(LungevalError, match=said) as fault:
        metric_agreement(run, key, table, [], [], seed=1, level=0.95)
    assert fault.value.code == "changed"


def test_quantities_that_stand_behind_others_are_not_asked() -> None:
    names = (
        "frechet",
        "frechet_excess",
        "frechet_null",
        "frechet_floor",
        "kernel",
        "kernel_floor",
        "vendi",
        "coverage",
        "mine",
    )
    found = {one.quantity: one for one in asked_of([metric(name) for name in names])}
    assert list(found) == ["frechet_excess", "kernel", "coverage", "mine"]
    assert (found["coverage"].alike, found["coverage"].comparable) == ("high", False)
    old = asked_of([metric("frechet"), metric("kernel")])
    assert [one.quantity for one in old] == ["frechet", "kernel"], "results of earlier versions have raw values alone"
    assert not old[0].comparable


def test_the_digest_knows_these_keys(tmp_path: Path) -> None:
    run, key, table = study(tmp_path)
    found = metric_agreement(run, key, table, [], [], seed=1, level=0.95)
    assert tuple(found) == AGREEMENT
    assert all(math.isfinite(p["score"]) for p in found["metric_agreement_points"])


def test_sums_run_over_images_and_not_over_opaque_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, key, table = study(tmp_path)
    orders = []

    def noted(points: list[ImagePoint], *args: Any, **also: Any) -> list[Estimate]:
        orders.append([point.key for point in points])
        return image_agreement(points, *args, **also)

    monkeypatch.setattr(scoring_agreement, "image_agreement", noted)
    for rows in (table, table[::-1]):
        metric_agreement(run, key, rows, [], [], seed=1, level=0.95)
    assert orders[0] == orders[1], "else a replay differs in the last digit, and its digest may"
