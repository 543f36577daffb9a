"""Crossed models by Laplace's approximation: published values, a dense implementation, derivatives, degenerate data."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import LABELS, ScoredReading, to_json
from lungeval.statistics import crossed_probit as module
from lungeval.statistics.crossed_cumulative import crossed_cumulative
from lungeval.statistics.crossed_fit import NO_CASE_SD, NO_MAXIMUM, NO_READER_SD, TOO_WIDE
from lungeval.statistics.crossed_probit import crossed_logit, crossed_probit
from lungeval.statistics.laplace import Modes, Point, Readings, laplace
from lungeval.statistics.links import Labels, slopes
from lungeval.statistics.models import EXPLAINS, SHARED, TOO_FEW, model_estimates
from lungeval.statistics.profile import BELOW_CHANCE
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import tabulate

few = settings(max_examples=15, derandomize=True, deadline=None)


@pytest.fixture(scope="module")
def reference():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "vtt_small.csv").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    return folder


@pytest.fixture(scope="module")
def readings(reference):
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row["pass"] == "1" and row["label"]]


@pytest.fixture(scope="module")
def small_study(readings):
    codes, fake = np.full((6, 90), -1, dtype=np.int8), np.zeros(90, dtype=bool)
    for row in readings:
        place = int(row["reader"][1:]) - 1, int(row["image"][3:])
        codes[place], fake[place[1]] = LABELS.index(row["label"]), row["is_fake"] == "1"
    return codes, fake


def drawn(seed, readers, cases, dprime=1.2, reader_sd=0.4, case_sd=0.6, width=0.0, missing=0.0):
    rng = np.random.default_rng(seed)
    fake = np.arange(cases) % 2 == 1
    evidence = np.where(fake, dprime / 2, -dprime / 2) + reader_sd * rng.standard_normal((readers, 1))
    evidence = evidence + case_sd * rng.standard_normal(cases) + rng.standard_normal((readers, cases))
    codes = np.where(evidence > width, 2, np.where(evidence < -width, 0, 1)).astype(np.int8)
    codes[rng.random(codes.shape) < missing] = -1
    return codes, fake


# ---- published values ------------------------------------------------------------------------------------------------


def test_the_crossed_logit_of_lme4(reference, readings):
    golden = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))
    golden = golden["vtt_small"]["glmm_B_logit_correct_by_source_unsure_wrong"]
    right = np.array([row["label"] == ("fake" if row["is_fake"] == "1" else "real") for row in readings])
    design = np.array([[1.0, row["source"] == "genA", row["source"] == "genB"] for row in readings])
    reader = np.array([int(row["reader"][1:]) - 1 for row in readings])
    case = np.array([int(row["image"][3:]) for row in readings])
    found = crossed_logit(right, design, reader, case)
    # lme4's optimiser stops within 1e-6 of the maximum: our log-likelihood is the larger one.
    assert found.converged
    assert found.n_readings == golden["n"]
    assert found.beta == pytest.approx(list(golden["beta"].values()), abs=1e-6)
    assert found.beta_se == pytest.approx(list(golden["se"].values()), abs=1e-5)
    assert found.case_sd == pytest.approx(golden["sd"]["image (Intercept) NA"], abs=1e-6)
    assert found.reader_sd == pytest.approx(golden["sd"]["reader (Intercept) NA"], abs=1e-6)
    assert found.loglik == pytest.approx(golden["logLik"], abs=1e-6)
    assert found.loglik >= golden["logLik"]


def test_the_crossed_probit_of_glmmtmb(small_study):
    # glmmTMB 1.1.5: fake ~ truth(+-1/2) + (1 | reader) + (1 | image), probit, first pass, unsure left out (490).
    found = crossed_probit(*small_study)
    assert (found.fit.n_readings, found.n_readers, found.n_cases) == (490, 6, 90)
    assert found.dprime == pytest.approx(1.665512, abs=5e-6)
    assert found.criterion == pytest.approx(-0.1573906, abs=5e-6)
    assert (found.criterion_se, found.dprime_se) == pytest.approx((0.2190025, 0.2367175), abs=2e-6)
    assert (found.fit.reader_sd, found.fit.case_sd) == pytest.approx((0.4628896, 0.7741357), abs=5e-6)
    assert found.fit.loglik == pytest.approx(-254.841, abs=5e-4)


def test_the_crossed_cumulative_probit_of_clmm(small_study):
    # ordinal 2022.11.16: clmm(label ~ truth(+-1/2) + (1 | reader) + (1 | image), link = "probit"), first pass.
    found = crossed_cumulative(*small_study)
    width = found.fit.width
    assert (found.criterion - width, found.criterion + width) == pytest.approx((-0.2511932, -0.0013565), abs=5e-6)
    assert found.dprime == pytest.approx(1.4147512, abs=5e-6)
    assert found.dprime_se == pytest.approx(0.1872592, abs=2e-6)
    assert (found.fit.case_sd, found.fit.reader_sd) == pytest.approx((0.6199, 0.3951), abs=5e-5)
    assert found.fit.loglik == pytest.approx(-385.62, abs=1e-2)


# ---- the machinery ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [None, 0.3, 1e-3])
def test_slopes_are_the_derivatives_of_the_log_probability(width):
    eta = np.repeat([-6.0, -1.0, -0.2, 0.1, 0.9, 7.0], 3)
    codes = np.tile([0, 2, 1 if width else 0], 6).astype(np.int8)
    labels, h = Labels.of(codes), 1e-5

    def at(shift, wider=0.0):
        return slopes(labels, eta + shift, width + wider if width else None)

    here, ahead, behind = at(0.0), at(h), at(-h)
    for value, minus, slope in (("value", 1, "first"), ("first", -1, "weight"), ("weight", -1, "third")):
        rise = (getattr(ahead, value) - getattr(behind, value)) / (2 * h)
        assert minus * rise == pytest.approx(getattr(here, slope), rel=1e-4, abs=1e-6), value
    if width:
        w = width * 1e-4
        more, less = at(0.0, w), at(0.0, -w)
        for value, sign, slope in (("value", 1, "width"), ("first", 1, "width_first"), ("weight", -1, "width_second")):
            rise = (getattr(more, value) - getattr(less, value)) / (2 * w)
            assert sign * rise == pytest.approx(getattr(here, slope), rel=1e-4, abs=1e-5 if width > 0.1 else 1e-3), (
                value
            )


def test_slopes_far_out_are_finite():
    eta = np.array([-1e4, -60.0, -9.0, 9.0, 60.0, 1e4])
    for code in (0, 1, 2):
        labels = Labels.of(np.full(6, code, dtype=np.int8))
        for width in (0.5, 1e-6):
            assert all(np.isfinite(x).all() for x in slopes(labels, eta, width) if x is not None)
        if code != 1:
            for link in ("probit", "logit"):
                assert all(np.isfinite(x).all() for x in slopes(labels, eta, None, link) if x is not None)


def dense(data, point):
    """Laplace's log-likelihood with one big matrix and a general optimiser."""
    from scipy import optimize

    z = np.zeros((len(data.reader), data.readers + data.cases))
    z[np.arange(len(z)), data.reader] = point.reader_sd
    z[np.arange(len(z)), data.readers + data.case] = point.case_sd
    offset = data.design @ point.beta

    def negative(u):
        at = slopes(data.labels, offset + z @ u, point.width, data.link)
        return -(at.value.sum() - u @ u / 2), -(z.T @ at.first - u)

    found = optimize.minimize(negative, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B",
                              options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000})  # fmt: skip
    weight = slopes(data.labels, offset + z @ found.x, point.width, data.link).weight
    return -found.fun - np.linalg.slogdet(np.eye(z.shape[1]) + (z.T * weight) @ z)[1] / 2


@pytest.mark.parametrize(("link", "width"), [("probit", None), ("probit", 0.25), ("logit", None)])
def test_value_and_derivatives_against_a_dense_implementation(link, width):
    codes, fake = drawn(4, 3, 12, width=width or 0.0, missing=0.2)
    reader, case = np.nonzero(codes != -1)
    design = np.column_stack([np.ones(len(reader)), np.where(fake[case], 0.5, -0.5)])
    data = Readings(Labels.of(codes[reader, case]), design, reader, case, 3, 12, link)

    def point(p):
        return Point(p[:2], p[-2], p[-1], p[2] if width else None)

    p = np.array([0.2, 1.1, *([width] if width else []), 0.5, 0.8])
    value, slope = laplace(data, point(p), Modes(np.zeros(3), np.zeros(12)))
    assert value == pytest.approx(dense(data, point(p)), abs=1e-7)
    for i in range(len(p)):
        step = np.zeros(len(p))
        step[i] = 1e-3
        rise = (dense(data, point(p + step)) - dense(data, point(p - step))) / 2e-3
        assert slope[i] == pytest.approx(rise, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("fit", [crossed_probit, crossed_cumulative])
def test_no_other_point_is_likelier(fit):
    codes, fake = drawn(1, 5, 60, width=0.3, missing=0.1)
    found = fit(codes, fake)
    kept = np.where(codes == 1, -1, codes) if fit is crossed_probit else codes
    reader, case = np.nonzero(kept != -1)
    design = np.column_stack([np.ones(len(reader)), np.where(fake[case], 0.5, -0.5)])
    data = Readings(Labels.of(kept[reader, case]), design, reader, case, 5, 60)
    best = [*found.fit.beta, found.fit.reader_sd, found.fit.case_sd, found.fit.width or 0.0]
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-3, 0.05, 0.3):
        for _ in range(5):
            p = np.array(best) + scale * rng.standard_normal(5)
            width = None if found.fit.width is None else abs(p[4])
            value, _ = laplace(data, Point(p[:2], p[2], p[3], width), Modes(np.zeros(5), np.zeros(60)))
            assert value <= found.fit.loglik + 1e-7
            assert scale or value == pytest.approx(found.fit.loglik, abs=1e-7)


# ---- the model -------------------------------------------------------------------------------------------------------


def test_the_truth_is_recovered():
    # Without unsure for the probit: leaving unsure out keeps the clearer readings, and makes d' and the SDs larger.
    for fit, width in ((crossed_probit, 0.0), (crossed_cumulative, 0.25)):
        codes, fake = drawn(2, 12, 600, dprime=1.5, reader_sd=0.5, case_sd=0.8, width=width)
        found = fit(codes, fake)
        assert found.dprime == pytest.approx(1.5, abs=3 * found.dprime_se + 0.05)
        assert found.fit.case_sd == pytest.approx(0.8, abs=3 * found.fit.case_sd_se)
        assert found.fit.reader_sd == pytest.approx(0.5, abs=3 * found.fit.reader_sd_se)
        assert found.dprime_limits[0] < found.dprime < found.dprime_limits[1]
    assert found.fit.width == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("fit", [crossed_probit, crossed_cumulative])
def test_mirror_inversion_and_names(fit):
    codes, fake = drawn(5, 4, 50, width=0.2, missing=0.1)
    found = fit(codes, fake)
    inverted = fit(codes, ~fake)
    assert inverted.dprime == pytest.approx(-found.dprime, abs=1e-6)
    assert inverted.criterion == pytest.approx(found.criterion, abs=1e-6)
    labels_turned = fit(np.where(codes == -1, -1, 2 - codes).astype(np.int8), fake)
    assert labels_turned.dprime == pytest.approx(-found.dprime, abs=1e-6)
    assert labels_turned.criterion == pytest.approx(-found.criterion, abs=1e-6)
    turn = np.random.default_rng(1).permutation(50)
    assert fit(codes[:, turn], fake[turn], groups=np.argsort(turn)).fit == found.fit


def test_several_cells_have_the_mean_of_their_own_and_one_spread():
    codes, fake = drawn(6, 5, 80)
    first, second = np.arange(0, 40), np.arange(40, 80)
    found = crossed_probit(codes, fake, cells=[first, second])
    assert found.dprime == pytest.approx((found.fit.beta[2] + found.fit.beta[3]) / 2)
    assert found.criterion == pytest.approx(-(found.fit.beta[0] + found.fit.beta[1]) / 2)
    turned = crossed_probit(codes, fake, cells=[second, first])
    assert turned.dprime == pytest.approx(found.dprime, abs=1e-6)
    alone = crossed_probit(codes, fake)
    assert found.fit.loglik > alone.fit.loglik
    assert found.dprime == pytest.approx(alone.dprime, abs=0.2)


def test_clusters_take_the_place_of_cases():
    codes, fake = drawn(7, 4, 60)
    twice, groups = np.repeat(codes, 2, axis=1), np.repeat(np.arange(60), 2)
    apart = crossed_probit(twice, np.repeat(fake, 2))
    together = crossed_probit(twice, np.repeat(fake, 2), groups=groups)
    assert together.n_cases == 60
    assert together.dprime_se > apart.dprime_se


def test_nobody_unsure_is_the_probit_and_says_so():
    codes, fake = drawn(8, 4, 60)
    found, plain = crossed_cumulative(codes, fake), crossed_probit(codes, fake)
    assert found.dprime == plain.dprime
    assert module.NOBODY_UNSURE in found.fit.notes
    assert found.fit.width is None


def test_a_spread_of_nothing_is_0_with_a_note():
    # Every reader says fake of the same shares of cases, dealt in turn: neither readers nor cases differ.
    codes = np.array([[2 if (c + 3 * r) % 8 < (5 if c < 40 else 3) else 0 for c in range(80)] for r in range(4)])
    found = crossed_probit(codes.astype(np.int8), np.arange(80) < 40)
    assert (found.fit.reader_sd, found.fit.case_sd) == (0.0, 0.0)
    assert set(found.fit.notes) == {NO_READER_SD, NO_CASE_SD}
    assert (found.fit.reader_sd_se, found.fit.case_sd_se) == (None, None)
    # Without random effects it is the ordinary d' of 100/160 and 60/160.
    from lungeval.statistics.detection import detect

    plain = detect(100, 160, 60, 160)
    assert found.dprime == pytest.approx(plain.dprime, abs=1e-7)
    assert found.dprime_se == pytest.approx(plain.dprime_se, rel=1e-5)


def constant(rows):
    return np.array([[LABELS.index({"r": "real", "u": "unsure", "f": "fake"}[x]) if x != "-" else -1 for x in row]
                     for row in rows], dtype=np.int8)  # fmt: skip


HALF = np.array([True] * 6 + [False] * 6)


@pytest.mark.parametrize(
    ("rows", "reason", "unsure_reason"),
    [
        (["frffrrfrfrrf"], "one reader", "one reader"),
        (["ffffff------", "ffrfrf------"], "without reals", "without reals"),
        (["------ffffff", "------ffrfrf"], "without fakes", "without fakes"),
        (["ffffffrrrfrr", "ffffffrfrrrr"], module.SEPARATED, module.SEPARATED),
        (["rrrrrrffffff", "rrrrrrffffff"], module.SEPARATED, module.SEPARATED),
        (["ffffffffffff", "ffffffffffff"], module.SEPARATED, module.SEPARATED),
        (["fruuuuuuuurf", "uuuuuuuuuuuu"], "one reader", None),
        (["ufufufuuufuu", "uuffuuufufuf"], module.SEPARATED, module.NO_END),
        (["frf---rfr---", "---frf---rfr"], module.ONE_EACH, module.ONE_EACH),
        (["uuuuuuuuuuuu", "uuuuuuuuuuuu"], "without reals", module.SEPARATED),
    ],
)
def test_what_cannot_be_fitted_has_a_reason(rows, reason, unsure_reason):
    codes = constant(rows)
    found = crossed_probit(codes, HALF)
    if reason == module.SEPARATED and "u" in "".join(rows) and "r" not in "".join(rows):
        assert found.reason in (module.SEPARATED, NO_MAXIMUM)
    else:
        assert reason in found.reason
    assert (found.dprime, found.fit.converged) == (None, False)
    cumulative = crossed_cumulative(codes, HALF)
    if unsure_reason is not None:
        assert cumulative.dprime is None
        assert unsure_reason in cumulative.reason or cumulative.reason == module.NO_END


def test_readers_who_agree_on_every_case_fix_the_labels():
    codes, fake = drawn(9, 1, 60)
    found = crossed_probit(np.repeat(codes, 5, axis=0), fake)
    assert found.reason in (TOO_WIDE, NO_MAXIMUM)


def test_too_many_readings_are_not_fitted(monkeypatch):
    monkeypatch.setattr(module, "MOST", 100)
    found = crossed_probit(*drawn(1, 3, 60))
    assert found.dprime is None
    assert found.reason == module.TOO_MANY


def test_the_logit_refuses_what_it_cannot_tell_apart():
    reader, case = np.tile([0, 1], 10), np.repeat(np.arange(10), 2)
    with pytest.raises(ValueError, match="independent"):
        crossed_logit(reader == 1, np.ones((20, 2)), reader, case)
    assert "one reader" in crossed_logit(case > 4, np.ones((20, 1)), np.zeros(20, dtype=int), case).reason


@few
@given(st.integers(0, 10_000))
def test_any_small_study_has_numbers_or_a_reason(seed):
    rng = np.random.default_rng(seed)
    readers, cases = rng.integers(1, 5), rng.integers(4, 30)
    codes, fake = drawn(seed, readers, cases, *rng.choice([0, 0.5, 2], 3), rng.choice([0, 0.4]), rng.choice([0, 0.5]))
    for fit in (crossed_probit, crossed_cumulative):
        found = fit(codes, fake)
        if found.reason:
            assert found.dprime is None
            continue
        assert found.fit.converged
        assert found.dprime_se > 0
        assert found.criterion_se > 0
        assert min(found.fit.reader_sd, found.fit.case_sd) >= 0


def test_ten_thousand_readings_take_under_two_seconds():
    codes, fake = drawn(1, 10, 1000, width=0.2)
    crossed_probit(*drawn(2, 3, 30))
    start = time.process_time()
    assert crossed_probit(codes, fake).fit.converged
    assert crossed_cumulative(codes, fake).fit.converged
    assert time.process_time() - start < 4.0


# ---- estimates -------------------------------------------------------------------------------------------------------


def study(seed=0, readers=4, cases=30, arms=("genA",), conditions=("",), labels=LABELS, **model):
    rows = []
    for a, condition in enumerate(conditions):
        codes, fake = drawn(seed + a, readers, cases * 2, width=0.3 if "unsure" in labels else 0.0, **model)
        for r in range(readers):
            for c in range(cases * 2):
                rows.append(ScoredReading(
                    reader=f"r{r}", case=f"{condition}{c:03}", truth="fake" if fake[c] else "real",
                    label=LABELS[codes[r, c]], arm=arms[c // 2 % len(arms)] if fake[c] else "real",
                    condition=condition, modality="xray" if condition else "",
                ))  # fmt: skip
    return rows


def estimates(rows, analysis=None):
    (table,) = tabulate(rows)
    chosen = analysis or Settings()
    return [row for part in parts_of(table) for row in model_estimates(table, part, chosen)]


def pick(rows, estimand, **where):
    (found,) = [
        row for row in rows
        if row.estimand == estimand
        and all(getattr(row if name == "inference" else row.scope, name) == value for name, value in where.items())
    ]  # fmt: skip
    return found


def test_the_rows_of_a_study():
    rows = estimates(study())
    mean = pick(rows, "dprime_unsure", arm=None, reader=None, inference="readers_like_these")
    own = [pick(rows, "dprime_unsure", arm=None, reader=f"r{i}") for i in range(4)]
    assert mean.value == pytest.approx(sum(row.value for row in own) / 4)
    assert mean.low < mean.value < mean.high
    assert mean.p < 0.05
    assert mean.n_readings == 240
    crossed = pick(rows, "dprime_crossed", arm="genA")
    assert crossed.policy == "excluded"
    assert crossed.inference is None
    assert crossed.p is None
    assert EXPLAINS in crossed.reason
    assert crossed.n_readings < 240
    assert pick(rows, "dprime_unsure_crossed", arm="genA").n_readings == 240
    assert pick(rows, "reader_sd_crossed", arm=None).low is None
    assert {row.role for row in rows} == {"secondary"}


def test_cells_are_not_fitted_apart_and_small_parts_not_at_all():
    rows = estimates(study(conditions=("a", "b"), arms=("genA", "genB")))
    assert all(row.scope.condition is None for row in rows)
    assert "mean over 2 cells" in pick(rows, "dprime_crossed", arm="genA").method
    small = estimates(study(cases=9))
    assert {row.value for row in small} == {None}
    assert all(TOO_FEW in row.reason for row in small)


def test_fake_only_and_one_reader():
    rows = estimates([row for row in study() if row.truth == "fake"])
    assert {row.value for row in rows} == {None}
    assert all("no reals" in row.reason for row in rows)
    alone = estimates(study(readers=1))
    assert "one reader" in pick(alone, "dprime_crossed", arm=None).reason
    assert pick(alone, "dprime_unsure", arm=None, reader="r0").low is not None
    assert pick(alone, "dprime_unsure", arm=None, reader=None, inference="readers_like_these").low is None


def test_without_the_offer_of_unsure_there_is_nothing_to_say_of_it():
    rows = estimates(study(labels=("real", "fake")), Settings(labels=("real", "fake")))
    assert {row.estimand for row in rows} == {
        "dprime_crossed", "criterion_crossed", "reader_sd_crossed", "case_sd_crossed",
    }  # fmt: skip


def test_a_reader_below_chance_is_named_and_one_without_a_value_left_out():
    rows = study(readers=3, dprime=2.0)
    turn = {"real": "fake", "fake": "real", "unsure": "unsure"}
    rows = [row.model_copy(update={"label": turn[row.label]}) if row.reader == "r1" else row for row in rows]
    rows = [row.model_copy(update={"label": "unsure"}) if row.reader == "r2" else row for row in rows]
    found = estimates(rows)
    assert BELOW_CHANCE in pick(found, "dprime_unsure", arm=None, reader="r1").reason
    assert BELOW_CHANCE not in (pick(found, "dprime_unsure", arm=None, reader="r0").reason or "")
    assert "every case was called unsure" in pick(found, "dprime_unsure", arm=None, reader="r2").reason
    mean = pick(found, "dprime_unsure", arm=None, reader=None, inference="these_readers")
    assert mean.scope.readers == ("r0", "r1")
    assert "no value for r2" in mean.reason


def test_cells_that_share_cases_have_no_crossed_model():
    rows = study(conditions=("a",)) + [
        row.model_copy(update={"case": f"any{row.case}", "condition": "any"})
        for row in study(seed=9, conditions=("a",)) if row.truth == "fake"
    ]  # fmt: skip
    found = estimates(rows)
    assert SHARED in pick(found, "dprime_crossed", arm=None).reason
    assert pick(found, "dprime_unsure", arm=None, reader="r0").value is not None


def test_names_and_order_of_cases_do_not_matter():
    rows = study(conditions=("a", "b"), arms=("genA", "genB"))
    rng = np.random.default_rng(2)
    names = {case: f"{x}" for case, x in zip(sorted({row.case for row in rows}), rng.random(200), strict=False)}
    moved = [row.model_copy(update={"case": names[row.case]}) for row in rows]
    assert to_json(estimates([moved[i] for i in rng.permutation(len(moved))])) == to_json(estimates(rows))
