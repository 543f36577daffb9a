"""The draw: which images readers meet and practise on, and the funnel that led to them, as evidence.

`draw-2`: the eligible images of an arm stand in one order that depends on the protocol's seed and their content keys
alone. One pass down that order takes an image where its cell still lacks one and its cluster (the patient of a real,
the source or prompt of a fake) has fewer than `set.per_patient` images taken in all cells of the arm together. A cell
that is then short gets its images by exchange: a patient who was taken for another cell changes over, and that cell
takes its next image in the order, so that a draw fails only where none can exist. How many are asked, `protocol.asked`
says. Where no patient is in two cells this is the draw of every earlier version.

Practice cases come afterwards, half fakes and half reals (the odd one a fake), by turns over arms and cells, from
clusters of which nothing is shown, one of a cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lungeval.errors import LungevalError, raise_all
from lungeval.keys import canonical, draw_order
from lungeval.protocol import Protocol, Slot, asked
from lungeval.records import REAL_ARM, Image, Survey

ALGORITHM = "draw-2"

Surveys = Mapping[tuple[str, str], Survey]
"""(arm, content key) -> how the image was judged; every made image has one."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn."""

    shown: list[Image]
    """The images that readers judge, in order of arm and content key."""
    practice: list[Image]
    """The images at the head of every list, in order of arm and content key; disjoint in images and clusters."""


def select(manifest: Sequence[Image], surveys: Surveys, protocol: Protocol, *, before: Drawn | None = None) -> Drawn:
    """The images that readers meet; the order of the manifest has no bearing.

    Args:
        manifest: every image of every arm.
        surveys: which made images may be drawn.
        protocol: the study.
        before: an earlier draw that stands (an amendment raises the counts): its images stay, shown or practice, and
            nothing more is drawn of the clusters that were practised on.

    Raises:
        LungevalError: `design`, one fault for each arm and cell that is short, or for practice that cannot be had.
        KeyError: a made image has no row in `surveys`.
    """
    eligible = [image for image in manifest if image.outcome == "made" and surveys[image.arm, image.key].eligible]
    stands = before or Drawn([], [])
    practised = {(image.arm, image.cluster) for image in stands.practice}
    free = [image for image in eligible if (image.arm, image.cluster) not in practised]
    fakes = {_slot(image) for image in manifest if image.arm != REAL_ARM}
    counts = asked(protocol, fakes)
    shown: list[Image] = []
    faults: list[LungevalError] = []
    for arm in sorted({arm for arm, _, _ in counts}):
        wanted = {slot: count for slot, count in sorted(counts.items()) if slot[0] == arm}
        kept = [image for image in stands.shown if image.arm == arm]
        draw = _Draw(_in_order([*free, *kept], arm, protocol.seed), wanted, protocol.set.per_patient, kept)
        short = draw.make()
        faults += [_too_few(slot, wanted[slot], draw, manifest, surveys, protocol) for slot in short]
        shown += draw.taken()
    raise_all(faults)
    practice = list(stands.practice) if before else _practice(eligible, shown, protocol)
    return Drawn(sorted(shown, key=_place), sorted(practice, key=_place))


def _slot(image: Image) -> Slot:
    return image.arm, image.modality, image.condition


def _place(image: Image) -> tuple[str, str]:
    return image.arm, image.key


def _in_order(eligible: Sequence[Image], arm: str, seed: int) -> list[Image]:
    by_key = {image.key: image for image in sorted(eligible, key=_slot, reverse=True) if image.arm == arm}
    return [by_key[key] for key in draw_order(list(by_key), seed, "draw")]


class _Draw:
    """The draw of one arm: images in draw order, how many each cell wants, how many of a cluster may be taken."""

    def __init__(
        self, order: Sequence[Image], wanted: Mapping[Slot, int], per_cluster: int, kept: Sequence[Image]
    ) -> None:
        self.wanted = wanted
        self.per_cluster = per_cluster
        self.by_slot: dict[Slot, list[Image]] = {slot: [] for slot in wanted}
        for image in order:
            if _slot(image) in self.by_slot:
                self.by_slot[_slot(image)].append(image)
        self._order = [image for image in order if _slot(image) in self.by_slot]
        self._keys: dict[Slot, set[str]] = {slot: set() for slot in wanted}
        self._of_cluster: dict[str, list[Image]] = defaultdict(list)
        self._kept = {image.key for image in kept}
        for image in kept:
            self._take(image)

    def make(self) -> list[Slot]:
        """Draw; returns the cells that stay short."""
        for image in self._order:
            if (
                image.key not in self._kept
                and len(self._keys[_slot(image)]) < self.wanted[_slot(image)]
                and self.room(image)
            ):
                self._take(image)
        return [slot for slot in self.wanted if not self._fill(slot)]

    def room(self, image: Image) -> bool:
        """Whether one more of the image's cluster may be taken."""
        return len(self._of_cluster[image.cluster]) < self.per_cluster

    def taken(self, slot: Slot | None = None) -> list[Image]:
        """What was taken, of one cell or of all."""
        here = self._order if slot is None else self.by_slot[slot]
        return [image for image in here if image.key in self._keys[_slot(image)]]

    def _take(self, image: Image) -> None:
        self._keys[_slot(image)].add(image.key)
        self._of_cluster[image.cluster].append(image)

    def _drop(self, image: Image) -> None:
        self._keys[_slot(image)].remove(image.key)
        self._of_cluster[image.cluster].remove(image)

    def _fill(self, slot: Slot) -> bool:
        while len(self._keys[slot]) < self.wanted[slot]:
            if not self._one_more(slot, set()):
                return False
        return True

    def _one_more(self, slot: Slot, visited: set[Slot]) -> bool:
        """Take one more image of a cell, if need be by an exchange with other cells (an augmenting path)."""
        visited.add(slot)
        free = [image for image in self.by_slot[slot] if image.key not in self._keys[slot]]
        for image in free:
            if self.room(image):
                self._take(image)
                return True
        for image in free:
            for other in list(self._of_cluster[image.cluster]):
                if other.key in self._kept or _slot(other) in visited:
                    continue
                if self._one_more(_slot(other), visited):
                    self._drop(other)
                    self._take(image)
                    return True
        return False


def _practice(eligible: Sequence[Image], shown: Sequence[Image], protocol: Protocol) -> list[Image]:
    count = protocol.set.practice
    if not count:
        return []
    used = {_place(image) for image in shown}
    clusters = {(image.arm, image.cluster) for image in shown}
    free = [i for i in eligible if _place(i) not in used and (i.arm, i.cluster) not in clusters]
    reals = count // 2 if protocol.real else 0
    picked: list[Image] = []
    faults: list[LungevalError] = []
    for truth, wanted in (("real", reals), ("fake", count - reals)):
        found = _by_turns([image for image in free if (image.arm == REAL_ARM) == (truth == "real")], protocol.seed)
        picked += found[:wanted]
        if len(found) < wanted:
            faults.append(
                LungevalError(
                    "design", f"practice: asked {wanted} {truth} cases, only {len(found)} eligible of patients or "
                    "sources that are not shown", where="set.practice",
                    remedy=f"lower set.practice, raise set.pool (now {protocol.set.pool}), or add images",
                )
            )  # fmt: skip
    raise_all(faults)
    return picked


def _by_turns(images: Sequence[Image], seed: int) -> list[Image]:
    """One image of each cluster, cells by turns; cells in a seeded order, and images of a cell."""
    by_slot: dict[str, list[Image]] = defaultdict(list)
    clusters: set[tuple[str, str]] = set()
    for arm in sorted({image.arm for image in images}):
        for image in _in_order(images, arm, seed):
            if (arm, image.cluster) not in clusters:
                clusters.add((arm, image.cluster))
                by_slot[canonical(_slot(image))].append(image)
    cells = [by_slot[name] for name in draw_order(list(by_slot), seed, ALGORITHM, "practice")]
    return [image for turn in zip_longest(*cells) for image in turn if image is not None]


def _too_few(
    slot: Slot, count: int, draw: _Draw, manifest: Sequence[Image], surveys: Surveys, protocol: Protocol
) -> LungevalError:
    arm, modality, condition = slot
    row = _funnel_row(slot, manifest, surveys)
    taken = draw.taken(slot)
    more = [image for image in draw.by_slot[slot] if image not in taken]
    parts = [f"{row['offered']} offered"]
    for word in ("refused", "failed", "rejected"):
        reasons = sorted({i.reason for i in manifest if _slot(i) == slot and i.outcome == word and i.reason})
        parts += [f"{row[word]} {word}" + (f" ({'; '.join(reasons[:3])})" if reasons else "")] if row[word] else []
    parts += [f"{left['n']} left out by {left['by']} ({left['reason']})" for left in row["left_out"]]  # type: ignore[attr-defined]
    if more:
        parts.append(f"{len(more)} more of patients or sources already taken, at most {draw.per_cluster} of one")
    key = "set.real" if arm == REAL_ARM and protocol.set.real != "match" else "set.per_generator"
    return LungevalError(
        "design", f"arm '{arm}', cell {modality}/{condition}: asked {count}, only {len(taken)} eligible: "
        + ", ".join(parts),
        remedy=f"lower {key}, raise set.pool (now {protocol.set.pool}), add images, or raise set.per_patient "
        "(the patient is then the cluster in every analysis)",
    )  # fmt: skip


def funnel(manifest: Sequence[Image], surveys: Surveys, drawn: Drawn) -> list[dict[str, object]]:
    """From offered to drawn, a row for each arm and cell in sorted order.

    Returns:
        rows of arm, modality, condition; offered = refused + failed + rejected + made; made = those left out +
        eligible; left_out = [{n, reason, by}]; drawn and practice, out of the eligible; n_clusters of those drawn.
    """
    rows = []
    for slot in sorted({_slot(image) for image in manifest}):
        shown = [image for image in drawn.shown if _slot(image) == slot]
        rows.append(
            _funnel_row(slot, manifest, surveys)
            | {
                "drawn": len(shown),
                "practice": sum(_slot(image) == slot for image in drawn.practice),
                "n_clusters": len({image.cluster for image in shown}),
            }
        )
    return rows


def _funnel_row(slot: Slot, manifest: Sequence[Image], surveys: Surveys) -> dict[str, object]:
    here = [image for image in manifest if _slot(image) == slot]
    outcomes = Counter(image.outcome for image in here)
    judged = [surveys[image.arm, image.key] for image in here if image.outcome == "made"]
    left = Counter((survey.reason, survey.by) for survey in judged if not survey.eligible)
    arm, modality, condition = slot
    return {
        "arm": arm, "modality": modality, "condition": condition, "offered": len(here), "made": outcomes["made"],
        "refused": outcomes["refused"], "failed": outcomes["failed"], "rejected": outcomes["rejected"],
        "left_out": [{"n": n, "reason": reason, "by": by} for (reason, by), n in sorted(left.items())],
        "eligible": sum(survey.eligible for survey in judged),
    }  # fmt: skip


def draw_facts(drawn: Drawn, protocol: Protocol) -> dict[str, object]:
    """What the report says of the draw: its algorithm, the prevalence and who was told, and the unit of analysis.

    Returns:
        algorithm, n_real, n_fake, prevalence (share of fakes among the shown, 0 to 1), policy (untold or told),
        per_patient, unit (the unit of every analysis, in words), n_practice.
    """
    fakes = sum(image.arm != REAL_ARM for image in drawn.shown)
    alone = "one case a patient or source: the case"
    several = f"up to {protocol.set.per_patient} cases of a patient or source: the patient or source is the cluster"
    return {
        "algorithm": ALGORITHM, "n_real": len(drawn.shown) - fakes, "n_fake": fakes,
        "prevalence": fakes / len(drawn.shown) if drawn.shown else None, "policy": protocol.blinding.prevalence,
        "per_patient": protocol.set.per_patient, "unit": alone if protocol.set.per_patient == 1 else several,
        "n_practice": len(drawn.practice),
    }  # fmt: skip
