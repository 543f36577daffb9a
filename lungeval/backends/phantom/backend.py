"""The `phantom` backend: lung images drawn from physics, so that a study can be run on nothing.

A subject (body, ribs, heart, lungs, vessels, disease) is drawn at random in millimetres and then either projected as a
chest radiograph or cut as a CT slice. `fidelity` below 1 spoils the picture in the ways generative models do. Phantoms
stand in for real images in demonstrations and rehearsals; they are not images of anybody, and never evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from lungeval.backends.base import Context, Item, Made, Pixels, native_conditions
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.keys import content_key, generator_of, seed_of
from lungeval.protocol import Cell
from lungeval.records import ANY_CONDITION, MODALITIES, Modality

CONDITIONS: tuple[str, ...] = ("no_finding", "pneumonia", "covid_19", "effusion", "nodule", "cardiomegaly")
"""What a phantom can have, in both modalities."""
MODEL = 1
"""Raised whenever the same seed draws another picture."""
HU_OFFSET = 1024
"""Level of 0 HU in a CT slice."""
BITS = 12
"""Grey levels lie in 0 .. 4095."""
OPTIONS: tuple[str, ...] = ("size", "fidelity", "unknown_condition")


class PhantomBackend:
    """Draws chest radiographs and CT slices of subjects that do not exist.

    Options (of the arm):
        size: side of the square, pixels, 64 to 2048; default 256.
        fidelity: 0 (obviously wrong) to 1 (the full model, the default).
        unknown_condition: a condition to draw where a cell asks for one that phantoms lack; by default such a cell
            has no images.

    Raises:
        LungevalError: `protocol` where an option is unknown or out of range.
    """

    batch: ClassVar[int] = 16
    stands_in: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        self.context = context
        options = context.arm.options
        where = f"{context.where}: {context.name}.options" if context.where else f"{context.name}.options"
        faults = [
            LungevalError("protocol", f"unknown key '{key}'", where=where, remedy=did_you_mean(key, OPTIONS))
            for key in options
            if key not in OPTIONS
        ]
        self.size: int = options.get("size", 256)
        if isinstance(self.size, bool) or not isinstance(self.size, int) or not 64 <= self.size <= 2048:
            faults.append(_bad(where, "size", self.size, "a whole number of pixels, 64 to 2048"))
        fidelity = options.get("fidelity", 1.0)
        if isinstance(fidelity, bool) or not isinstance(fidelity, int | float) or not 0.0 <= fidelity <= 1.0:
            faults.append(_bad(where, "fidelity", fidelity, "a number from 0 (obviously wrong) to 1 (the full model)"))
        self.unknown: str | None = options.get("unknown_condition")
        if self.unknown is not None and self.unknown not in CONDITIONS:
            faults.append(_bad(where, "unknown_condition", self.unknown, did_you_mean(str(self.unknown), CONDITIONS)))
        raise_all(faults)
        self.fidelity = float(fidelity)

    def conditions(self) -> dict[str, set[str]] | None:
        """The conditions it can fill, by modality; None (any) where `unknown_condition` is set and `makes` is not."""
        arm = self.context.arm
        if not arm.makes:
            return None if self.unknown else {modality: set(CONDITIONS) for modality in MODALITIES}
        filled: dict[str, set[str]] = {}
        for entry in arm.makes:
            words = entry.condition if isinstance(entry.condition, dict) else {entry.condition: entry.condition}
            studied = {word for own, word in words.items() if self._drawn(own)}
            if studied:
                filled.setdefault(entry.modality, set()).update(studied)
        return filled

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """The first `count` subjects of a cell: as many as are asked for, none where it cannot be drawn."""
        words = [drawn for own in native_conditions(self.context.arm, cell) for drawn in self._drawn(own)]
        return [self._item(cell, sorted(set(words)), index) for index in range(count)] if words else []

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """Draw the items, in their order; every one is made."""
        return self._make(items)

    def _make(self, items: Sequence[Item]) -> Iterator[Made]:
        for item in items:
            pixels = draw(item.cell.modality, item.payload["condition"], item.payload["seed"], self.size, self.fidelity)
            offset = HU_OFFSET if item.cell.modality == "ct" else None
            yield Made(item=item, outcome="made", pixels=pixels, bits=BITS, offset=offset)

    def _drawn(self, own: str) -> list[str]:
        """What is drawn for one of the arm's own words: itself, one of all for `any`, the stand-in, or nothing."""
        if own in CONDITIONS:
            return [own]
        if own == ANY_CONDITION:
            return list(CONDITIONS)
        return [self.unknown] if self.unknown else []

    def _item(self, cell: Cell, words: list[str], index: int) -> Item:
        seed = seed_of(self.context.seed, "phantom", self.context.name, cell.modality, cell.condition, index)
        condition = words[int(generator_of(seed, "condition").integers(len(words)))]
        key = content_key(
            backend="phantom",
            model=MODEL,
            modality=cell.modality,
            condition=condition,
            size=self.size,
            fidelity=self.fidelity,
            seed=seed,
        )
        return Item(
            key=key,
            cell=cell,
            cluster=str(seed),
            seed=seed,
            licence=self.context.arm.licence or "Apache-2.0",
            source="phantom",
            payload={"condition": condition, "seed": seed},
        )


def draw(modality: Modality, condition: str, seed: int, size: int = 256, fidelity: float = 1.0) -> Pixels:
    """One phantom image, 1 x size x size uint16, levels 0 to 4095 (CT: HU = level - 1024).

    Args:
        modality: xray or ct.
        condition: one of `CONDITIONS`.
        seed: the subject; the same seed is the same subject at every size and fidelity.
        size: side, pixels.
        fidelity: 0 to 1.
    """
    if modality == "ct":
        from lungeval.backends.phantom.ct import ct_slice

        return ct_slice(condition, seed, size, fidelity)[None]
    from lungeval.backends.phantom.radiograph import radiograph

    return radiograph(condition, seed, size, fidelity)[None]


def _bad(where: str, key: str, value: Any, expected: str) -> LungevalError:
    return LungevalError("protocol", f"{key} = {value!r} cannot be used", where=where, remedy=f"expected {expected}")
