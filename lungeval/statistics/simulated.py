"""The simulated reader: a signal-detection model whose true sensitivity and specificity are known in closed form.

The evidence for "fake" in a case is x = +d'/2 (fake) or -d'/2 (real), plus a case effect N(0, case_sd) that all readers
share, plus the reader's own noise N(0, 1). Above c + w the reader says fake, below c - w real, between them unsure;
w is half the unsure band, and 0 where unsure is not offered. With probability `lapse` the answer is drawn from the
offered labels with equal chance instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lungeval.keys import generator_of
from lungeval.records import LABELS, Label, PresentationKind, Truth


class ReaderModel(Protocol):
    """What a simulated reader is made of; `protocol.Reader` and `SimulatedReader` both have it."""

    @property
    def dprime(self) -> float:
        """Distance between the evidence for fakes and for reals, standard deviations of the reader's noise."""
        ...

    @property
    def criterion(self) -> float:
        """c: above 0, fake is said less readily."""
        ...

    @property
    def unsure_band(self) -> float:
        """2w: full width of the band around c in which unsure is said, >= 0."""
        ...

    @property
    def case_sd(self) -> float:
        """Standard deviation of the case effect shared by all readers, >= 0."""
        ...

    @property
    def lapse(self) -> float:
        """Probability of an answer that has nothing to do with the case, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedReader:
    """A simulated reader's settings."""

    dprime: float = 1.0
    criterion: float = 0.0
    unsure_band: float = 0.2
    case_sd: float = 0.5
    lapse: float = 0.02


class Answer(NamedTuple):
    """A simulated answer."""

    label: Label
    """real, unsure or fake."""
    confidence: int | None
    """1 .. k; None where not asked."""
    rt_ms: int
    """Response time, milliseconds: drawn, never clocked."""


def simulate(
    reader: ReaderModel,
    seed: int,
    reader_id: str,
    case_key: str,
    truth: Truth,
    presentation_kind: PresentationKind = "main",
    repeat_index: int = 0,
    labels: Sequence[Label] = LABELS,
    confidence_levels: int = 0,
) -> Answer:
    """One answer, the same whatever was answered before it.

    The case effect is drawn from (seed, case), so that all readers and repeats share it; everything else from (seed,
    reader, case, presentation kind, repeat). Confidence is 1 + floor(k P(|Z| <= |x - c|)), at most k, for a standard
    normal Z: equal bins for a reader at chance, 1 nearest the criterion; in a lapse it is drawn evenly. Response time
    is log-normal with sigma 0.35 and median 2500 (1 + 2 exp(-|x - c|)) ms: up to three times as long at the criterion.

    Args:
        reader: The model.
        seed: The study's seed.
        reader_id: The reader's id.
        case_key: The image's content key (not the case's secret id, so that a replay gives the same answers).
        truth: real or fake.
        presentation_kind: main, repeat, practice or attention.
        repeat_index: Tells repeats of one case apart.
        labels: The labels offered, real and fake among them.
        confidence_levels: k; 0 = not asked.
    """
    shared = float(generator_of(seed, "case", case_key).standard_normal()) * reader.case_sd
    own = generator_of(seed, "reader", reader_id, case_key, presentation_kind, repeat_index)
    noise, slow = own.standard_normal(2).tolist()
    lapsed, which, sure = own.random(3).tolist()
    x = (reader.dprime / 2 if truth == "fake" else -reader.dprime / 2) + shared + noise
    half = reader.unsure_band / 2 if "unsure" in labels else 0.0
    distance = abs(x - reader.criterion)
    share = sure if lapsed < reader.lapse else math.erf(distance / math.sqrt(2))
    if lapsed < reader.lapse:
        label = labels[int(which * len(labels))]
    elif x > reader.criterion + half:
        label = "fake"
    elif x < reader.criterion - half or half == 0:
        label = "real"
    else:
        label = "unsure"
    confidence = min(confidence_levels, 1 + int(share * confidence_levels)) if confidence_levels else None
    rt_ms = round(2500 * (1 + 2 * math.exp(-distance)) * math.exp(0.35 * slow))
    return Answer(label, confidence, rt_ms)


def closed_form(reader: ReaderModel, labels: Sequence[Label] = LABELS) -> dict[Truth, dict[Label, float]]:
    """P(label | truth) of the model, over cases and readings.

    With s = sqrt(1 + case_sd^2) and L labels offered: P(fake | fake) = (1 - lapse) Phi((d'/2 - c - w)/s) + lapse/L,
    P(real | real) = (1 - lapse) Phi((d'/2 + c - w)/s) + lapse/L, and so on; unsure takes the rest.

    Args:
        reader: The model.
        labels: The labels offered, real and fake among them.
    """
    half = reader.unsure_band / 2 if "unsure" in labels else 0.0
    spread, guess = math.sqrt(1 + reader.case_sd**2), reader.lapse / len(labels)
    out: dict[Truth, dict[Label, Any]] = {}
    for truth, mean in (("real", -reader.dprime / 2), ("fake", reader.dprime / 2)):
        fake = (1 - reader.lapse) * _normal((mean - reader.criterion - half) / spread) + guess
        real = (1 - reader.lapse) * _normal((reader.criterion - half - mean) / spread) + guess
        out["fake" if truth == "fake" else "real"] = {"real": real, "unsure": max(0.0, 1 - real - fake), "fake": fake}
    return {truth: {label: shares[label] for label in LABELS if label in labels} for truth, shares in out.items()}


def _normal(x: float) -> float:
    """Phi(x)."""
    return math.erfc(-x / math.sqrt(2)) / 2
