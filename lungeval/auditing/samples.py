"""What the audit compares: the images of an arm as columns of facts, views and fingerprints, and pairs of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lungeval.auditing.merging import MERGED, merged
from lungeval.auditing.statistics import Units, Value, units_of
from lungeval.records import Modality

When = Literal["before", "after"]
"""before: as the images came; after: as readers meet them."""
WHENS: tuple[When, ...] = ("before", "after")


@dataclass(frozen=True)
class Sample:
    """Images of one arm and one modality, one entry an image in every column."""

    arm: str
    """`real`, or the generator's name."""
    modality: Modality
    """xray or ct."""
    keys: tuple[str, ...]
    """What messages call the images: file names, or content keys."""
    facts: Mapping[When, Mapping[str, Sequence[Value]]]
    """Values by fact, before and after."""
    conditions: tuple[str, ...] = ()
    """Condition by image; empty = not known."""
    patients: tuple[str, ...] = ()
    """Patient (cluster) by image, "" where not known; empty = known of none."""
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that metadata give: source, licence, scanner."""
    views: Mapping[When, npt.NDArray[np.float32]] = field(default_factory=dict)
    """What the machine sees: n x features, from `machine.view`."""
    hashes: tuple[str, ...] = ()
    """SHA-256 of the pixels."""
    prints: tuple[str, ...] = ()
    """Fingerprints, from `images.fingerprint`."""

    def __len__(self) -> int:
        return len(self.keys)

    def clusters(self) -> list[str]:
        """The patient by image, or the image itself where none is known."""
        known = self.patients or ("",) * len(self)
        return [f"patient {p}" if p else f"image {i}" for i, p in enumerate(known)]

    def take(self, chosen: Sequence[int]) -> Sample:
        """Some of the images, in the order given."""

        def some(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in chosen) if len(values) else ()

        return Sample(
            self.arm, self.modality, some(self.keys),
            {when: {name: some(values) for name, values in facts.items()} for when, facts in self.facts.items()},
            some(self.conditions), some(self.patients), {name: some(values) for name, values in self.told.items()},
            {when: views[list(chosen)] for when, views in self.views.items()}, some(self.hashes), some(self.prints),
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One arm's fakes and the reals that they are compared with, of one modality."""

    real: Sample
    """The reals of the arm's own cells."""
    fake: Sample
    """The fakes."""

    @property
    def arm(self) -> str:
        """The generator's name."""
        return self.fake.arm

    @property
    def matched(self) -> bool:
        """Whether every fake's condition has reals: conditions are then compared one by one."""
        known = bool(self.real.conditions and self.fake.conditions)
        return known and set(self.fake.conditions) <= set(self.real.conditions)

    def units(self) -> Units:
        """The units compared; strata are the conditions where they match, else all images are one stratum."""
        conditions = [*self.real.conditions, *self.fake.conditions]
        strata = conditions if self.matched else [""] * (len(self.real) + len(self.fake))
        fake = [False] * len(self.real) + [True] * len(self.fake)
        return units_of(fake, [*self.real.clusters(), *self.fake.clusters()], strata)

    def columns(self, when: When) -> dict[str, list[Value]]:
        """Values of both arms, reals first, of every fact that both have; rare words taken together."""
        real, fake = self.real.facts.get(when, {}), self.fake.facts.get(when, {})
        found: dict[str, list[Value]] = {name: [*real[name], *fake[name]] for name in real if name in fake}
        units = self.units().members if any(name in found for name in MERGED) else ()
        for name in MERGED:
            if name in found:
                found[name] = [*merged([str(value) for value in found[name]], units)]
        return found

    def views(self, when: When) -> npt.NDArray[np.float32] | None:
        """Views of both arms, reals first; None where there are none."""
        if when not in self.real.views or when not in self.fake.views:
            return None
        return np.concatenate([self.real.views[when], self.fake.views[when]])
