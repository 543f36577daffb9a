"""The stage `measure` of a run: every arm and cell, a score an image, the same digits wherever and however often."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial

import numpy as np
import pytest
from measured_sets import extractor
from studies import write_protocol

from lungeval.measuring import stage
from lungeval.metrics.base import Settings
from lungeval.metrics.manifold import ImageScore
from lungeval.pipeline import STEPS, Study
from lungeval.progress import Progress
from lungeval.protocol_files import load_protocol
from lungeval.records import estimates_of, read_rows
from lungeval.runs import open_run

QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    monkeypatch.setattr(stage, "Settings", partial(Settings, cheap=30, shuffles=20))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return extractor(tmp_path_factory.mktemp("plugin"))


def study(folder, plugin, **changes):
    """A run with its images made and blinded."""
    settings = {"metrics": ["frechet", "kernel"], "extractors": [plugin]} | changes
    loaded = load_protocol(write_protocol(folder, **settings))
    made = Study(open_run(folder / "reports", loaded.protocol, loaded.path), loaded, QUIET)
    for name in ("generate", "blind"):
        STEPS[name](made)
    return made


def measured(made):
    STEPS["measure"](made)
    folder = made.run.path("measure")
    return json.loads((folder / "measures.json").read_text(encoding="utf-8")), folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, plugin):
    return study(tmp_path_factory.mktemp("study"), plugin)


def test_every_arm_and_cell_has_its_rows(made):
    measures, folder = measured(made)
    rows = estimates_of(measures["image_metrics"])
    assert measures["extractors"] == [{
        "name": "means", "dimension": 16, "weights_sha256": "", "licence": "none",
        "preprocessing": "means of a 4 x 4 grid",
    }]  # fmt: skip
    of = {(row.estimand, row.scope.arm): row for row in rows if row.scope.subset is None}
    for arm in ("good", "poor"):
        row = of["frechet_excess[means]", arm]
        assert (row.scope.modality, row.scope.condition) == ("xray", "no_finding")
        assert (row.n_real, row.n_fake) == (10, 6)
        assert row.value is not None
        assert "only 6 images on a side" in row.reason
    assert any(row.estimand == "difference_kernel[means]" for row in rows)
    assert not (folder / "batches").exists()
    scores = read_rows(ImageScore, folder / "images.csv")
    images = {(i.arm, i.key) for i in made.run.manifest() if i.arm != "real"}
    assert {(score.arm, score.key) for score in scores} == images
    assert all(score.score >= 0 for score in scores)
    with (folder / "images.csv").open() as handle:
        assert next(csv.reader(handle)) == ["arm", "key", "modality", "condition", "extractor", "score"]
    assert "images.csv" in (folder / "SHA256SUMS").read_text()


def test_another_machine_with_another_secret_finds_the_same(made, plugin, tmp_path):
    first, _ = measured(made)
    other = study(tmp_path, plugin)
    second, folder = measured(other)
    secrets = [m.run.folder / "sealed" / "secret" for m in (made, other)]
    assert secrets[0].read_bytes() != secrets[1].read_bytes()
    assert second == first
    assert (folder / "images.csv").read_bytes() == (made.run.path("measure") / "images.csv").read_bytes()


def test_a_stop_loses_no_part_and_changes_nothing(made, plugin, tmp_path, monkeypatch):
    from lungeval.measuring import features

    first, _ = measured(made)
    monkeypatch.setattr(features, "PART", 4)
    monkeypatch.setattr(features.fill, "__kwdefaults__", {"part": 4, "only": None})
    folder = tmp_path / "copy"
    shutil.copytree(made.run.folder.parent.parent, folder)
    loaded = load_protocol(folder / "protocols" / "small.yaml")
    again = Study(open_run(folder / "reports", loaded.protocol, loaded.path), loaded, QUIET)
    shutil.rmtree(again.run.path("measure"))
    calls = []
    true = features.features_of

    def stopped(network, shown):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(len(shown))
        return true(network, shown)

    monkeypatch.setattr(features, "features_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        STEPS["measure"](again)
    kept = list((again.run.path("measure") / "batches").rglob("*.part.npz"))
    assert len(kept) == 3
    calls[:] = [0] * 10
    second, _ = measured(again)
    assert sum(calls) + 12 >= 22 > sum(calls), "what was kept is not computed again"
    assert second == first


def test_no_metric_no_features(made):
    folder = made.run.path("measure")
    shutil.rmtree(folder, ignore_errors=True)
    stage.measure(made.run, with_metrics(made, []), QUIET)
    measures = json.loads((folder / "measures.json").read_text(encoding="utf-8"))
    assert measures == {"schema": 1, "extractors": [], "image_metrics": []}
    assert not (folder / "images.csv").exists()


def with_metrics(made, metrics):
    """The locked protocol of a study that asks for these."""
    protocol = made.locked.protocol.model_copy(update={"metrics": metrics})
    return made.locked.model_copy(update={"protocol": protocol})


def test_a_study_without_reals_says_so(tmp_path, plugin):
    made = study(tmp_path, plugin, real=None)
    measures, folder = measured(made)
    rows = estimates_of(measures["image_metrics"])
    alone = [row for row in rows if row.scope.arms is None]
    assert {row.reason for row in alone} == {"no reals of this cell"}
    assert all(row.value is None and row.n_real == 0 for row in alone)
    assert all(score.score is None for score in read_rows(ImageScore, folder / "images.csv"))


def test_training_images_of_an_arm_are_looked_at(tmp_path, made):
    from PIL import Image

    folder = tmp_path / "generators" / "seen"
    folder.mkdir(parents=True)
    for image in [i for i in made.run.manifest() if i.arm == "good"]:
        shutil.copy(made.run.path("generate") / image.file, folder / f"{image.key[:8]}.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(folder / "z.png")
    arms = [
        located.model_copy(update={"arm": located.arm.model_copy(update={"train": _Train(str(folder))})})
        if located.name == "good"
        else located
        for located in made.loaded.arms
    ]
    stage.measure(made.run, with_metrics(made, ["memorisation"]), QUIET, arms)
    measures = json.loads((made.run.path("measure") / "measures.json").read_text(encoding="utf-8"))
    rows = {(row.estimand, row.scope.arm): row for row in estimates_of(measures["image_metrics"])}
    assert rows["nearest_training[means]", "good"].value == 0
    assert rows["copies[means]", "good"].value == 6
    poor = rows["copies[means]", "poor"]
    assert (poor.value, poor.reason) == (None, "no training images were given")


class _Train:
    """The one key of a generator's `train` that is looked at."""

    def __init__(self, data):
        self.data = data
