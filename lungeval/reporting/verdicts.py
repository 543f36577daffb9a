"""Verdicts as the page prints them: one mark an arm, its sentence, the other inference beside, and the rule's steps.

Nothing is decided here: codes, sentences and numbers are those of results.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate, Inference, Scope, Verdict
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row, Table
from lungeval.statistics.settings import Settings

EVERYBODY = "all readers"
"""scope.subset of a verdict that counts readers whom an attention rule leaves out."""
ESTIMAND, POLICY = "balanced_accuracy", "half"
"""What the rule judges."""
HELD = {True: "✓\u00a0held", False: "✗\u00a0not\u00a0held", None: "not\u00a0judged"}
"""A condition's outcome."""


@dataclass(frozen=True)
class Mark:
    """How a code is shown: never by colour alone."""

    sign: str
    """A sign before the word."""
    word: str
    """The word."""


MARKS: dict[str, Mark] = {
    "distinguishable": Mark("≠", "Distinguishable"),
    "distinguishable_within_margin": Mark("≠≈", "Distinguishable, within the margin"),
    "equivalent": Mark("≈", "Equivalent"),
    "inconclusive": Mark("?", "Inconclusive"),
    "not_estimable": Mark("–", "Not estimable"),
}
"""Every code of a verdict."""


@dataclass(frozen=True)
class Ruling:
    """What the rule says of one arm over one set of readers: the leading verdict, and the others beside it."""

    lead: Verdict
    """Of the inference that leads."""
    beside: tuple[Verdict, ...]
    """Of the other inference, where it is defined."""

    @property
    def everybody(self) -> bool:
        """Whether it counts readers whom the attention rule leaves out."""
        return self.lead.scope.subset == EVERYBODY

    @property
    def left_out(self) -> list[str]:
        """Readers whom the attention rule leaves out of it."""
        return [str(name) for name in self.lead.inputs.get("excluded_readers") or []]

    def readers(self) -> str:
        """Whose readings it counts, where an attention rule left readers out: `without r3`, `all readers`."""
        if self.everybody:
            return EVERYBODY
        return f"without {words.joined(self.left_out)}" if self.left_out else ""

    def estimate(self) -> Estimate | None:
        """What was judged as an estimate, with the limits that the rule used; None where there is none."""
        found = self.lead.inputs
        if found.get("value") is None or found.get("low95") is None:
            return None
        return Estimate(
            estimand=ESTIMAND, policy=POLICY, inference=self.lead.inference, value=found["value"], low=found["low95"],
            high=found["high95"], level=round(1 - found.get("alpha", 0.05), 6), p=found.get("p"),
            n_readers=found.get("n_readers"), n_cases=found.get("n_cases"), scope=Scope(arm=self.lead.scope.arm),
            method=str(found.get("method") or ""), source="",
        )  # fmt: skip

    def inner(self) -> tuple[float, float] | None:
        """The interval of the tests of equivalence."""
        found = self.lead.inputs
        low, high = found.get("low90"), found.get("high90")
        return None if low is None or high is None else (float(low), float(high))


def rulings(findings: Findings, kind: str, arm: str) -> list[Ruling]:
    """What the rule says of an arm: without readers whom an attention rule leaves out, then of all readers."""
    mine = [
        row
        for row in findings.verdicts
        if row.scope.reader_kind in (kind, None)
        and (row.scope.arm == arm or (row.scope.arm is None and len(findings.arms) == 1))
    ]
    made = []
    for everybody in (False, True):
        rows = [row for row in mine if (row.scope.subset == EVERYBODY) is everybody]
        if rows:
            leads = Settings().headline(int(rows[0].inputs.get("n_readers") or 1))
            lead = next((row for row in rows if row.inference == leads), rows[0])
            made.append(Ruling(lead, tuple(row for row in rows if row is not lead)))
    return made


def judges_the_primary(findings: Findings) -> bool:
    """Whether the rule judges the study's own primary estimand, so that one picture holds both."""
    return findings.primary == ESTIMAND and (findings.policy == POLICY or not findings.unsure)


def shown(findings: Findings, verdict: Verdict) -> dict[str, Any]:
    """A verdict as the template prints it."""
    mark = MARKS[verdict.code]
    below = verdict.direction == "below" and verdict.code.startswith("distinguishable")
    return {
        "code": verdict.code,
        "sign": mark.sign,
        "word": mark.word + (", labels inverted" if below else ""),
        "whom": whom(findings, verdict),
        "text": spoken(findings, verdict),
    }


def spoken(findings: Findings, verdict: Verdict) -> str:
    """The sentence without the declared effect, which the page prints once, under the sentences."""
    effect = findings.effect.rstrip(".")
    if effect and verdict.text.endswith(f"{effect}."):
        return verdict.text.removesuffix(f"{effect}.").rsplit(". ", 1)[0] + "."
    return verdict.text


def whom(findings: Findings, verdict: Verdict) -> str:
    """Of whom a verdict speaks."""
    n = int(verdict.inputs.get("n_readers") or 0)
    if n == 1:
        return "This one reader"
    return f"These {n} readers" if verdict.inference == "these_readers" else f"Readers like these {n}"


def tables(findings: Findings) -> list[Table]:
    """The verdicts, and each condition of the rule with its numbers."""
    return [verdicts(findings), conditions(findings)]


_NUMBERS = (
    "value", "low95", "high95", "low90", "high90", "p", "p_adjusted", "value_excluded", "low90_excluded",
    "high90_excluded", "distance", "p_distance", "p_equivalent_half", "p_equivalent_excluded", "p_equivalent",
    "p_equivalent_adjusted", "dprime", "dprime_low", "dprime_high", "dprime_margin", "margin", "alpha", "chance",
    "arms", "n_readers", "n_cases",
)  # fmt: skip


def verdicts(findings: Findings) -> Table:
    """Every verdict with its inputs, for the CSV."""
    rows = []
    for kind, arm, ruling in _all(findings):
        for verdict in (ruling.lead, *ruling.beside):
            said = verdict.inputs
            cells: tuple[Cell, ...] = (
                findings.arm_label(arm),
                SPEAKS[verdict.inference],
                ruling.readers(),
                verdict.code,
                verdict.direction,
                *(said.get(name) for name in _NUMBERS),
                " ".join(str(name) for name in said.get("readers_apart") or []),
                verdict.text,
            )
            rows.append(Row(cells, kind))
    heads = ("arm", "speaks_of", "readings_of", "code", "direction", *_NUMBERS, "readers_apart", "text")
    return Table("verdicts", "Verdicts", tuple(Column(name, name) for name in heads), tuple(rows), accuracies=True)


SPEAKS: dict[Inference, str] = {"these_readers": "these readers", "readers_like_these": "readers like these"}


def conditions(findings: Findings) -> Table:
    """Each condition of the rule: what was found, what it asks for, whether it held."""
    rows = []
    twice = any(ruling.everybody for *_, ruling in _all(findings))
    for kind, arm, ruling in _all(findings):
        for verdict in (ruling.lead, *ruling.beside):
            group = f"{findings.arm_label(arm)} · {whom(findings, verdict).lower()}"
            group += f" ({ruling.readers()})" if twice and ruling.readers() else ""
            for name, condition, found, asked, held in steps(verdict, unsure=findings.unsure):
                rows.append(
                    Row(
                        (findings.arm_label(arm), SPEAKS[verdict.inference], ruling.readers(), name, condition, found,
                         asked, HELD[held]),
                        kind, group=f"{group}: {MARKS[verdict.code].word.lower()}",
                    )
                )  # fmt: skip
    return Table(
        "verdict-conditions",
        "How each verdict was reached",
        (
            Column("arm", "Generator", page=False),
            Column("speaks_of", "Speaks of", page=False),
            Column("readings_of", "Readings of", page=False),
            Column("part", "Rule"),
            Column("condition", "Condition"),
            Column("found", "Found"),
            Column("asked", "Asked for"),
            Column("held", "Outcome"),
        ),
        tuple(rows),
        unit=_rule(findings),
        accuracies=True,
        merged=True,
    )


def _rule(findings: Findings) -> str:
    """The rule in words, as the verdicts carry it; each of its sentences begins with a capital."""
    rule = next((row.rule for row in findings.verdicts if row.rule and findings.unsure), "")
    sentences = (part[:1].upper() + part[1:] for part in rule.rstrip(".").split(". "))
    return f"The rule. {'. '.join(sentences)}." if rule else ""


Step = tuple[str, str, str, str, bool | None]


def steps(verdict: Verdict, *, unsure: bool = True) -> Iterator[Step]:
    """(rule, condition, what was found, what is asked for, whether it held) of every step that was taken.

    Args:
        verdict: The verdict.
        unsure: Whether unsure was offered; else nothing speaks of it, and its two tests are one.
    """
    said = verdict.inputs
    if said.get("value") is None:
        yield "Any verdict", "the rule can be applied", str(said.get("reason") or "it cannot"), "", False
        return
    alpha, arms = said.get("alpha", 0.05), int(said.get("arms") or 1)
    held: dict[str, bool] = said.get("held") or {}
    over = f", adjusted over {arms} generators (Holm)" if arms > 1 else ""
    asked = f"p\u00a0<\u00a0{alpha:g}"
    p = _p(said["p_adjusted"]) + (f"; unadjusted {_p(said['p'])}" if arms > 1 else "")
    yield (
        "Distinguishable", f"balanced accuracy{', unsure half' if unsure else ''}, against chance, two-sided{over}",
        f"{_span(said, 'value', 'low95', 'high95', 1 - alpha)}; {p}", asked, held.get("superior"),
    )  # fmt: skip
    if said.get("margin") is None:
        yield "Equivalent", "a margin fixed beforehand", "none", "", None
        return
    yield from _equivalence(said, alpha, over, unsure=unsure)


def _equivalence(said: dict[str, Any], alpha: float, over: str, *, unsure: bool) -> Iterator[Step]:
    held: dict[str, bool] = said.get("held") or {}
    margin, chance = said["margin"], said.get("chance", 0.5)
    asked = f"p\u00a0<\u00a0{alpha:g}"
    band = f"inside {words.interval(chance - margin, chance + margin, 'percent')}%, {asked}"
    for ending, name, how in (("", "half", ", unsure half"), ("_excluded", "excluded", ", unsure left out")):
        if ending and not unsure:
            continue
        value, p = said.get(f"value{ending}"), said.get(f"p_equivalent_{name}")
        title = f"balanced accuracy{how if unsure else ''}, two one-sided tests"
        if value is None or p is None:
            yield "Equivalent", title, words.NOT_ESTIMABLE, band, False
            continue
        shown = _span(said, f"value{ending}", f"low90{ending}", f"high90{ending}", 1 - 2 * alpha)
        yield "Equivalent", title, f"{shown}; {_p(p)}", band, p < alpha
    if said.get("p_distance") is not None:
        # A mean hides readers who tell with the labels inverted; this does not.
        title = "the readers' root mean square distance from chance, in either direction"
        p = said["p_distance"]
        found = f"{100 * said['distance']:.1f} points; {_p(p)}"
        yield "Equivalent", title, found, f"under {words.number(100 * margin, 'plain')} points, {asked}", p < alpha
    adjusted = said.get("p_equivalent_adjusted")
    if over and adjusted is not None:
        yield (
            "Equivalent",
            f"the largest p of these{over}",
            _p(adjusted),
            asked,
            held.get("equivalent"),
        )
    bound = said.get("dprime_margin")
    inside = f"inside ±{words.number(bound, 'decimal')}" if bound is not None else ""
    if said.get("dprime") is None:
        yield "Equivalent", "mean d′ of the readers", words.NOT_ESTIMABLE, inside, False
    else:
        limits = words.interval(said.get("dprime_low"), said.get("dprime_high"), "decimal")
        shown = f"{words.number(said['dprime'], 'decimal')} ({words.level(1 - 2 * alpha)} interval {limits})"
        title = "mean d′ of the readers" + (", unsure left out" if unsure else "")
        yield "Equivalent", title, shown, inside, held.get("dprime")
    apart = said.get("readers_apart") or []
    ps: dict[str, float] = said.get("readers_p") or {}
    text = f"{words.joined([str(name) for name in apart])} distinguishable" if apart else "none"
    if ps:
        text += f"; smallest {_p(min(ps.values()))}"
    title = "single readers told them apart, each against chance" + (", adjusted over readers (Holm)" if ps else "")
    yield "Equivalent", title, text, "none", held.get("no_reader_apart")
    for line in said.get("lacking") or []:
        yield "Equivalent", "could not be computed", str(line), "", False


def _p(value: float) -> str:
    """`p = 0.034`, on one line."""
    text = words.number(value, "p")
    return f"p\u00a0<\u00a0{text[1:]}" if text.startswith("<") else f"p\u00a0=\u00a0{text}"


def _span(said: dict[str, Any], value: str, low: str, high: str, level: float) -> str:
    limits = words.interval(said.get(low), said.get(high), "percent")
    return f"{words.number(said.get(value), 'percent')} ({words.level(round(level, 6))} interval {limits})"


def _all(findings: Findings) -> Iterator[tuple[str, str, Ruling]]:
    for kind in findings.kinds:
        for arm in findings.arms:
            for ruling in rulings(findings, kind, arm):
                yield kind, arm, ruling
