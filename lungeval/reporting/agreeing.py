"""Agreement: coefficients of the whole group and of each pair, each beside what independent errors would have given.

Readers who both know the truth agree for that reason alone. A kappa is therefore printed with the kappa that readers
of the same skill would reach if they erred independently, and with what is left above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lungeval.records import Estimate, Inference
from lungeval.reporting import measures, words
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row, Table
from lungeval.statistics.benchmark import benchmark
from lungeval.statistics.pairs import INDEPENDENT

COEFFICIENTS = (
    "fleiss_kappa", "conger_kappa", "light_kappa", "krippendorff_nominal", "krippendorff_ordinal",
    "krippendorff_interval", "gwet_ac1", "gwet_ac2", "scott_pi", "brennan_prediger", "observed_agreement",
)  # fmt: skip
"""Of a group, in the order of the page."""
THESE: Inference = "these_readers"
LIKE: Inference = "readers_like_these"
EXPECTED, EXCESS = "expected_kappa", "excess_kappa"
PAIRWISE = (
    "observed_agreement", EXPECTED, EXCESS, "cohen_kappa_linear", "cohen_kappa_quadratic", "positive_agreement",
    "negative_agreement", "prevalence_index", "bias_index",
)  # fmt: skip
"""Of a pair, beside Cohen's kappa."""
_SAID = re.compile("(?:; )?" + re.escape(INDEPENDENT).replace(re.escape("{:.3f}"), r"(-?[\d.]+)"))
"""The words in which a kappa's reason says what independent errors would give; the tables print it beside the kappa."""
STRENGTH = "Strength: Landis and Koch's word, and the one that is sure at 95% where it is a lower one (Gwet)."
"""What the words of the column mean."""
ON_PAGE = ("observed_agreement", EXPECTED, EXCESS)
"""Of PAIRWISE, what the page prints; the CSV has all."""


def tables(findings: Findings) -> list[Table]:
    """The tables of agreement, some of them without rows."""
    return [group(findings), by_arm(findings), pairs(findings), intra(findings)]


def group(findings: Findings) -> Table:
    """Coefficients over all readers: over all images, and within fakes and reals, where skill adds nothing."""
    return _group(findings, "agreement-group", "Agreement of all readers together", arms=False)


def by_arm(findings: Findings) -> Table:
    """The same for the images of each generator and their reals."""
    return _group(findings, "agreement-arms", "Agreement of all readers, for each generator and its reals", arms=True)


def _group(findings: Findings, name: str, caption: str, *, arms: bool) -> Table:
    rows = []
    for kind in findings.kinds:
        found = of_group(findings, kind)
        for arm in dict.fromkeys(row.scope.arm for row in found if (row.scope.arm is not None) is arms):
            mine = _held(row for row in found if row.scope.arm == arm)
            lead = findings.headline_inference(kind, arm)
            if not any((name, None, THESE) in mine for name in COEFFICIENTS if name != "observed_agreement"):
                continue
            for coefficient in COEFFICIENTS:
                split = [_split(mine.get((coefficient, subset, THESE))) for subset in (None, "fakes", "reals")]
                these, like = split[0][0], mine.get((coefficient, None, LIKE))
                own = coefficient == "fleiss_kappa"
                if any(row for row, _ in split):
                    cells: tuple[Cell, ...] = (
                        findings.arm_label(arm) if arm else None,
                        words.title(coefficient),
                        these,
                        like,
                        strength(like if like is not None and lead == LIKE else these),
                        _value(mine.get((EXPECTED, None, THESE)) if own else None) or split[0][1],
                        (mine.get((EXCESS, None, lead)) or mine.get((EXCESS, None, THESE))) if own else None,
                        *(row for row, _ in split[1:]),
                    )
                    strong = () if like is None else ("like",) if lead == LIKE else ("these",)
                    rows.append(Row(cells, kind, strong=strong, group=findings.arm_label(arm) if arm else ""))
    return Table(
        name,
        caption,
        (
            Column("arm", "Generator", page=False),
            Column("coefficient", "Coefficient"),
            *measures.columns(),
            Column("strength", "Strength"),
            Column("expected", "Expected", "own", interval=True),
            Column("excess", "Excess", "own", interval=True),
            Column("fakes", "Among fakes", "own", interval=True),
            Column("reals", "Among reals", "own", interval=True),
        ),
        tuple(rows),
        unit=f"{measures.unit(rows)} {STRENGTH}",
        stacked=True,
    )


def _held(rows: Iterable[Estimate]) -> dict[tuple[str, str | None, Inference], Estimate]:
    """Estimates by name, subset and inference; one that names no inference speaks of these readers."""
    found: dict[tuple[str, str | None, Inference], Estimate] = {}
    for row in rows:
        found.setdefault((row.estimand, row.scope.subset, row.inference or THESE), row)
    return found


def of_group(findings: Findings, kind: str) -> list[Estimate]:
    """Estimates of agreement that speak of all readers of a kind, over all cells."""
    n = len(findings.labellers(kind))
    return [
        row
        for row in findings.of(kind, *COEFFICIENTS, EXPECTED, EXCESS)
        if row.scope.reader is None and row.scope.modality is None and row.scope.condition is None
        and (n == 2 or len(row.scope.readers or ()) != 2) and row.policy is None
    ]  # fmt: skip


def strength(row: Estimate | None) -> str | None:
    """The Landis-Koch word, and the lower one that is sure where the value's own is not; None for a bare share."""
    if row is None or row.value is None or abs(row.value) > 1 or row.estimand == "observed_agreement":
        return None
    found = benchmark(row.value, row.se, row.df, row.low)
    if found is None:
        return None
    return found.word if found.earned == found.word else f"{found.word} (sure: {found.earned})"


def pairs(findings: Findings) -> Table:
    """Cohen's kappa of each pair of readers, with what independent errors would have given."""
    rows = []
    for kind in findings.kinds:
        beside = _of_pairs(findings, kind)
        for pair in findings.pairs(kind):
            names = pair.scope.readers or ("", "")
            shown, expected = _split(pair)
            found = [
                (_value(beside.get((name, frozenset(names)))) or expected)
                if name == EXPECTED
                else beside.get((name, frozenset(names)))
                for name in PAIRWISE
            ]
            rows.append(Row((f"{names[0]} – {names[1]}", shown, *found, pair.se, pair.n_cases), kind))
    return Table(
        "agreement",
        f"Cohen's kappa of each pair of readers, {'three' if findings.unsure else 'two'} answers",
        (
            Column("pair", "Readers"),
            Column("kappa", "Kappa", "decimal", interval=True),
            *(
                Column(name, HEADS.get(name, words.title(name)), "own", interval=True, page=name in ON_PAGE)
                for name in PAIRWISE
            ),
            Column("se", "Standard error", "decimal"),
            Column("n_cases", "Cases read by both", "count"),
        ),
        tuple(rows),
        unit=measures.unit(rows),
    )


HEADS = {
    "observed_agreement": "Same answer",
    EXPECTED: "Expected if errors were independent",
    EXCESS: "Excess",
}
"""Short headings."""


ONESELF = ("intra_reader_agreement", "intra_reader_kappa", "changed_to_unsure", "changed_from_unsure")
"""Of a reader and themselves."""


def intra(findings: Findings) -> Table:
    """Agreement of each reader with themselves, over repeated cases; the last row is the mean of the readers."""
    rows = []
    for kind in findings.kinds:
        for reader in findings.readers(kind):
            found = [findings.of_reader(name, kind, reader["id"], policy=None) for name in ONESELF]
            first = next((row for row in found if row is not None), None)
            if first is not None:
                rows.append(Row((reader["id"], *found, first.n_cases), kind))
        means = [findings.mean(name, kind, policy=None) for name in ONESELF]
        means[1] = means[1] or findings.mean("intra_reader_kappa_stratified", kind, policy=None)
        if len(findings.labellers(kind)) > 1 and any(means):
            rows.append(Row(("all readers", *means, None), kind))
    heads = ("Same answer", "Kappa", "Turned to unsure", "Turned from unsure")
    return Table(
        "intra-reader",
        "The same reader, the same image, a second time",
        (
            Column("reader", "Reader"),
            *(
                Column(name.removeprefix("intra_reader_"), heading, "own", interval=True)
                for name, heading in zip(ONESELF, heads, strict=True)
            ),
            Column("n_cases", "Cases shown twice", "count"),
        ),
        tuple(rows),
        unit=measures.unit(rows),
        stacked=True,
    )


def _value(row: Estimate | None) -> Cell:
    """An expected kappa as a bare number: it has no interval, the excess beside it has; undefined it says why."""
    return row if row is None or row.value is None else row.value


def _split(row: Estimate | None) -> tuple[Estimate | None, float | None]:
    """An estimate without the words on independent errors, and the kappa that they name."""
    said = _SAID.search(row.reason or "") if row is not None else None
    if row is None or said is None:
        return row, None
    rest = _SAID.sub("", row.reason or "").removeprefix("; ")
    return row.model_copy(update={"reason": rest or None}), float(said[1])


def _of_pairs(findings: Findings, kind: str) -> dict[tuple[str, frozenset[str]], Estimate]:
    """Estimates of pairs over all images, by name and pair."""
    found: dict[tuple[str, frozenset[str]], Estimate] = {}
    for row in findings.of(kind, *PAIRWISE):
        scope = row.scope
        whole = scope.arm is None and scope.modality is None and scope.condition is None and scope.subset is None
        if whole and len(scope.readers or ()) == 2 and row.policy is None:
            found.setdefault((row.estimand, frozenset(scope.readers or ())), row)
    return found
