"""What each reading scores under each estimand and policy: a score in 0..1 and whether it counts at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Policy

Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

UNREAD = -1
"""The code of a case that a reader has not labelled."""
REAL, UNSURE, FAKE = (LABELS.index(word) for word in ("real", "unsure", "fake"))
"""The code of a label: its place in records.LABELS."""


class Scores(NamedTuple):
    """What readings score, readers x cases; both arrays are 0 where a reading does not count."""

    value: Floats
    """The score, 0, 0.5 or 1."""
    counts: Floats
    """1 where the reading is in the denominator, else 0."""


def score(estimand: str, policy: Policy | None, codes: Codes, fake: Flags) -> Scores:
    """Scores of every reading under an estimand whose value is a mean of scores.

    balanced_accuracy, accuracy, sensitivity, specificity: 1 for the true label; unsure is left out (`excluded`),
    0 (`wrong`) or 0.5 (`half`); with `_best` after the name unsure is 1, without a policy. fool_rate: 1 for real.
    unsure_rate: 1 for unsure. false_discovery_rate: among readings that say fake, 1 for a real. false_omission_rate:
    among readings that say real, 1 for a fake. Which cases they are taken over (fakes, reals, all) is the caller's
    choice of columns.

    Args:
        estimand: One of the names above.
        policy: What unsure counts as, for the first four; ignored by the others.
        codes: Labels as codes, int8, readers x cases; UNREAD = not read.
        fake: Truth, bool, one for each case.

    Raises:
        ValueError: the estimand is not a mean of scores, or the policy is missing where it is needed.
    """
    read = codes != UNREAD
    match estimand:
        case "balanced_accuracy" | "accuracy" | "sensitivity" | "specificity":
            right = codes == np.where(fake, FAKE, REAL)[None, :]
            unsure = codes == UNSURE
            match policy:
                case "excluded":
                    return _scores(right, read & ~unsure)
                case "wrong":
                    return _scores(right, read)
                case "half":
                    return Scores(right + 0.5 * unsure, read.astype(np.float64))
                case _:
                    raise ValueError(f"{estimand} needs a policy for unsure")
        case "balanced_accuracy_best" | "accuracy_best" | "sensitivity_best" | "specificity_best":
            return _scores(codes != np.where(fake, REAL, FAKE)[None, :], read)
        case "fool_rate":
            return _scores(codes == REAL, read)
        case "unsure_rate":
            return _scores(codes == UNSURE, read)
        case "false_discovery_rate":
            return _scores(~fake[None, :] & read, codes == FAKE)
        case "false_omission_rate":
            return _scores(fake[None, :] & read, codes == REAL)
        case _:
            raise ValueError(f"{estimand} is not a mean of scores")


def _scores(value: Flags, counts: Flags) -> Scores:
    return Scores((value & counts).astype(np.float64), counts.astype(np.float64))
