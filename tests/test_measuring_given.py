"""Files of features: published values through the command, and every file that is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lungeval.cli import main
from lungeval.errors import LungevalError
from lungeval.measuring.given import read_features


def run(*arguments):
    return CliRunner().invoke(main, ["measure", "--features", *map(str, arguments), "--quiet"], catch_exceptions=False)


def save(path, array, **more):
    np.savez(path, features=array, **more) if more else np.save(path, array, allow_pickle=array.dtype == object)
    return path


def features(count=12, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width))


def test_the_published_value_through_the_command(reference, tmp_path):
    from sklearn.datasets import load_digits

    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    rows = load_digits().data
    real, fake = save(tmp_path / "a.npy", rows[0::2][:898]), save(tmp_path / "b.npy", rows[1::2][:898])
    done = run(real, fake, "--metric", "frechet", "--metric", "kernel", "--shuffles", "20", "--json")
    assert done.exit_code == 0, done.output
    values = {row["estimand"]: row.get("value") for row in json.loads(done.output)["data"]["image_metrics"]}
    assert values["frechet[features]"] == pytest.approx(told["frechet"], abs=1e-9)
    assert values["kernel[features]"] == pytest.approx(told["kid_full_u_statistic_degree3_gamma_1_over_d_c1"], abs=1e-9)


def test_several_sets_with_patients_and_conditions(tmp_path):
    patients, conditions = np.repeat(np.arange(15), 2), np.asarray(["a", "b"] * 15)
    real = save(tmp_path / "real.npz", features(30), patient=patients, condition=conditions)
    one = save(tmp_path / "one.npz", features(24, seed=1) + 1, condition=np.asarray(["a", "b"] * 12))
    two = save(tmp_path / "two.npy", features(20, seed=2).astype(np.float16))
    done = run(real, one, two, "--metric", "frechet", "--per", "condition", "--json", "--shuffles", "20")
    assert done.exit_code == 0, done.output
    data = json.loads(done.output)["data"]
    assert [row["n_clusters"] for row in data["sets"]] == [15, 24, 20]
    scopes = [row["scope"] for row in data["image_metrics"] if row["estimand"] == "frechet_excess[features]"]
    assert [(s["arm"], s.get("condition")) for s in scopes] == [
        ("one", None),
        ("two", None),
        ("one", "a"),
        ("one", "b"),
    ]


def test_the_order_and_the_type_of_rows_do_not_matter(tmp_path):
    rows = features(20).astype(np.float32)
    order = np.random.default_rng(1).permutation(20)
    one = read_features(save(tmp_path / "a.npy", rows), "a")
    two = read_features(save(tmp_path / "b.npy", rows[order].astype(np.float64)), "b")
    assert one.pool.digest() == two.pool.digest()
    assert np.array_equal(one.table, two.table)


def test_the_order_of_bytes_does_not_matter(tmp_path):
    one = read_features(save(tmp_path / "a.npy", features()), "a")
    two = read_features(save(tmp_path / "b.npy", features().astype(">f8")), "b")
    assert one.pool.digest() == two.pool.digest()
    assert np.array_equal(one.table, two.table)


def test_sets_that_share_rows_are_told(tmp_path):
    save(tmp_path / "a.npy", features(20))
    done = run(tmp_path / "a.npy", save(tmp_path / "b.npy", features(20)[:8]), "--quiet")
    assert "b: 8 of its 8 images are among the reals, too" in done.stdout
    apart = run(tmp_path / "a.npy", save(tmp_path / "c.npy", features(20) + 1), "--quiet")
    assert "among the reals" not in apart.stdout


def test_a_set_of_one_image_has_reasons_and_no_values(tmp_path):
    done = run(save(tmp_path / "a.npy", features()), save(tmp_path / "b.npy", features(1)), "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)["data"]["image_metrics"]
    assert {row["estimand"].partition("[")[0] for row in rows} >= {"frechet_excess", "kernel", "precision", "c2st_nn"}
    of_fakes = [row for row in rows if "_floor" not in row["estimand"]]  # that of reals alone is defined
    assert all(row.get("value") is None and row["reason"] for row in of_fakes)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((3, 4), np.nan), "NaN or infinite values in 3 of 3 rows (the first is row 0, counted from 0)"),
        (np.vstack([features(4, 5), np.full((1, 5), np.inf)]), "in 1 of 5 rows (the first is row 4"),
        (np.zeros((0, 5)), "there are no images"),
        (np.zeros(5), "have shape (5,)"),
        (np.zeros((5, 2, 2)), "have shape (5, 2, 2)"),
        (np.zeros((4, 5), np.int64), "of type int64"),
        (features() * 1e150, "too large to compute with"),
        (np.asarray([[object()] * 5] * 3, dtype=object), "holds Python objects, which are never loaded"),
        (features(6, 7), "7 features an image, and 5 in"),
    ],
)
def test_features_that_are_refused(tmp_path, array, words):
    done = run(save(tmp_path / "a.npy", features()), save(tmp_path / "b.npy", array))
    assert done.exit_code == 3
    assert "lungeval: features: " in done.output
    assert words in done.output
    assert "b.npy" in done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an .npy or .npz file"),
        (b"file,a,b\n1,2,3\n", "not an .npy or .npz file"),
        (b"\x93NUMPY\x01\x00", "not an .npy or .npz file"),
        (b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'shape': (8\n" + b" " * 99, "not an .npy or .npz file"),
        (b"PK\x03\x04 and then nothing", "not an .npy or .npz file"),
    ],
)
def test_files_that_hold_no_features(tmp_path, content, words):
    (tmp_path / "b.npy").write_bytes(content)
    with pytest.raises(LungevalError, match=words) as caught:
        read_features(tmp_path / "b.npy", "b")
    assert (caught.value.code, caught.value.exit) == ("features", 3)
    with pytest.raises(LungevalError, match="no such file"):
        read_features(tmp_path / "c.npy", "c")


def test_archives_that_do_not_say_which_array(tmp_path):
    np.savez(tmp_path / "two.npz", a=features(), b=features())
    with pytest.raises(LungevalError, match="the archive holds a, b"):
        read_features(tmp_path / "two.npz", "a")
    save(tmp_path / "p.npz", features(), patient=np.arange(3))
    with pytest.raises(LungevalError, match=r"`patient` has shape \(3,\) for 12 images"):
        read_features(tmp_path / "p.npz", "a")
    np.savez(tmp_path / "o.npz", features=np.asarray([[object()]], dtype=object))
    with pytest.raises(LungevalError, match="Python objects"):
        read_features(tmp_path / "o.npz", "a")


def test_metrics_of_pictures_cannot_be_computed_from_features(tmp_path):
    a = save(tmp_path / "a.npy", features())
    assert run(a, a, "--metric", "ms_ssim").exit_code == 2
    assert run(a, a, "--extractor", "pixels").exit_code == 2
