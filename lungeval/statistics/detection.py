"""Signal detection: d' and the criterion of one reader, from decided readings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lungeval.statistics.quantiles import normal_quantile


@dataclass(frozen=True, slots=True)
class Detection:
    """d' and criterion with standard errors and normal intervals; None with a reason where undefined."""

    dprime: float | None
    """Distance between fakes and reals in standard deviations of the evidence; 0 = chance."""
    dprime_se: float | None
    """Standard error of d'."""
    dprime_limits: tuple[float, float] | None
    """Interval of d'."""
    criterion: float | None
    """Above 0: slow to say fake; below 0: quick to."""
    criterion_se: float | None
    """Standard error of the criterion: half that of d'."""
    criterion_limits: tuple[float, float] | None
    """Interval of the criterion."""
    corrected: bool = False
    """Whether the log-linear correction was applied."""
    reason: str | None = None
    """Why both are undefined."""
    p: float | None = None
    """Two-sided p-value of d' = 0; given with profile intervals alone."""
    dprime_note: str | None = None
    """What limits the interval of d', or that the reader is below chance."""
    criterion_note: str | None = None
    """What limits the interval of the criterion."""


NOT_IDENTIFIABLE = {
    "fake": "no fake case was called real or fake: without fakes, skill and a habit of saying real look the same",
    "real": "no real case was called real or fake: without reals, skill and a habit of saying fake look the same",
}
"""Why d' and the criterion are not identifiable, by the truth that is lacking."""


def detect(
    hits: int, fakes: int, false_alarms: int, reals: int, level: float = 0.95, *, correct: bool | None = None
) -> Detection:
    """Signal detection: d' = z(H) - z(F) and c = -(z(H) + z(F)) / 2, H = share of fakes called fake, F = of reals.

    Where a count is 0 or all of its cases, both rates become (count + 0.5) / (cases + 1), the log-linear correction,
    and the same rates and sizes serve the standard error. By the delta method
    var(d') = H(1 - H) / (n_H phi(zH)^2) + F(1 - F) / (n_F phi(zF)^2) and var(c) = var(d') / 4.

    Args:
        hits: Fakes called fake.
        fakes: Fakes called real or fake.
        false_alarms: Reals called fake.
        reals: Reals called real or fake.
        level: Confidence level, 0 < level < 1.
        correct: Whether the log-linear correction is applied; None = only where a count is 0 or all of its cases.

    Returns:
        Both with normal intervals; all None with a reason where no fake or no real was decided.

    Raises:
        ValueError: a count is negative or above its number of cases, or a rate is 0 or 1 and `correct` is False.

    Source:
        Macmillan & Creelman (2005), Detection Theory, 2nd ed., ch. 1-2 and 13 (variance, after Gourevitch &
        Galanter 1967); Hautus (1995), Behav Res Methods 27:46-51 (log-linear correction).
    """
    if not (0 <= hits <= fakes and 0 <= false_alarms <= reals):
        raise ValueError(f"no detection counts: {hits} of {fakes} fakes, {false_alarms} of {reals} reals")
    if fakes == 0 or reals == 0:
        lacking = "fake" if fakes == 0 else "real"
        return Detection(None, None, None, None, None, None, reason=NOT_IDENTIFIABLE[lacking])
    from scipy import special

    extreme = hits in (0, fakes) or false_alarms in (0, reals)
    if extreme and correct is False:
        raise ValueError("a rate is 0 or 1: d' is infinite without the correction")
    corrected = extreme if correct is None else correct
    more = 0.5 if corrected else 0.0
    variance = 0.0
    scores: list[float] = []
    for count, cases in ((hits, fakes), (false_alarms, reals)):
        n = cases + 2 * more
        rate = (count + more) / n
        score = float(special.ndtri(rate))
        density = math.exp(-score * score / 2) / math.sqrt(2 * math.pi)
        variance += rate * (1 - rate) / (n * density * density)
        scores.append(score)
    dprime, criterion = scores[0] - scores[1], 0.0 - (scores[0] + scores[1]) / 2
    se, z = math.sqrt(variance), normal_quantile(level)
    return Detection(
        dprime, se, (dprime - z * se, dprime + z * se),
        criterion, se / 2, (criterion - z * se / 2, criterion + z * se / 2), corrected,
    )  # fmt: skip


def fisher_p(hits: int, fakes: int, false_alarms: int, reals: int) -> float:
    """Fisher's exact test, one-sided: P(at least so many hits), given all four margins, were labels blind to truth.

    p = sum over k >= hits of C(fakes, k) C(reals, m - k) / C(fakes + reals, m), m = hits + false_alarms; exact.

    Args:
        hits: Fakes called fake.
        fakes: Fakes called real or fake.
        false_alarms: Reals called fake.
        reals: Reals called real or fake.

    Raises:
        ValueError: a count is negative or above its number of cases.

    Source:
        Fisher (1935), J R Stat Soc 98:39-54.
    """
    if not (0 <= hits <= fakes and 0 <= false_alarms <= reals):
        raise ValueError(f"no detection counts: {hits} of {fakes} fakes, {false_alarms} of {reals} reals")
    said = hits + false_alarms
    ways = sum(math.comb(fakes, k) * math.comb(reals, said - k) for k in range(hits, min(fakes, said) + 1))
    return ways / math.comb(fakes + reals, said)
