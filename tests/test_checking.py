"""`check-paper`: published figures follow from published counts, or are named."""

from __future__ import annotations

import itertools
import json
import math
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import lungeval
from lungeval.checking import check, check_paper, grim, load, possible_percentage, shares, tables, twobytwo
from lungeval.checking import readers as over
from lungeval.checking.known import named
from lungeval.checking.printed import parse
from lungeval.checking.shown import table as shown
from lungeval.errors import LungevalError
from lungeval.progress import Progress

PAPERS = Path(lungeval.__file__).parent / "assets" / "papers"
QUIET = Progress(quiet=True)


def written(folder: Path, **content: Any) -> Path:
    path = folder / "paper.yaml"
    path.write_text(yaml.safe_dump({"paper": "A paper", "source": "here", **content}, sort_keys=False))
    return path


def one(folder: Path, figure: dict[str, Any], **result: Any) -> Any:
    """The finding of one claim; figures are written as text."""
    path = written(folder, results=[{"name": "r", "figures": [figure], **result}])
    (finding,), _ = check(*load(path))
    return finding


# --- the studies that ship ---

SHIPPED = {
    "treehacks2024": (10, 0), "wang2022": (3, 0), "myong2023": (2, 1), "barr2025": (8, 0), "park2021": (8, 2),
}  # fmt: skip
"""Figures of a paper, and how many of them do not follow."""


def test_every_paper_that_ships_is_known_here() -> None:
    assert {path.stem for path in PAPERS.glob("*.yaml")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_paper(name: str) -> None:
    findings, _ = check(*load(PAPERS / f"{name}.yaml"))
    wrong = [finding for finding in findings if finding.verdict == "does_not_follow"]
    assert (len(findings), len(wrong)) == SHIPPED[name]
    assert not [finding for finding in findings if finding.verdict == "cannot_be_checked"]
    assert all(":" in finding.where for finding in findings)


def test_the_figure_that_does_not_follow_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Source: Myong et al. 2023, PLoS ONE, abstract: 147/275 (53.5%), p = .284."""
    with pytest.raises(LungevalError, match=r"printed as \.284; from the counts it is 0\.278") as fault:
        check_paper(PAPERS / "myong2023.yaml", QUIET)
    assert fault.value.exit == 5
    assert fault.value.where.endswith("myong2023.yaml:13:9")
    data = fault.value.data
    assert isinstance(data, dict)
    finding = data["figures"][1]
    assert finding.value == pytest.approx(0.2777011466, abs=1e-9)
    (would,) = finding.would_follow
    assert "t test over the 5 readers" in would
    assert "24, 28, 31, 32, 32 of 55" in would
    assert {remark.code for remark in data["remarks"]} == {"pooled", "no_margin"}
    said = capsys.readouterr()
    assert said.out == ""
    assert "DOES NOT FOLLOW   p .284" in said.err


def test_counts_that_give_the_printed_p_by_a_t_test() -> None:
    from scipy import stats

    figure = parse(".284", share=False)
    assert figure is not None
    found = over.counts_for_t(147, 275, 5, 0.5, figure.follows)
    assert found is not None
    counts, p = found
    assert sum(counts) == 147
    assert p == pytest.approx(stats.ttest_1samp([c / 55 for c in counts], 0.5).pvalue, abs=1e-12)
    assert round(p, 3) == 0.284
    assert over.counts_for_t(147, 275, 4, 0.5, figure.follows) is None


def test_chance_taken_as_a_second_sample_is_told() -> None:
    """Source: Park et al. 2021, JMIR Med Inform 9:e23328, abstract: 779/1500 against 750/1500, P = .29."""
    findings, _ = check(*load(PAPERS / "park2021.yaml"))
    second = next(f for f in findings if f.printed == ".29")
    assert second.value == pytest.approx(0.14106706, abs=1e-7)
    assert second.would_follow == ("uncorrected chi-square that takes chance as a second sample of 1500",)
    third = next(f for f in findings if f.printed == ".36")
    assert third.value == pytest.approx(0.4443546, abs=1e-7)


def test_the_reference_list_reproduces(reference: Path) -> None:
    listed = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["published_reader_studies"]
    studies = {study["id"]: study for study in listed}
    hacks = studies["treehacks2024"]
    findings, _ = check(*load(PAPERS / "treehacks2024.yaml"))
    values = {finding.figure: finding.value for finding in findings if finding.part == "printed"}
    for name in ("accuracy", "sensitivity", "specificity", "fdr", "for", "kappa_truth", "dprime", "criterion"):
        digits = len(str(hacks[name]).partition(".")[2])
        assert round(values[name], digits) == hacks[name], name
    limits = next(finding.value for finding in findings if finding.part == "interval")
    assert [round(limit, 4) for limit in limits] == hacks["wilson95_accuracy"]
    spine = studies["cervical_spine_2025"]
    p = {known.name: known.value for known in shares.p_values(*spine["correct"], spine["chance"])}
    assert round(p["exact"], 4) == spine["exact_two_sided_p"]
    assert round(p["exact_one_sided"], 4) == spine["exact_one_sided_p"]
    for name, key in (("wang2022_ggo", "fakes_called_real"), ("cervical_spine_2025", "correct")):
        found = named(shares.intervals(*studies[name][key]), "wilson").value
        assert all(abs(a - b) < 0.5 * 10 ** -len(str(b).partition(".")[2]) + 1e-12
                   for a, b in zip(found, studies[name]["wilson95"], strict=True))  # fmt: skip
    myong = studies["myong2023"]
    exact = named(shares.p_values(*myong["fakes_called_fake"], 0.5), "exact").value
    assert round(exact, 3) == myong["exact_two_sided_p_vs_half"]


# --- printed figures ---


@pytest.mark.parametrize(
    ("text", "value", "follows"),
    [
        ("81%", 0.81, True), ("81%", 0.8149, True), ("81%", 0.816, False), ("81", 0.81, True), ("0.810", 0.8104, True),
        ("0.810", 0.8106, False), (".284", 0.2777, False), ("<.001", 0.0009, True), ("<.001", 0.001, False),
        ("≤0.05", 0.05, True), (">0.5", 0.4, False), ("-0.187", -0.18701, True), ("−0.187", -0.18701, True),
        ("3.322", 3.3225, True), ("3.323", 3.3225, True), ("3.323", 3.3235, False), ("28.5%", 0.285, True),
        ("1.00", 0.995, True), ("100%", 1.0, True), ("0", 0.4, True),
    ],
)  # fmt: skip
def test_rounding_half_up_and_half_to_even(text: str, value: float, follows: bool) -> None:
    figure = parse(text, share=not text.startswith("3"))
    assert figure is not None
    assert figure.follows(value) is follows


@pytest.mark.parametrize("text", ["", "about 0.8", "0,81", "8.1.", "%", "<", "1e-3"])
def test_what_is_no_figure(text: str) -> None:
    assert parse(text, share=True) is None


# --- GRIM ---


@pytest.mark.parametrize(
    ("mean", "n", "possible"),
    [("5.19", 28, False), ("5.18", 28, True), ("5.21", 28, True), ("3.45", 20, True), ("3.44", 18, True),
     ("3.45", 18, False)],
)  # fmt: skip
def test_grim_by_hand(mean: str, n: int, possible: bool) -> None:
    """Source: Brown & Heathers 2017: 28 whole numbers have no mean of 5.19 (145/28 = 5.18, 146/28 = 5.21)."""
    assert grim(mean, n).possible is possible


def test_grim_names_the_nearest_means() -> None:
    found = grim("5.19", 28)
    assert found.telling
    assert found.sums == ()
    assert [round(value, 3) for value in found.nearest] == [5.179, 5.214]
    assert not grim("5.19", 200).telling
    assert grim("5.19", 28, items=4).possible  # 112 steps: 581/112 = 5.1875
    assert grim("0.9", 10, low=1, high=5).possible is False
    with pytest.raises(ValueError, match="n = 0"):
        grim("1.0", 0)
    with pytest.raises(ValueError, match="plain figure"):
        grim("<1", 3)


@given(n=st.integers(1, 60), decimals=st.integers(0, 3), steps=st.integers(0, 300))
@settings(deadline=None, max_examples=150)
def test_grim_is_a_search_through_all_sums(n: int, decimals: int, steps: int) -> None:
    unit = Decimal(1).scaleb(-decimals)
    text = str(unit * steps)
    half = unit / 2
    near = [s for s in range(-n, n * steps + n + 1) if abs(Decimal(s) / n - Decimal(text)) < half]
    ties = [s for s in range(-n, n * steps + n + 1) if abs(Decimal(s) / n - Decimal(text)) == half]
    found = grim(text, n)
    if near or not ties:
        assert found.possible is bool(near)
    if near:
        assert set(found.sums) <= {*near, *ties}
        assert (Decimal(found.sums[-1]) / n).quantize(unit, ROUND_HALF_UP) in (Decimal(text), Decimal(text) + unit)


@given(n=st.integers(1, 400), k=st.integers(0, 400), decimals=st.integers(0, 3))
@settings(deadline=None, max_examples=150)
def test_a_true_percentage_is_always_possible(n: int, k: int, decimals: int) -> None:
    k = min(k, n)
    found = possible_percentage(f"{100 * k / n:.{decimals}f}%", n)
    assert found.possible
    assert any(abs(100 * s / n - 100 * k / n) <= 10.0**-decimals for s in found.sums)


def test_an_impossible_percentage() -> None:
    assert not possible_percentage("53.4%", 275).possible  # 146/275 = 53.1, 147/275 = 53.5
    assert possible_percentage("53.5%", 275).sums == (147,)
    assert not possible_percentage("101%", 275).possible


# --- tests and intervals ---


def test_intervals_against_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    names = {
        "wilson": "wilson",
        "exact": "beta",
        "wald": "normal",
        "agresti_coull": "agresti_coull",
        "jeffreys": "jeffreys",
    }
    for k, n in ((19, 51), (0, 20), (20, 20), (116, 400), (1, 7)):
        for known in shares.intervals(k, n):
            if known.name == "jeffreys" and k in (0, n):
                continue  # theirs is not moved to 0 or 1
            other = proportion.proportion_confint(k, n, method=names[known.name])
            assert known.value == pytest.approx([min(1, max(0, limit)) for limit in other], abs=1e-9), (
                known.name,
                k,
                n,
            )


def test_p_values_by_hand() -> None:
    # 3 of 4 at 1/2: P(X >= 3) = 5/16; two-sided 10/16; z = 1, p = 0.3173
    found = {known.name: known.value for known in shares.p_values(3, 4, 0.5)}
    assert found["exact"] == pytest.approx(10 / 16)
    assert found["exact_one_sided"] == pytest.approx(5 / 16)
    assert found["exact_other_side"] == pytest.approx(15 / 16)
    assert found["exact_mid"] == pytest.approx(2 * (1 / 16 + 4 / 32))
    assert found["chi_square"] == pytest.approx(0.31731050786, abs=1e-9)
    assert found["chi_square_corrected"] == pytest.approx(0.61707507745, abs=1e-9)
    assert found["second_sample"] == pytest.approx(0.46521, abs=1e-4)  # 3/4 against 2/4: chi-square 0.5333
    ends = {known.name: known.value for known in shares.p_values(4, 4, 0.5)}
    assert ends["wald"] is None
    with pytest.raises(ValueError, match="no test"):
        shares.p_values(0, 0, 0.5)


@given(k=st.integers(0, 40), n=st.integers(1, 40), chance=st.sampled_from([0.25, 0.5, 0.9]))
@settings(deadline=None, max_examples=60)
def test_p_values_are_probabilities_and_symmetric(k: int, n: int, chance: float) -> None:
    k = min(k, n)
    one_way = {known.name: known.value for known in shares.p_values(k, n, chance)}
    other = {known.name: known.value for known in shares.p_values(n - k, n, 1 - chance)}
    for name, value in one_way.items():
        assert value is None or 0 <= value <= 1 + 1e-12, name
        assert value is None or value == pytest.approx(other[name], abs=1e-9), name


def test_tables_by_hand_and_degenerate() -> None:
    # Fisher's tea: 3 of 4 milk first: one-sided 17/70, two-sided 34/70
    tea = {known.name: known.value for known in tables.p_values([[3, 1], [1, 3]])}
    assert tea["fisher"] == pytest.approx(34 / 70)
    assert tea["fisher_one_sided"] == pytest.approx(17 / 70)
    assert tea["chi_square"] == pytest.approx(0.15729920706, abs=1e-9)  # chi-square 2
    empty = tables.p_values([[3, 0], [2, 0]])
    assert all(known.value is None and known.reason for known in empty)
    # McNemar, b = 6, c = 1: (5)^2/7; corrected 16/7; exact 2 * 8/128
    paired = {known.name: known.value for known in tables.paired_p_values(6, 1)}
    assert paired["mcnemar_exact"] == pytest.approx(16 / 128)
    assert paired["mcnemar"] == pytest.approx(math.erfc(math.sqrt(25 / 7 / 2)))
    assert paired["mcnemar_corrected"] == pytest.approx(math.erfc(math.sqrt(16 / 7 / 2)))
    assert paired["mcnemar_mid"] == pytest.approx(16 / 128 - 7 / 128)
    assert tables.paired_p_values(0, 0)[0].value is None
    assert named(tables.paired_p_values(3, 3), "mcnemar_mid").value == pytest.approx(1 - 20 / 64 / 2)


def test_agreement_of_two_readers() -> None:
    """Source: Cohen 1968 table, as R irr 0.84.1 and psych 2.2.9 give it; the rest by their definitions."""
    cohen = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    assert tables.agreement("cohen_kappa", cohen)[0].value == pytest.approx(0.4915254237, abs=1e-9)
    values = {name: tables.agreement(name, cohen)[0].value for name in tables.AGREEMENT}
    assert values["observed_agreement"] == pytest.approx(0.7)
    assert values["brennan_prediger"] == pytest.approx((0.7 - 1 / 3) / (2 / 3))
    limits = named(tables.kappa_intervals(cohen, 0.95), "fleiss_cohen_everitt").value
    assert limits == pytest.approx((0.391564, 0.591487), abs=1e-6)
    pytest.importorskip("sklearn")
    from sklearn.metrics import cohen_kappa_score

    first, second = zip(*itertools.chain.from_iterable(
        [(i, j)] * cohen[i][j] for i, j in itertools.product(range(3), repeat=2)), strict=True)  # fmt: skip
    for name, weights in (("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
        assert values[name] == pytest.approx(cohen_kappa_score(first, second, weights=weights), abs=1e-12)
    assert tables.agreement("cohen_kappa", [[9, 0], [0, 0]])[0].value is None
    assert tables.agreement("scott_pi", [[0, 0], [0, 0]])[0].reason


def test_conventions_of_dprime() -> None:
    """Source: z(0.86) - z(0.24), R qnorm; log-linear z(43.5/51) - z(12.5/51), Hautus 1995."""
    found = {k.name: k.value for k in twobytwo.figure("dprime", twobytwo.Counts(43, 7, 38, 12))}
    assert found["plain"] == pytest.approx(1.786622, abs=1e-6)
    normal = NormalDist()
    assert found["loglinear"] == pytest.approx(normal.inv_cdf(43.5 / 51) - normal.inv_cdf(12.5 / 51), abs=1e-12)
    ends = twobytwo.figure("dprime", twobytwo.Counts(10, 0, 8, 2))
    assert ends[0].name == "loglinear"
    assert named(ends, "plain").value is None
    assert named(ends, "half_at_ends").value == pytest.approx(1.644854 + 0.841621, abs=1e-5)


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4))
@settings(deadline=None, max_examples=80)
def test_no_counts_break_a_figure(counts: list[int]) -> None:
    for name in twobytwo.WORDS:
        for known in twobytwo.figure(name, twobytwo.Counts(*counts)):
            assert known.value is None or math.isfinite(known.value)
        first = twobytwo.figure(name, twobytwo.Counts(*counts))[0]
        assert first.value is not None or first.reason, name


# --- findings ---


def test_another_figure_of_the_same_counts_is_told(tmp_path: Path) -> None:
    counts = {"tp": 43, "fn": 7, "tn": 38, "fp": 12}
    finding = one(tmp_path, {"figure": "sensitivity", "printed": "0.76"}, counts=counts)
    assert finding.verdict == "does_not_follow"
    assert finding.recomputed == "0.86"
    assert "what is the specificity" in finding.would_follow
    turned = one(tmp_path, {"figure": "criterion", "printed": "0.187"}, counts=counts)
    assert "reversed" in turned.would_follow[0]
    other = one(tmp_path, {"figure": "accuracy", "interval": ["0.7222", "0.8749"], "method": "exact"}, counts=counts)
    assert other.would_follow == ("Wilson's score interval",)


@pytest.mark.parametrize(
    ("printed", "method", "verdict"),
    [(".278", "exact", "follows"), (".252", "exact", "does_not_follow"), (".252", "chi_square", "follows"),
     (".252", None, "follows"), ("0.14", None, "does_not_follow"), (">.05", None, "follows")],
)  # fmt: skip
def test_a_named_method_must_be_the_one(tmp_path: Path, printed: str, method: str | None, verdict: str) -> None:
    figure = {"figure": "p", "printed": printed} | ({"method": method} if method else {})
    assert one(tmp_path, figure, share={"k": 147, "of": 275}, chance=0.5).verdict == verdict


def test_fakes_alone_leave_the_rest_unchecked(tmp_path: Path) -> None:
    fakes = {"tp": 30, "fn": 20}
    assert one(tmp_path, {"figure": "sensitivity", "printed": "60%"}, counts=fakes).verdict == "follows"
    finding = one(tmp_path, {"figure": "dprime", "printed": "0.25"}, counts=fakes)
    assert (finding.verdict, finding.reason) == ("cannot_be_checked", "tn and fp not given")
    path = written(tmp_path, design={"readers": 3, "fakes": 50, "reals": 0}, results=[
        {"name": "r", "counts": fakes, "figures": [{"figure": "fool_rate", "printed": "40%"}]}])  # fmt: skip
    _, said = check(*load(path))
    assert [remark.code for remark in said] == ["fakes_only"]


def test_readers_mean_pooled_and_spread(tmp_path: Path) -> None:
    rows = [{"reader": "a", "k": 30, "of": 50}, {"reader": "b", "k": 20, "of": 50}, {"reader": "c", "k": 28, "of": 100}]
    values = np.array([0.6, 0.4, 0.28])
    cases = [
        ({"printed": "42.7%"}, "follows", "mean share over readers"),
        ({"printed": "39%"}, "follows", "share of all readings pooled"),
        ({"printed": "39%", "method": "mean"}, "does_not_follow", "mean share over readers"),
        ({"sd": f"{100 * values.std(ddof=1):.1f}%"}, "follows", "SD of share over readers (n - 1)"),
        ({"sd": f"{100 * values.std():.1f}%"}, "follows", "SD of share over readers (n)"),
        ({"printed": "60.0%", "reader": "a"}, "follows", "30/50"),
    ]
    for claim, verdict, method in cases:
        finding = one(tmp_path, {"figure": "share", **claim}, by_reader=rows)
        assert (finding.verdict, finding.method) == (verdict, method), claim
    from scipy import stats

    p = stats.ttest_1samp(values, 0.5).pvalue
    finding = one(tmp_path, {"figure": "p", "printed": f"{p:.3f}", "method": "t_readers"}, by_reader=rows, chance=0.5)
    assert finding.verdict == "follows"
    assert finding.value == pytest.approx(p, abs=1e-12)
    truths = [{"reader": "a", "tp": 8, "fn": 2, "tn": 7, "fp": 3}, {"reader": "b", "tp": 5, "fn": 5, "tn": 9, "fp": 1}]
    mean = (0.5 + 0.4) / 2
    assert one(tmp_path, {"figure": "kappa_truth", "printed": f"{mean:.2f}"}, by_reader=truths).verdict == "follows"


def test_percentages_and_means_without_their_counts(tmp_path: Path) -> None:
    assert one(tmp_path, {"figure": "share", "printed": "53.5%"}, share={"of": 275}).method == "a count of 147 over 275"
    wrong = one(tmp_path, {"figure": "share", "printed": "53.4%"}, share={"of": 275})
    assert wrong.verdict == "does_not_follow"
    assert "nearest: 53.1% or 53.5%" in wrong.method
    vague = one(tmp_path, {"figure": "mean", "printed": "3.3"}, answers={"of": 400})
    assert (vague.verdict, vague.reason) == ("cannot_be_checked", "at 400 every figure with these digits is possible")


def test_trailing_digits_are_read_as_printed(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "paper: x\nsource: here\nresults:\n  - name: r\n    share: {k: 1, of: 8}\n    figures:\n"
        "      - {figure: share, printed: 0.130}\n      - {figure: share, printed: .13}\n"
    )
    findings, _ = check(*load(path))
    assert [(f.printed, f.verdict) for f in findings] == [("0.130", "does_not_follow"), (".13", "follows")]


def test_remarks_on_p(tmp_path: Path) -> None:
    path = written(tmp_path, results=[{
        "name": "r", "share": {"k": 116, "of": 400}, "chance": 0.25, "readers": 8, "said_equal": True, "margin": 0.1,
        "figures": [{"figure": "p", "printed": "0.000"}],
    }])  # fmt: skip
    paper, document = load(path)
    findings, said = check(paper, document)
    codes = {remark.code: remark.text for remark in said}
    assert set(codes) == {"pooled", "margin", "one_sided", "zero_p"}
    assert "p < 0.001" in codes["zero_p"]
    assert "1.7 times" in codes["pooled"]
    assert "inside 0.25 ± 0.1" in codes["margin"]
    text = shown(paper, findings, said)
    assert "DOES NOT FOLLOW" in text
    assert all(len(line) <= 110 for line in text.splitlines())


# --- the file ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    countz: {tp: 1}", r"countz: unknown key; did you mean 'counts'\?"),
        ("    share: {k: 9, of: 8}", "k = 9 is more than 8"),
        ("    share: {k: 9, of: 0}", "too small"),
        ("    labels: [[1, 2, 3], [3, 4, 5]]", "2 rows and 3 columns"),
        ("    table: [[1, 2], [3]]", "no table"),
        ("    by_reader: [{reader: a, k: 1}]", "a reader has k and of"),
        ("    share: {k: 1, of: 8}\n    counts: {tp: 1}", "has counts and share"),
        ("    chance: 0.5", "has no counts"),
        ("    counts: {tp: 1}", "'share' cannot be checked from counts"),
    ],
)
def test_a_fault_has_its_place_and_remedy(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"paper: x\nsource: here\nresults:\n  - name: r\n{line}\n    figures:\n"
        "      - {figure: share, printed: 50%}\n"
    )
    with pytest.raises(LungevalError, match=said) as fault:
        load(path)
    assert fault.value.exit == 3
    assert fault.value.where.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("{figure: shore, printed: 50%}", r"did you mean 'share'\?"),
        ("{figure: share}", "nothing printed"),
        ("{figure: share, printed: half}", "'half' is no figure"),
        ("{figure: share, interval: [0.1]}", "has 1 limits"),
        ("{figure: share, sd: 1%}", "give by_reader"),
        ("{figure: share, printed: 50%, reader: z}", "there is no reader 'z'"),
        ("{figure: p, printed: .05, method: exakt}", r"did you mean 'exact'\?"),
    ],
)
def test_a_faulty_claim_is_named(tmp_path: Path, claim: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"paper: x\nsource: here\nresults:\n  - name: r\n    share: {{k: 4, of: 8}}\n    figures:\n      - {claim}\n"
    )
    with pytest.raises(LungevalError, match=said) as fault:
        load(path)
    assert fault.value.where.startswith(f"{path}:7")


def test_a_check_that_passes_returns_its_table() -> None:
    data, text = check_paper(PAPERS / "wang2022.yaml", QUIET)
    assert data["summary"] in text
    assert "figures: 3; follow from the counts: 3" in text


def test_the_example_of_the_docs_says_what_is_shown(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "check-paper.md").read_text(encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    paper, document = load(path)
    findings, said = check(paper, document)
    text = shown(paper, findings, said)
    block = page.split("```\n")[1].split("\nThe exit code")[0]
    shown_there = [line[4:] for line in block.splitlines() if line.startswith("    ")]
    assert len(shown_there) == 5
    assert "\n".join(shown_there) in text
    for stem in SHIPPED:
        assert f"`{stem}`" in page
