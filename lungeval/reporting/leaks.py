"""The leak audit: what, other than what readers judge, told real from fake, before and after harmonising.

Each row is one fact for one generator: how well that fact alone tells real from fake, and whether it stops the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lungeval.reporting import words
from lungeval.reporting.findings import Findings

GROUPS = {
    "transport": "The file: what can be seen without opening it",
    "encoding": "The encoding: how the pixels are stored",
    "pixels": "The pixels: simple measurements",
    "machine": "A machine classifier on small copies of the images",
}
"""Groups of facts in their order, with their headings."""
PASSES, REPORTED, CONSTANT, GONE, ACCEPTED, STOPS = "passes", "reported", "constant", "gone", "accepted", "stops"
SEVERITY = (PASSES, REPORTED, CONSTANT, GONE, ACCEPTED, STOPS)
"""Results of a fact after harmonising, the gravest last."""
_Fact = Mapping[str, Any]


@dataclass(frozen=True)
class Auc:
    """How well a fact tells real from fake, with what is usual of each."""

    fact: _Fact | None
    """A row of the audit; None = not looked at."""

    @property
    def constant(self) -> bool:
        """Whether the fact is the same in every image."""
        return self.fact is not None and self.fact.get("auc") is None and self.fact.get("reason") == CONSTANT

    @property
    def telling(self) -> bool:
        """Whether its interval leaves out 0.5, which tells nothing."""
        low, high = (self.fact or {}).get("low"), (self.fact or {}).get("high")
        return low is not None and high is not None and not low <= 0.5 <= high

    def shown(self, form: words.Form) -> words.Shown:
        """AUC and interval; where the fact gives it away, the usual value of reals and of fakes."""
        row = self.fact
        if row is None:
            return words.Shown("–")
        if self.constant:
            return words.Shown("same in all")
        told = row.get("fires") and None not in (row.get("real"), row.get("fake"))
        usual = (f"real {_clip(row['real'])}, fake {_clip(row['fake'])}",) if told else ()
        if row.get("auc") is None:
            return words.Shown(words.NOT_ESTIMABLE, note=row.get("reason") or "", lines=usual)
        limits = words.interval(row.get("low"), row.get("high"), form)
        return words.Shown(words.number(row["auc"], form), limits, lines=usual)

    def values(self) -> list[Any]:
        """auc, low, high, real, fake, fires, reason."""
        row = self.fact or {}
        return [row.get(name) for name in ("auc", "low", "high", "real", "fake", "fires", "reason")]


@dataclass(frozen=True)
class Mark:
    """What a fact after harmonising means for the study."""

    word: str
    """One of SEVERITY."""
    accepted: str = ""
    """Why it may differ."""
    remedy: str = ""
    """What would mend it."""

    def shown(self, form: words.Form) -> words.Shown:
        """The word; the reason or the remedy as a footnote."""
        del form
        note = {ACCEPTED: f"accepted: {self.accepted}", STOPS: self.remedy}.get(self.word, "")
        return words.Shown(self.word, note=note)

    def values(self) -> list[Any]:
        """The word, the reason, the remedy."""
        return [self.word, self.accepted, self.remedy]


@dataclass(frozen=True)
class Leak:
    """One fact for one generator and modality."""

    arm: str
    modality: str
    group: str
    name: str
    """The fact's name, as `blinding.accept` takes it."""
    before: _Fact | None
    after: _Fact | None
    staged: bool = True
    """Whether the audit looked at the images as readers met them: that decides then, and a fact of files is gone."""

    @property
    def any(self) -> _Fact:
        """Either row, for what both say."""
        return self.after or self.before or {}

    @property
    def same(self) -> bool:
        """Whether it is the same in every image wherever it was looked at."""
        seen = [Auc(row) for row in (self.before, self.after) if row is not None]
        return all(cell.constant for cell in seen)

    @property
    def mark(self) -> Mark:
        """What it means for the study."""
        row = self.after if self.staged else self.before
        if row is None:
            return Mark(GONE)
        if Auc(row).constant:
            return Mark(CONSTANT)
        if row.get("gate") == "reported":
            return Mark(REPORTED)
        if not row.get("fires"):
            return Mark(PASSES)
        accepted = str(row.get("accepted") or "")
        return Mark(ACCEPTED, accepted) if accepted else Mark(STOPS, remedy=str(row.get("remedy") or ""))


def leaks(findings: Findings) -> list[Leak]:
    """The audit, a row a fact and comparison: by group, then fact, then generator."""
    found: dict[tuple[str, str, str, str], dict[str, _Fact]] = {}
    for row in (findings.run.get("audit") or {}).get("facts") or []:
        key = (str(row.get("group") or ""), str(row["fact"]), str(row.get("arm") or ""), str(row.get("modality") or ""))
        found.setdefault(key, {})[str(row.get("when") or "after")] = row
    staged = any("after" in rows for rows in found.values())
    groups = [*GROUPS, *sorted({key[0] for key in found} - set(GROUPS))]
    facts = list(dict.fromkeys(key[:2] for key in found))
    pairs = comparisons(findings)
    place = {key: (groups.index(key[0]), facts.index(key[:2]), pairs.index(key[2:])) for key in found}
    return [
        Leak(arm, modality, group, name, rows.get("before"), rows.get("after"), staged)
        for (group, name, arm, modality), rows in sorted(found.items(), key=lambda item: place[item[0]])
    ]


def comparisons(findings: Findings) -> list[tuple[str, str]]:
    """(arm, modality) of every comparison of the audit, in the study's order."""
    audit = findings.run.get("audit") or {}
    rows = [*(audit.get("comparisons") or []), *(audit.get("facts") or [])]
    seen = dict.fromkeys((str(row.get("arm") or ""), str(row.get("modality") or "")) for row in rows)
    known = [*findings.arms, *sorted({arm for arm, _ in seen} - set(findings.arms))]
    kinds = [*words.MODALITY_TITLES, *sorted({m for _, m in seen} - set(words.MODALITY_TITLES))]
    return sorted(seen, key=lambda pair: (known.index(pair[0]), kinds.index(pair[1])))


def compared(findings: Findings, arm: str, modality: str) -> str:
    """A comparison by name: its generator, and the modality where there are several."""
    several = len({m for _, m in comparisons(findings)}) > 1
    name = words.arm_name(arm)
    return f"{name}, {words.MODALITY_TITLES.get(modality, modality)}" if several and modality else name


def fact_name(name: str) -> str:
    """A fact's name in running text."""
    return name.replace("_", " ")


def heading(group: str) -> str:
    """A group's heading."""
    return GROUPS.get(group, fact_name(group).capitalize())


def summary(findings: Findings) -> str:
    """The audit in a few sentences, for people: how many facts told real from fake before, and what is left after."""
    found = leaks(findings)
    gated = [leak for leak in found if leak.group != "machine" and leak.any.get("gate") != "reported"]
    names = _names(gated)
    if not names:
        return ""
    told = _names([x for x in gated if x.before is not None and x.before.get("fires")])
    before = {0: "none", len(names): "all"}.get(len(told), f"{len(told)}")
    sides = {word: _names([x for x in gated if x.mark.word == word]) for word in SEVERITY}
    never = [name for name in names if all(x.mark.word in (CONSTANT, GONE) for x in gated if x.name == name)]
    gone = [name for name in never if name in sides[GONE]]
    same = [name for name in never if name not in gone]
    other = len(names) - len({*never, *sides[ACCEPTED], *sides[STOPS]})
    parts = [f"{len(gone)} {_be(gone)} gone with the files, which readers are never sent"] if gone else []
    parts += [f"{len(same)} {_be(same)} the same in every image"] if same else []
    parts += [f"{words.counted(other, 'varies', 'vary')} without telling real from fake"] if other else []
    for word, verb in ((ACCEPTED, "accepted with a reason"), (STOPS, "enough to stop the study")):
        listed = words.joined([fact_name(name) for name in sides[word]])
        parts += [f"{len(sides[word])} {_be(sides[word])} {verb} ({listed})"] if listed else []
    opening = f"{words.counted(len(names), 'fact')} of the files and their encoding can stop a study. "
    if found[0].staged:
        opening += f"Before harmonising, {before} of them told real from fake; as readers met the images, "
    else:
        opening += "In the files as they came, "
    return f"{opening}{words.joined(parts)}."


def _be(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def outcome(findings: Findings, word: str) -> list[str]:
    """Names of the facts with a result in some comparison."""
    return [fact_name(name) for name in _names([leak for leak in leaks(findings) if leak.mark.word == word])]


def _clip(value: Any) -> str:
    return words.clipped(str(value), 28)


def _names(found: list[Leak]) -> list[str]:
    return list(dict.fromkeys(leak.name for leak in found))
