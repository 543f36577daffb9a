"""The published values on digits, each as a stranger gets it: `lungeval measure --features ... --json`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lungeval.cli import main


@pytest.fixture(scope="module")
def told(tmp_path_factory, reference):
    """What the command prints by estimand, and the reference values."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("digits"), load_digits().data
    sets = {"a": digits[0::2][:898], "b": digits[1::2][:898]}
    for name, rows in sets.items():
        np.save(folder / f"{name}.npy", rows)
        np.save(folder / f"{name}16.npy", rows / 16)
    whole = "--metric frechet --metric kernel --metric prdc --metric vendi --metric vendi:2 --metric memorisation"
    found = {}
    for names, options in (
        (("a", "b"), f"{whole} --training {folder / 'a.npy'}"),
        (("a16", "b16"), "--metric cmmd:biased-raw"),
    ):
        paths = [str(folder / f"{name}.npy") for name in names]
        result = CliRunner().invoke(main, ["measure", "--features", *paths, *options.split(), "--json", "--quiet"])
        assert result.exit_code == 0, result.output
        found |= {row["estimand"]: row for row in json.loads(result.stdout)["data"]["image_metrics"]}
    values = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    return found, values


@pytest.mark.parametrize(
    ("estimand", "key", "scale", "digits"),
    [
        ("frechet", "frechet", 1, 10),
        ("kernel", "kid_full_u_statistic_degree3_gamma_1_over_d_c1", 1, 10),
        ("precision", 0, 1, 10),
        ("recall", 1, 1, 10),
        ("density", 2, 1, 10),
        ("coverage", 3, 1, 10),
        ("cmmd:biased-raw", "cmmd_biased_x16_sigma10_times1000", 1, 10),
        ("vendi_real", "vendi_q1_X", 1, 10),
        ("vendi_real:2", "vendi_q2_X", 1, 10),
        ("authenticity", "authpct_train_X_gen_Y", 100, 5),  # the reference is a percentage in float32
    ],
)
def test_every_published_value_is_reached(told, estimand, key, scale, digits):
    found, values = told
    wanted = values["precision_recall_density_coverage_k5"][key] if isinstance(key, int) else values[key]
    assert found[f"{estimand}[features]"]["value"] * scale == pytest.approx(wanted, abs=0.6 * 10**-digits)


def test_other_arguments_of_metrics_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(9, 4)))
    for metric, says in (
        ("vendi:x", "a Vendi score of order x"), ("vendi:-1", "order -1"), ("cmmd:bised", "known: biased, biased-raw"),
        ("kernel:3", "the metric kernel takes no argument"), ("vendy:2", "vendi"),
    ):  # fmt: skip
        words = ["measure", "--features", *[str(tmp_path / "a.npy")] * 2, "--metric", metric]
        result = CliRunner().invoke(main, words)
        assert result.exit_code in (2, 3, 6), metric
        assert says in result.stderr
