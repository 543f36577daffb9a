"""The sets that are compared: images of an arm in order of content, and the cells in which arms meet the reals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.measuring.store import Keys
from lungeval.records import ANY_CONDITION, REAL_ARM

FEW = 20
"""Images of a side below which rows say so, and equal numbers are not drawn."""
MIXED = 0.1
"""Difference of the mix of conditions (total variation) above which it is told."""
Numbers = npt.NDArray[np.intp]
"""Which images of a pool."""


@dataclass(frozen=True)
class Pool:
    """Images of one arm and one modality, sorted by content: a result depends neither on names nor on their order."""

    arm: str
    """`real`, or the generator's name."""
    modality: str
    """xray or ct; empty = not known (features that came as a file)."""
    keys: Keys
    """n x 32: what each image is known by."""
    clusters: Numbers
    """What makes images alike (patient, source), by image: the number of the first image of the same."""
    words: tuple[str, ...]
    """The same in the words of the metadata; empty = the image by itself."""
    conditions: tuple[str, ...]
    """Condition by image; empty = not known."""

    def __len__(self) -> int:
        return len(self.keys)

    def digest(self) -> str:
        """SHA-256 (hex) of the images: what an arm stands by in a digest, whatever it is called."""
        return hashlib.sha256(self.keys.tobytes()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """The reals of a cell and the fakes of every arm that has any there."""

    modality: str
    """xray or ct; empty = not known."""
    condition: str | None
    """The condition; None = all conditions together."""
    real: Numbers
    """The reals."""
    fakes: Mapping[str, Numbers]
    """The fakes by arm."""
    unmatched: bool = False
    """Fakes of no given condition against all reals of the modality."""


def in_order(
    arm: str, modality: str, keys: Keys, clusters: Sequence[str], conditions: Sequence[str]
) -> tuple[Pool, Numbers]:
    """A pool sorted by content (copies by condition and cluster), and the order: numbers of the images as given.

    Args:
        arm: its name.
        modality: its modality.
        keys: n x 32.
        clusters: patient or source by image; empty = the image by itself. The words themselves decide nothing.
        conditions: by image.
    """
    order = sorted(range(len(keys)), key=lambda i: (keys[i].tobytes(), conditions[i], clusters[i]))
    first: dict[str, int] = {}
    alike = [first.setdefault(clusters[i], at) if clusters[i] else at for at, i in enumerate(order)]
    numbers = np.asarray(order, dtype=np.intp)
    pool = Pool(
        arm, modality, keys[numbers], np.asarray(alike, dtype=np.intp), tuple(clusters[i] for i in order),
        tuple(conditions[i] for i in order),
    )  # fmt: skip
    return pool, numbers


def cells_of(pools: Mapping[str, Pool], *, per_condition: bool) -> list[Cell]:
    """All conditions together, and after them each condition that any arm's fakes have."""
    real = pools[REAL_ARM]
    fakes = {arm: pool for arm, pool in pools.items() if arm != REAL_ARM}
    whole = Cell(real.modality, None, _all(real), {arm: _all(pool) for arm, pool in fakes.items()})
    if not per_condition:
        return [whole]
    words = sorted({word for pool in fakes.values() for word in pool.conditions} - {"", ANY_CONDITION})
    found = [whole]
    for word in words:
        there = {arm: _where(pool, word) for arm, pool in fakes.items()}
        found.append(Cell(real.modality, word, _where(real, word), {a: n for a, n in there.items() if len(n)}))
    return found


def cells_by_arm(pools: Mapping[str, Pool]) -> list[Cell]:
    """The cells of a run: every condition of any arm; fakes of the condition `any` meet all reals, and are marked."""
    real = pools[REAL_ARM]
    words = sorted({word for arm, pool in pools.items() if arm != REAL_ARM for word in pool.conditions})
    found = []
    for word in words:
        fakes = {arm: _where(pool, word) for arm, pool in pools.items() if arm != REAL_ARM}
        mine = _all(real) if word == ANY_CONDITION else _where(real, word)
        there = {arm: numbers for arm, numbers in fakes.items() if len(numbers)}
        found.append(Cell(real.modality, word, mine, there, word == ANY_CONDITION))
    return found


def equal_parts(pools: Mapping[str, Pool], cell: Cell, seed: int) -> dict[str, Numbers] | None:
    """As many fakes of every arm as the smallest has, drawn by content and seed; None where they are equal already.

    Arms with fewer than `FEW` are left out: they would bring all others down to numbers that tell nothing.
    """
    counts = {arm: len(numbers) for arm, numbers in cell.fakes.items() if len(numbers) >= FEW}
    least = min(counts.values(), default=0)
    if len(set(counts.values())) < 2:
        return None
    return {arm: _drawn(pools[arm].keys, cell.fakes[arm], least, seed) for arm in counts}


def _drawn(keys: Keys, numbers: Numbers, count: int, seed: int) -> Numbers:
    """`count` of the images, by a hash of seed and content (and the place among copies), in order of content."""

    def rank(number: int) -> bytes:
        copy = int((keys[numbers[numbers < number]] == keys[number]).all(axis=1).sum()) if twins else 0
        return hashlib.sha256(b"%d equal_n %d " % (seed, copy) + keys[number].tobytes()).digest()

    twins = len(np.unique(keys[numbers], axis=0)) < len(numbers)
    return np.sort(np.asarray(sorted(numbers.tolist(), key=rank)[:count], dtype=np.intp))


def check_arms(pools: Mapping[str, Pool]) -> None:
    """Refuse comparisons without an image on one side.

    Raises:
        LungevalError: `design`.
    """
    empty = [arm for arm, pool in pools.items() if not len(pool)]
    if empty:
        raise LungevalError("design", f"no image of arm '{empty[0]}'", remedy="give at least one; metrics need two")


def mix(pools: Mapping[str, Pool]) -> list[str]:
    """What to say where an arm's conditions are mixed otherwise than the reals': all together then differ by that."""
    real, said = _shares(pools[REAL_ARM]), []
    for arm, pool in pools.items():
        shares = _shares(pool)
        if arm != REAL_ARM and real and shares:
            apart = sum(abs(real.get(word, 0) - shares.get(word, 0)) for word in {*real, *shares}) / 2
            if not real.keys() & shares.keys():
                said.append(f"{arm}: no image is of a condition that the reals have; the sets differ by that, too")
            elif apart > MIXED:
                said.append(
                    f"{arm}: {apart:.0%} of its images would have to change condition to be mixed as the reals are; "
                    "all conditions together differ by that, too: see --per condition"
                )
    return said


def shared(pools: Mapping[str, Pool]) -> list[str]:
    """What to say where images of an arm are among the reals, too: the same folder twice, or reals that slipped in."""
    real, said = {key.tobytes() for key in pools[REAL_ARM].keys}, []
    for arm, pool in pools.items():
        both = 0 if arm == REAL_ARM else sum(key.tobytes() in real for key in pool.keys)
        if both:
            said.append(
                f"{arm}: {both} of its {len(pool)} images are among the reals, too: its distances are too small"
            )
    return said


def trained_on(real: Pool, training: Pool) -> list[str]:
    """What to say where reals are training images: they are no control of what lies near a training image."""
    known = {key.tobytes() for key in training.keys}
    both = sum(key.tobytes() in known for key in real.keys)
    what = f"{both} of the {len(real)} reals are training images, too: for memorisation they are no held-out control"
    return [what] if both else []


def _shares(pool: Pool) -> dict[str, float]:
    """Shares of conditions; empty where any image has none."""
    if not len(pool) or "" in pool.conditions or ANY_CONDITION in pool.conditions:
        return {}
    words, counts = np.unique(np.asarray(pool.conditions), return_counts=True)
    return {str(word): count / len(pool) for word, count in zip(words, counts, strict=True)}


def _all(pool: Pool) -> Numbers:
    return np.arange(len(pool), dtype=np.intp)


def _where(pool: Pool, word: str) -> Numbers:
    return np.flatnonzero(np.asarray(pool.conditions, dtype=object) == word)
