"""From a protocol and options to the study that is planned: options before the protocol, and it before defaults."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from itertools import combinations
from pathlib import Path
from typing import Any

from lungeval.backends.base import cells_of
from lungeval.errors import LungevalError, did_you_mean
from lungeval.planning.scales import case_sd_of, kappa_of
from lungeval.planning.study import MOST_CASE_SD, Study
from lungeval.protocol import Protocol, asked
from lungeval.protocol_files import Loaded, load_protocol
from lungeval.records import ANY_CONDITION, REAL_ARM, ReaderKind

KINDS: tuple[ReaderKind, ...] = ("human", "imported", "simulated", "scripted", "machine")
"""Whose readings a plan is about: the first kind that the protocol has, since kinds are never pooled."""
SIZES = ("cases", "prevalence", "fakes", "reals", "arms")
"""Options that say how many cases there are."""
PREVALENCE = 0.5
"""Share of fakes among an arm's cases, where nothing is said."""
WHY = {
    "reader_sd": "readers of one study differ by 3 to 7 points as a rule (one published study: 21.5)",
    "arm_sd": "judgement: no published figure was found",
    "case_sd": "kappa .13 between readers in being right; published: .06 to .14",
    "criterion_sd": "near the .46 of a small reading test",
    "unsure": "judgement: depends on what readers are told",
}
"""Where the defaults come from."""


def read_study(protocol: Path | None, given: dict[str, Any]) -> Study:
    """The study that is planned.

    Args:
        protocol: A protocol; None = options alone, of which readers and a number of cases are needed.
        given: Options by name; None = not given. Those of `Study`, and cases, prevalence, fakes, reals, arms (how
            many), kappa (in place of case_sd), accuracy (`0.5,0.6`).

    Raises:
        LungevalError: `usage` for options that contradict each other or are missing; `protocol`; `design`, for a study
            without reals, or in which unsure counts as wrong.
    """
    options = {name: value for name, value in given.items() if value is not None}
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if protocol is not None:
        found, notes = _of_protocol(load_protocol(protocol))
        origin = dict.fromkeys(found, "protocol")
    if any(name in options for name in SIZES):
        found |= _sizes({name: options.pop(name) for name in SIZES if name in options}, found)
        origin |= dict.fromkeys(("fakes", "reals", "arms", "pairs"), "option")
        if protocol is not None:
            notes = (*notes, "numbers of cases are the options': one cell, in which every arm has as many fakes")
    if "kappa" in options:
        if "case_sd" in options:
            raise LungevalError("usage", "--kappa and --case-sd say the same", remedy="give one of them")
        kappa = options.pop("kappa")
        options["case_sd"] = case_sd_of(kappa)
        if not options["case_sd"] <= MOST_CASE_SD:
            most = kappa_of(MOST_CASE_SD)
            raise LungevalError(
                "usage", f"a kappa of {kappa:g} between readers in being right",
                remedy=f"give 0 to {math.floor(100 * most) / 100:g}; published: .06 to .14",
            )  # fmt: skip
    if "accuracy" in options:
        options["accuracies"] = _numbers(options.pop("accuracy"))
    if found.get("unsure") == 0.0 and options.get("unsure"):
        raise LungevalError("usage", "--unsure, and the protocol does not offer unsure", remedy="leave it out")
    found |= options
    origin |= dict.fromkeys(options, "option")
    missing = [name for name, option in (("readers", "--readers"), ("fakes", "--cases")) if name not in found]
    if missing:
        raise LungevalError(
            "usage", "what is planned is not said", remedy="give a protocol, or --readers and --cases at least"
        )
    for own in fields(Study):
        if own.name not in ("origin", "notes", "pairs") and own.default is not MISSING:
            origin.setdefault(own.name, "default")
    return Study(**found, origin=origin, notes=notes)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        raise LungevalError(
            "usage", f"--accuracy {text}", remedy="write proportions with commas between, such as 0.5,0.6,0.7"
        ) from None


def _sizes(options: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Numbers of cases from options; what they leave open is the protocol's."""
    if "cases" in options and "fakes" in options:
        raise LungevalError(
            "usage", "--cases and --fakes together",
            remedy="--cases counts an arm's fakes and their reals; --fakes and --reals count them apart",
        )  # fmt: skip
    if "prevalence" in options and ("fakes" in options or "reals" in options):
        raise LungevalError(
            "usage", "--prevalence with --fakes or --reals", remedy="it splits --cases; leave one of them out"
        )
    arms = options.get("arms", len(before.get("arms", ("arm1",))))
    fakes, reals = options.get("fakes"), options.get("reals")
    if "cases" in options:
        share = options.get("prevalence", PREVALENCE)
        if not 0 <= share <= 1:
            raise LungevalError("usage", f"the prevalence is {share:g}", remedy="give a share of fakes, 0 to 1")
        fakes = options["cases"] - reals if reals is not None else int(options["cases"] * share + 0.5)
        reals = options["cases"] - fakes if reals is None else reals
    elif "prevalence" in options:
        raise LungevalError("usage", "--prevalence without --cases", remedy="give --cases, too")
    if fakes is None and before:
        fakes = max(sum(counts) for counts in before["fakes"])
    if reals is None:
        reals = sum(before["reals"]) if before else fakes
    if fakes is None:
        raise LungevalError("usage", "how many cases are read is not said", remedy="give --cases, or --fakes")
    if reals == 0:
        raise _no_reals("")
    names = tuple(f"arm{n + 1}" for n in range(arms))
    kept = before.get("arms", ()) if len(before.get("arms", ())) == arms else names
    pairs = before.get("pairs", ()) if kept != names else tuple(combinations(range(arms), 2))
    return {"fakes": ((fakes,),) * arms, "reals": (reals,), "arms": kept, "pairs": pairs}


def _no_reals(where: str) -> LungevalError:
    return LungevalError(
        "design", "a study without real images cannot tell whether readers tell fakes from them", where=where,
        remedy="add `real:` to the protocol, or --reals: a fool rate alone may be a habit of saying real",
    )  # fmt: skip


def _of_protocol(loaded: Loaded) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a protocol says of the study, and what was simplified."""
    protocol = loaded.protocol.protocol
    where = str(loaded.path)
    if protocol.real is None:
        raise _no_reals(where)
    if protocol.analysis.unsure == "wrong":
        raise LungevalError(
            "design", "unsure counts as wrong, so guessing has no fixed value and there is no verdict", where=where,
            remedy="set analysis.unsure to half or excluded",
        )  # fmt: skip
    kind = next(kind for kind in KINDS if any(reader.kind == kind for reader in protocol.readers))
    readers = sum(reader.kind == kind for reader in protocol.readers)
    notes = []
    if readers < len(protocol.readers):
        notes.append(f"the {kind} readers are planned for; kinds of readers are never pooled")
    names, fakes, reals, loose = _cells(loaded, protocol)
    if loose:
        notes.append(f"fakes of no given condition count as spread over their modality's cells: {', '.join(loose)}")
    if protocol.plan.groups > 1:
        notes.append("each reader reads one group of cases: drawn as readings left out by chance")
    if protocol.set.per_patient > 1:
        notes.append(f"{protocol.set.per_patient} cases of every patient, the most that the protocol allows")
    found: dict[str, Any] = {
        "readers": readers, "fakes": fakes, "reals": reals, "arms": names,
        "pairs": _pairs(protocol, names, where), "margin": protocol.analysis.margin, "alpha": protocol.analysis.alpha,
        "policy": protocol.analysis.unsure, "per_patient": protocol.set.per_patient, "groups": protocol.plan.groups,
        "repeats": protocol.set.repeats, "practice": protocol.set.practice, "seed": protocol.seed,
    }  # fmt: skip
    if not protocol.answers.unsure:
        found["unsure"] = 0.0
    return found, tuple(notes)


def _cells(
    loaded: Loaded, protocol: Protocol
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], tuple[int, ...], list[str]]:
    """The arms, their fakes in each cell, the reals of each cell, and the arms whose fakes have no condition."""
    arms = [located for located in loaded.arms if located.name != REAL_ARM]
    slots = {
        (located.name, cell.modality, cell.condition)
        for located in arms for cell in cells_of(located, None, protocol)
    }  # fmt: skip
    counts = asked(protocol, slots)
    keys = [(cell.modality, cell.condition) for cell in protocol.cells]
    table = {located.name: dict.fromkeys(keys, 0) for located in arms}
    loose: list[str] = []
    for (name, modality, condition), count in counts.items():
        if name == REAL_ARM:
            continue
        any_of = condition == ANY_CONDITION
        here = [key for key in keys if key[0] == modality and (any_of or key[1] == condition)]
        loose += [name] if any_of else []
        for index, key in enumerate(here):
            table[name][key] += count // len(here) + (index < count % len(here))
    used = [key for key in keys if any(row[key] for row in table.values())]
    empty = [name for name, row in table.items() if not any(row.values())]
    if empty:
        raise LungevalError(
            "design", f"no cell of the protocol is made by {', '.join(empty)}", where=str(loaded.path),
            remedy="`makes` or `prompts` of the generator should name a cell of the protocol",
        )  # fmt: skip
    reals = tuple(counts.get((REAL_ARM, modality, condition), 0) for modality, condition in used)
    return tuple(table), tuple(tuple(row[key] for key in used) for row in table.values()), reals, loose


def _pairs(protocol: Protocol, names: tuple[str, ...], where: str) -> tuple[tuple[int, int], ...]:
    """The pairs of arms that the protocol compares."""
    compare = protocol.analysis.compare
    if compare == "none":
        return ()
    if compare == "all":
        return tuple(combinations(range(len(names)), 2))
    unknown = sorted({name for pair in compare for name in pair} - set(names))
    if unknown:
        raise LungevalError(
            "protocol", f"analysis.compare names '{unknown[0]}', which is no generator of the protocol", where=where,
            remedy=did_you_mean(unknown[0], names),
        )  # fmt: skip
    return tuple((names.index(one), names.index(two)) for one, two in compare)
