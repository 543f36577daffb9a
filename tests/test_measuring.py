"""`lungeval measure REAL FAKE`: sets of images and files of features, the cache, shards, and what is refused."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from measured_sets import extractor, folder, picture
from PIL import Image

from lungeval.cli import main
from lungeval.errors import LungevalError
from lungeval.measuring import command
from lungeval.measuring.command import measure_files, shard_of
from lungeval.measuring.features import versions
from lungeval.measuring.sets import arm_names
from lungeval.metrics.base import Settings
from lungeval.progress import Progress

QUIET = Progress(quiet=True)
PLAIN = {
    "extractors": (), "metrics": (), "per": None, "features": False, "training": None, "size": None, "seed": 0,
    "shuffles": 20, "out": None, "shard": None, "cache": None, "no_cache": False, "reference": False,
}  # fmt: skip
CHEAP = ("frechet", "kernel")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Reals, fakes like them, and fakes that are not; each folder with its cache."""
    home = tmp_path_factory.mktemp("sets")
    folder(home / "real", 30, 1, conditions=("covid_19", "no_finding"), per_patient=2)
    folder(home / "good", 24, 2, conditions=("covid_19", "no_finding"))
    folder(home / "poor", 20, 3, shift=60, conditions=("covid_19", "no_finding"))
    return home


@pytest.fixture(scope="module")
def means(tmp_path_factory):
    return extractor(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    monkeypatch.setattr(command, "Settings", partial(Settings, cheap=40))


def measured(paths, means=None, **more):
    options = PLAIN | {"extractors": (means,) if means else (), "metrics": CHEAP, "no_cache": "cache" not in more}
    return measure_files([Path(p) for p in paths], progress=QUIET, **(options | more))


def rows(data, quantity, **scope):
    found = []
    for row in data["image_metrics"]:
        told = row.scope.model_dump(exclude_none=True)
        if row.estimand.partition("[")[0] == quantity and {k: told.get(k) for k in scope} == scope:
            found.append(row)
    return found


def one(data, quantity, **scope):
    (row,) = rows(data, quantity, **({"subset": None, "condition": None, "arms": None} | scope))
    return row


def run(*arguments):
    return CliRunner().invoke(main, ["measure", *map(str, arguments), "--quiet"], catch_exceptions=False)


def test_two_folders(sets, means):
    data, text = measured([sets / "real", sets / "good", sets / "poor"], means)
    good, poor = (one(data, "frechet_excess", arm=arm) for arm in ("good", "poor"))
    assert poor.value > good.value
    assert poor.low < poor.value < poor.high
    assert poor.p == pytest.approx(1 / 21)
    assert good.p > 0.05
    assert (poor.n_real, poor.n_fake, poor.n_clusters) == (30, 20, 35)  # 15 patients, 20 fakes by themselves
    assert poor.estimand == "frechet_excess[means]"
    (pair,) = rows(data, "difference_kernel", condition=None)
    assert pair.scope.arms == ("good", "poor")
    assert (pair.family, pair.comparator) == ("generators", "poor")
    assert pair.value < 0
    assert pair.p_adjusted is not None
    assert data["preprocessing"][0]["recipe"]["size"] == 24
    assert data["extractors"][0]["preprocessing"] == "means of a 4 x 4 grid"
    assert data["versions"] == versions()
    assert len(data["digest"]) == 64
    assert "Fréchet distance, excess over chance" in text
    assert data["digest"] in text


def test_values_are_those_of_the_metrics_on_the_same_features(sets, means):
    """The whole way once more by hand: read, harmonise, extract, compute."""
    from lungeval import images
    from lungeval.metrics.frechet import frechet_distance
    from lungeval.metrics.kernel import kernel_distance

    def by_hand(name):
        tables = []
        for path in sorted((sets / name).glob("*.png")):
            shown = images.harmonise(images.read(path).pixels, 8, None, images.Recipe(24, trim=True))[0]
            tables.append([shown[r : r + 6, c : c + 6].mean() for r in range(0, 24, 6) for c in range(0, 24, 6)])
        return np.asarray(tables, np.float32).astype(np.float64)

    data, _ = measured([sets / "good", sets / "poor"], means)
    real, fake = by_hand("good"), by_hand("poor")
    assert one(data, "frechet", arm="poor").value == pytest.approx(frechet_distance(real, fake), rel=1e-9)
    assert one(data, "kernel", arm="poor").value == pytest.approx(kernel_distance(real, fake), rel=1e-9)


def test_neither_names_nor_their_order_nor_the_seed_of_another_arm_matter(sets, means, tmp_path):
    data, _ = measured([sets / "real", sets / "poor"], means)
    for name in ("real", "poor"):
        (tmp_path / f"my {name}").mkdir()
        listed = (sets / name / "metadata.csv").read_text().splitlines()
        new = [listed[0]]
        for number, line in enumerate(reversed(listed[1:])):
            file, _, rest = line.partition(",")
            shutil.copy(sets / name / file, tmp_path / f"my {name}" / f"x{number}.png")
            new.append(f"x{number}.png,{rest.replace(',p', ',patient ')}")
        (tmp_path / f"my {name}" / "metadata.csv").write_text("\n".join(new))
    again, _ = measured([tmp_path / "my real", tmp_path / "my poor"], means)
    assert again["digest"] == data["digest"]
    assert one(again, "frechet_excess").value == one(data, "frechet_excess").value
    other, _ = measured([sets / "real", sets / "poor"], means, seed=1)
    assert other["digest"] != data["digest"]


def test_per_condition_and_small_cells(sets, means, tmp_path):
    folder(tmp_path / "one", 1, 9, conditions=("covid_19",))
    folder(tmp_path / "tb", 4, 9, conditions=("tuberculosis",))
    paths = [sets / "real", sets / "poor", tmp_path / "one", tmp_path / "tb"]
    data, text = measured(paths, means, per="condition")
    row = one(data, "frechet_excess", arm="poor", condition="covid_19")
    assert (row.n_real, row.n_fake) == (15, 10)
    assert "only 10 images on a side" in row.reason
    assert (
        one(data, "frechet_excess", arm="poor").reason is None
        or "only" not in one(data, "frechet_excess", arm="poor").reason
    )
    alone = one(data, "kernel", arm="one", condition="covid_19")
    assert alone.value is None
    assert "needs two images" in alone.reason
    none = one(data, "kernel", arm="tb", condition="tuberculosis")
    assert (none.value, none.reason, none.n_real) == (None, "no reals of this cell", 0)
    assert "tuberculosis, means: no reals of this cell" in text
    assert any("tb: no image is of a condition that the reals have" in notice for notice in data["notices"])


def test_raw_values_are_given_at_equal_numbers_too(sets, means):
    data, _ = measured([sets / "real", sets / "good", sets / "poor"], means, metrics=("frechet",))
    equal = {row.scope.arm: row for row in rows(data, "frechet", subset="equal_n")}
    assert {arm: row.n_fake for arm, row in equal.items()} == {"good": 20, "poor": 20}
    assert equal["poor"].value == one(data, "frechet", arm="poor").value
    assert equal["good"].value != one(data, "frechet", arm="good").value
    assert not rows(data, "frechet_excess", subset="equal_n")
    alone, _ = measured([sets / "real", sets / "good"], means, metrics=("frechet",))
    assert not rows(alone, "frechet", subset="equal_n")


def test_the_cache_spares_the_work_and_changes_nothing(sets, means, tmp_path):
    import sys

    fresh, _ = measured([sets / "real", sets / "good"], means)
    plugin = sys.modules["lungeval_plugin_means"].Extractor
    cached, _ = measured([sets / "real", sets / "good"], means, cache=tmp_path / "c")
    calls = plugin.calls = 0
    again, _ = measured([sets / "real", sets / "good"], means, cache=tmp_path / "c")
    assert sys.modules["lungeval_plugin_means"].Extractor.calls == calls
    assert fresh["digest"] == cached["digest"] == again["digest"]
    parts = sorted((tmp_path / "c").glob("means-*/*.npz"))
    assert len(parts) == 2
    parts[0].write_bytes(parts[0].read_bytes()[:-50])
    repaired, _ = measured([sets / "real", sets / "good"], means, cache=tmp_path / "c")
    assert 0 < sys.modules["lungeval_plugin_means"].Extractor.calls < 54
    assert repaired["digest"] == fresh["digest"]
    assert (tmp_path / "c").stat().st_mode & 0o077 == 0, "features of patients are their owner's"
    smaller, _ = measured([sets / "real", sets / "good"], means, cache=tmp_path / "c", size=12)
    alone, _ = measured([sets / "real", sets / "good"], means, size=12)
    assert smaller["digest"] == alone["digest"] != fresh["digest"], "features of another size are others"


@pytest.mark.parametrize("size", [None, 16])
def test_shards_merge_exactly(sets, means, tmp_path, size):
    whole, _ = measured([sets / "real", sets / "poor"], means, size=size)
    counts = {"real": 0, "poor": 0}
    for number in range(1, 4):
        cache = tmp_path / f"machine{number}"
        data, text = measured([sets / "real", sets / "poor"], means, size=size, cache=cache, shard=f"{number}/3")
        for row in data["done"]:
            assert 0 < row["images"] == row["computed"] < 30
            counts[row["arm"]] += row["images"]
        assert f"shard {number} of 3" in text
        shutil.copytree(cache, tmp_path / "all", dirs_exist_ok=True)
    assert counts == {"real": 30, "poor": 20}
    again, _ = measured([sets / "real", sets / "poor"], means, size=size, cache=tmp_path / "machine1", shard="1/3")
    assert {row["computed"] for row in again["done"]} == {0}
    shown = {}
    merged, _ = measure_files(
        [sets / "real", sets / "poor"],
        progress=_Watch(shown),
        **(PLAIN | {"extractors": (means,), "metrics": CHEAP, "size": size, "cache": tmp_path / "all"}),
    )
    assert shown["means: real"] == shown["means: poor"] == 0, "nothing is left to extract"
    assert merged["digest"] == whole["digest"]
    for mine, theirs in zip(merged["image_metrics"], whole["image_metrics"], strict=True):
        assert mine == theirs


class _Watch(Progress):
    """Notes how long each bar is."""

    def __init__(self, shown):
        super().__init__(quiet=True)
        self.shown = shown

    def bar(self, label, total):
        self.shown[label] = total
        return super().bar(label, total)


def test_mixed_sizes_16_bits_dicom_and_stacks_just_work(means, tmp_path):
    from dicom_files import write_dicom

    folder(tmp_path / "real", 4, 1, side=30)
    for n in range(4):
        wide = np.kron(picture(50 + n, side=48).astype(np.uint16), np.ones((1, 2), np.uint16)) * 257
        Image.fromarray(wide[:48]).save(tmp_path / "real" / f"deep{n}.png")
    folder(tmp_path / "fake", 6, 2, side=36)
    write_dicom(tmp_path / "fake" / "film.dcm", picture(77, side=42))
    data, _ = measured([tmp_path / "real", tmp_path / "fake"], means)
    assert data["preprocessing"][0]["recipe"]["size"] == 30
    assert data["preprocessing"][0]["smallest_side"] == 30
    assert (one(data, "kernel").n_real, one(data, "kernel").n_fake) == (8, 7)
    np.savez(tmp_path / "arrays.npz", x=np.stack([picture(n, side=36) for n in range(6)]))
    more, _ = measured([tmp_path / "real", tmp_path / "arrays.npz"], means)
    assert one(more, "kernel").n_fake == 6
    large, _ = measured([tmp_path / "real", tmp_path / "fake"], means, size=40)
    assert large["preprocessing"][0]["enlarged"] == 10


def test_all_faulty_images_are_named_at_once(sets, means, tmp_path):
    shutil.copytree(sets / "good", tmp_path / "fake")
    for n in range(12):
        path = tmp_path / "fake" / f"i{n:03d}.png"
        path.write_bytes(path.read_bytes()[: 100 + n])
    for size in (None, 16):
        with pytest.raises(LungevalError) as caught:
            measured([sets / "real", tmp_path / "fake"], means, size=size, cache=tmp_path / "c")
        faults = caught.value.faults()
        assert [fault.code for fault in faults] == ["image"] * 11
        assert len({fault.where for fault in faults[:10]}) == 10
        assert "i00" in faults[0].where
        assert "damaged or cut short" in faults[0].what
        assert faults[0].remedy == "replace or remove the file"
        assert faults[10].what == "and 2 more"
    done = run(sets / "real", tmp_path / "fake", "--extractor", means, "--no-cache")
    assert done.exit_code == 3


@pytest.mark.parametrize(
    ("paths", "more", "code", "words"),
    [
        (["real"], {}, "usage", "one set alone cannot be compared"),
        (["real", "nowhere"], {}, "image", "no such file or folder"),
        (["real", "empty"], {}, "image", "no images found"),
        (["real", "good"], {"extractors": ("efficientnet",)}, "backend", "no extractor is called 'efficientnet'"),
        (["real", "good"], {"metrics": ("frechett",)}, "backend", "did you mean 'frechet'"),
        (["real", "good"], {"metrics": ("memorisation",)}, "usage", "--metric memorisation without --training"),
        (["real", "good"], {"shard": "3/2", "cache": Path("c")}, "usage", "write i/N"),
        (["real", "good"], {"shard": "1/2"}, "usage", "--shard and --no-cache"),
        (["real", "ct"], {}, "design", "no modality in common"),
        (["real", "good"], {"training": Path("nowhere")}, "image", "correct the path of --training"),
        (["real", "good"], {"out": Path("/")}, "usage", "--out / is a folder"),
        (["real", "good"], {"out": Path(__file__) / "page.html"}, "usage", "cannot be written"),
        (["real", "tiny"], {}, "image", "the smallest side of an image is 6 pixels"),
        (["real", "x.npy"], {}, "usage", "give --features where it holds features"),
    ],
)
def test_what_is_refused(sets, means, tmp_path, paths, more, code, words):
    (tmp_path / "empty").mkdir()
    folder(tmp_path / "ct", 3, 4, conditions=("covid_19",))
    text = (tmp_path / "ct" / "metadata.csv").read_text().replace("condition,", "modality,").replace("covid_19", "ct")
    (tmp_path / "ct" / "metadata.csv").write_text(text)
    folder(tmp_path / "tiny", 3, 4, side=6)
    where = [tmp_path / p if p in ("empty", "ct", "nowhere", "tiny") else sets / p for p in paths]
    with pytest.raises(LungevalError) as caught:
        measured(where, means, **more)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_what_limits_a_comparison_is_said_in_the_table_the_page_and_the_results(sets, means, tmp_path):
    shutil.copytree(sets / "good", tmp_path / "more")
    Image.fromarray(picture(5, side=36)).save(tmp_path / "more" / "film.png")
    folder(tmp_path / "ct", 3, 4)
    for n in range(3):
        shutil.move(tmp_path / "ct" / f"i00{n}.png", tmp_path / "more" / f"slice{n}.png")
    rows = "".join(f"slice{n}.png,ct,\n" for n in range(3))
    listed = (tmp_path / "more" / "metadata.csv").read_text().splitlines()[1:]
    films = "".join(f"{line.split(',')[0]},xray,{line.split(',')[1]}\n" for line in listed)
    (tmp_path / "more" / "metadata.csv").write_text(f"file,modality,condition\n{films}film.png,xray,covid_19\n{rows}")
    data, text = measured([tmp_path / "more", sets / "good"], means, out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in (
        "real: 3 images of ct are left out: not every set has any",
        "good: 24 of its 24 images are among the reals, too: its distances are too small",
    ):
        assert words in data["notices"]
        assert words in text
        assert page.index(words) < page.index("<svg")
    clean, _ = measured([sets / "real", sets / "good"], means)
    assert clean["notices"] == []


def test_an_extractor_that_breaks_is_told_as_a_plug_in_and_nothing_of_it_is_kept(sets, tmp_path):
    text = Path(extractor(tmp_path)).read_text()
    (tmp_path / "nan.py").write_text(text.replace("ravel())", "ravel() * np.nan)"))
    (tmp_path / "bad.py").write_text(text.replace("rows = []", "rows = 1 / 0"))
    (tmp_path / "few.py").write_text(text.replace("return np.asarray(rows", "return np.asarray(rows[1:]"))
    for name, words in (("nan", "NaN or infinite features"), ("bad", "ZeroDivisionError"), ("few", "gave an array")):
        with pytest.raises(LungevalError, match=words) as caught:
            measured([sets / "real", sets / "good"], str(tmp_path / f"{name}.py"), cache=tmp_path / "c")
        assert caught.value.exit == 6
    assert not list((tmp_path / "c").glob("means-*/*.npz"))


def test_training_images_find_copies(sets, means, tmp_path):
    folder(tmp_path / "training", 25, 7)
    folder(tmp_path / "fake", 12, 8)
    for n in range(3):
        shutil.copy(tmp_path / "training" / f"i{n:03d}.png", tmp_path / "fake" / f"copy{n}.png")
    paths = [sets / "real", tmp_path / "fake"]
    data, text = measured(paths, means, metrics=("memorisation",), training=tmp_path / "training", out=tmp_path / "p")
    assert one(data, "copies").value >= 3
    copies = [pair for pair in data["closest"] if pair["distance"] == 0]
    assert {(pair["fake"], pair["training"]) for pair in copies} == {(f"copy{n}.png", f"i00{n}.png") for n in range(3)}
    assert "COPY  copy0.png ~ i000.png" in text
    page = (tmp_path / "p").read_text()
    assert f"fake (means): {one(data, 'copies').value:.0f} of 15 fakes are a training image, or nearly" in page
    assert page.count("data:image/png;base64,") == 2 * len(data["closest"])
    marked = sum(pair["copy"] for pair in data["closest"])
    assert page.count('<figure class="copy">') == page.count("<b>copy</b>") == marked < len(data["closest"])


def test_default_metrics_include_those_of_pixels(sets):
    """No metric and no extractor asked for, weights left out: a network would be needed for the default."""
    data, _ = measured([sets / "real", sets / "good"], None, metrics=(), extractors=("radial-power",), shuffles=20)
    names = {row.estimand for row in data["image_metrics"]}
    assert {"frechet_excess[radial-power]", "kernel[radial-power]", "vendi[radial-power]", "ms_ssim[pixels]"} <= names
    assert not any(name.startswith("ms_ssim[radial") or name == "kernel[pixels]" for name in names)
    assert [one["name"] for one in data["extractors"]] == ["radial-power", "pixels"]


def test_reals_that_are_training_images_are_no_control(sets, means, tmp_path):
    shutil.copytree(sets / "poor", tmp_path / "training")  # fakes of that name are no training images
    paths = [sets / "real", tmp_path / "training"]
    data, text = measured(paths, means, metrics=("memorisation",), training=sets / "real")
    words = "30 of the 30 reals are training images, too: for memorisation they are no held-out control"
    assert words in data["notices"]
    assert words in text
    (arm,) = {row.scope.arm for row in data["image_metrics"]}
    assert arm.endswith("-training")
    for name, seed in (("a", 1), ("training", 2)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(seed).normal(size=(20, 4)))
    files = [tmp_path / "a.npy", tmp_path / "training.npy"]
    given, _ = measured(files, features=True, metrics=("memorisation", "kernel"), training=tmp_path / "a.npy")
    assert any("20 of the 20 reals are training images" in notice for notice in given["notices"])
    assert len(rows(given, "kernel")) == 1


def test_names_of_arms():
    found = arm_names([Path("/a/x"), Path("/b/x"), Path("/c/real"), Path("/b/x"), Path("/b/x"), Path("y.npz")])
    assert found == ["x", "b-x", "c-real", "b-x-2", "b-x-3", "y"]


def test_shards_are_written_as_i_of_n():
    assert (shard_of("2/3").number, shard_of("2/3").of) == (2, 3)
    for text in ("0/3", "4/3", "1", "a/b", "1/0", "-1/2"):
        with pytest.raises(LungevalError, match="write i/N"):
            shard_of(text)
    parts = [shard_of(f"{i}/5") for i in range(1, 6)]
    assert all(sum(part.has(f"image {n}") for part in parts) == 1 for n in range(500))


def test_the_page_is_whole_and_asks_nothing_of_a_network(sets, means, tmp_path):
    out = tmp_path / "page.html"
    measured([sets / "real", sets / "good", sets / "poor"], means, out=out, metrics=(*CHEAP, "prdc"))
    page = out.read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count('class="dot"') == 2
    assert "prefers-color-scheme: dark" in page
    for words in (
        "Excess over chance",
        "poor (xray, means): farther from the reals than chance",
        "Generators compared",
    ):
        assert words in page
    measured([sets / "real", sets / "good", sets / "poor"], means, out=tmp_path / "b", metrics=(*CHEAP, "prdc"))
    assert (tmp_path / "b").read_text(encoding="utf-8") == page


def test_a_run_takes_no_options_and_a_file_alone_is_refused(sets, tmp_path):
    done = run(sets / "real", "--extractor", "pixels")
    assert done.exit_code == 2
    assert "--extractor does not go with a run" in done.output
    assert run(sets / "real").exit_code == 3  # not a run folder
    assert run(tmp_path / "a.npy").exit_code == 2


def test_json(sets, means):
    done = run(sets / "real", sets / "good", "--extractor", means, "--metric", "frechet", "--json", "--no-cache")
    assert done.exit_code == 0, done.output
    data = json.loads(done.output)["data"]
    assert {"digest", "settings", "sets", "preprocessing", "extractors", "image_metrics", "versions"} <= set(data)


@pytest.mark.slow
def test_the_reference_stands_beside_our_own(sets, means):
    data, text = measured([sets / "real", sets / "good"], means, metrics=("frechet",), reference=True)
    (row,) = data["reference"]
    assert abs(row["difference"]) < 1e-6 * row["lungeval"]
    assert row["lungeval"] == one(data, "frechet").value
    assert "Beside torchmetrics" in text
