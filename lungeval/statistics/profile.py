"""Profile-likelihood intervals of d' and the criterion of one reader.

With z1 and z2 the normal quantiles of two rates, d' = z1 - z2. Its profile is l(d) = max over m of the binomial
log-likelihood at z1 = m + d/2, z2 = m - d/2; the interval holds every d at which twice the fall from the maximum stays
under the chi-square quantile. The criterion is -d/2 of the same counts with the second rate turned round (1 - F).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lungeval.statistics.detection import Detection, detect
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scores import Floats

BELOW_CHANCE = "below chance: tells them apart with the labels inverted"
"""The note of a reader whose d' lies below 0 with its whole interval."""
OPEN = "the likelihood has no {side} limit: the interval is widened to that of the log-linear counts, which has one"
"""The note of an interval of which one end is open."""
NO_INFORMATION = "the counts say nothing of it: every value is as likely, so there is no interval"
"""The note of a number whose interval is open at both ends."""
PROFILE_METHOD = "profile-likelihood interval"
"""The method of these intervals."""
PROFILE = "Venzon & Moolgavkar 1988 (profile likelihood); Brockhoff & Christensen 2010"
"""Their source."""


def below_chance(limits: tuple[float, float] | None) -> bool:
    """Whether an interval of d' lies below 0: the reader tells them apart, with the labels inverted."""
    return limits is not None and limits[1] < 0


def reader_detection(hits: int, fakes: int, false_alarms: int, reals: int, level: float = 0.95) -> Detection:
    """Signal detection for one reader, as `detect`, with profile-likelihood intervals and a p-value.

    p is the likelihood-ratio test of d' = 0, two-sided, on the counts as they are: the interval of level 1 - p ends at
    0 where no rate is 0 or 1. Where one is, the likelihood of d' is open upwards or downwards; the interval is then the
    outer of its own limits and those of the log-linear counts (count + 0.5 of cases + 1), which are finite, and the
    note says so: its own limit alone misses the truth too often (with 10 of 10 and 0 of 10 it leaves out values at
    which such counts come in one study of seven). Where it is open both ways (every case called fake, or every case
    called real: d'; all right, or all wrong: the criterion) there is no interval.

    Args:
        hits: Fakes called fake.
        fakes: Fakes called real or fake.
        false_alarms: Reals called fake.
        reals: Reals called real or fake.
        level: Confidence level, 0 < level < 1.

    Returns:
        The values and standard errors of `detect`; None with a reason where no fake or no real was decided.

    Raises:
        ValueError: a count is negative or above its number of cases.

    Source:
        Venzon & Moolgavkar (1988), Appl Stat 37:87-94; Brockhoff & Christensen (2010), Food Qual Prefer 21:330-338
        (the A-not-A test as a probit model).
    """
    found = detect(hits, fakes, false_alarms, reals, level)
    if found.dprime is None or found.criterion is None:
        return found
    limits, note = _closed(hits, fakes, false_alarms, reals, level, found.dprime)
    turned, other = _closed(hits, fakes, reals - false_alarms, reals, level, -2 * found.criterion)
    if below_chance(limits):
        note = f"{BELOW_CHANCE}; {note}" if note else BELOW_CHANCE
    if other:
        swapped = {OPEN.format(side="lower"): OPEN.format(side="upper")}
        swapped |= {two: one for one, two in swapped.items()}
        other = swapped.get(other, other)
    return replace(
        found, dprime_limits=limits, criterion_limits=None if turned is None else (-turned[1] / 2, -turned[0] / 2),
        p=likelihood_ratio_p(hits, fakes, false_alarms, reals), dprime_note=note, criterion_note=other,
    )  # fmt: skip


def _closed(
    k1: float, n1: float, k2: float, n2: float, level: float, value: float
) -> tuple[tuple[float, float] | None, str | None]:
    """Both limits, widened to those of the log-linear counts where one is open; and the note."""
    low, high = profile_limits(k1, n1, k2, n2, level)
    if low is not None and high is not None:
        return (low, high), None
    if low is None and high is None:
        return None, NO_INFORMATION
    least, most = profile_limits(k1 + 0.5, n1 + 1, k2 + 0.5, n2 + 1, level)
    if least is None or most is None:
        return None, NO_INFORMATION
    lower, upper = least if low is None else min(low, least), most if high is None else max(high, most)
    return (min(lower, value), max(upper, value)), OPEN.format(side="lower" if low is None else "upper")


def likelihood_ratio_p(k1: float, n1: float, k2: float, n2: float) -> float:
    """P(chi-square of 1 degree of freedom >= 2 (l(k1/n1, k2/n2) - l(equal rates))): two-sided, d' = 0."""
    pooled = _binomial(k1 + k2, n1 + n2)
    return math.erfc(math.sqrt(max(0.0, _binomial(k1, n1) + _binomial(k2, n2) - pooled)))


@lru_cache(maxsize=4096)
def profile_limits(
    k1: float, n1: float, k2: float, n2: float, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Limits of d = z(k1 / n1) - z(k2 / n2) by profile likelihood; None = open, the likelihood never falls so far.

    Args:
        k1: Counts of the first rate, 0 <= k1 <= n1; need not be whole.
        n1: Its cases, > 0.
        k2: Counts of the second rate.
        n2: Its cases, > 0.
        level: Confidence level.
    """
    top = _binomial(k1, n1) + _binomial(k2, n2)
    start = _score(k1, n1) - _score(k2, n2)
    ends = []
    for side, is_open in ((-1, k1 == 0 or k2 == n2), (1, k1 == n1 or k2 == 0)):
        ends.append(None if is_open else _end(k1, n1, k2, n2, top, start, side, normal_quantile(level)))
    return ends[0], ends[1]


def _score(k: float, n: float) -> float:
    """The z of a rate, log-linear where it is 0 or 1."""
    from scipy import special

    return float(special.ndtri((k + 0.5) / (n + 1) if k in (0, n) else k / n))


def _binomial(k: float, n: float) -> float:
    """The largest binomial log-likelihood: k log(k/n) + (n - k) log(1 - k/n)."""
    return math.fsum(count * math.log(count / n) for count in (k, n - k) if count)


def _end(k1: float, n1: float, k2: float, n2: float, top: float, start: float, side: int, z: float) -> float:
    """Where the signed root of the fall reaches z on one side: bracketed Newton steps."""

    def root(d: float, m: float) -> tuple[float, float, float]:
        """The root of the fall at d, its derivative by d, and the m at which l(d) lies."""
        value, slope, m = _profiled(k1, n1, k2, n2, d, m)
        fall = math.sqrt(max(0.0, 2 * (top - value)))
        return fall, -slope / fall if fall > 1e-9 else 0.0, m

    step, m = float(side), 0.0
    near, far = start, start + step
    while root(near, m)[0] > z:
        near -= step
    while root(far, m)[0] < z:
        near, far, step = far, far + 2 * step, 2 * step
    d = (near + far) / 2
    for _ in range(80):
        fall, slope, m = root(d, m)
        near, far = (d, far) if fall < z else (near, d)
        new = d - (fall - z) / slope if slope else (near + far) / 2
        if not min(near, far) < new < max(near, far):
            new = (near + far) / 2
        if abs(new - d) < 1e-11 * (1 + abs(d)):
            return new
        d = new
    return d


def _profiled(k1: float, n1: float, k2: float, n2: float, d: float, m: float) -> tuple[float, float, float]:
    """The largest log-likelihood over m at a gap d, its derivative by d, and that m; concave, so safeguarded Newton."""
    low, high = -40.0 - abs(d), 40.0 + abs(d)
    for _ in range(200):
        one, slope_1, bend_1 = _probit(k1, n1, m + d / 2)
        two, slope_2, bend_2 = _probit(k2, n2, m - d / 2)
        slope, bend = slope_1 + slope_2, bend_1 + bend_2
        low, high = (m, high) if slope > 0 else (low, m)
        new = m - slope / bend if bend < 0 else (low + high) / 2
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - m) < 1e-12 * (1 + abs(m)):
            break
        m = new
    return one + two, (slope_1 - slope_2) / 2, m


def _probit(k: float, n: float, x: float) -> tuple[float, float, float]:
    """Log-likelihood k log Phi(x) + (n - k) log Phi(-x), and two derivatives."""
    from scipy import special

    value = slope = bend = 0.0
    for count, y, sign in ((k, x, 1.0), (n - k, -x, -1.0)):
        if count:
            log = float(special.log_ndtr(y))
            mills = math.exp(min(700.0, -y * y / 2 - math.log(2 * math.pi) / 2 - log))
            value += count * log
            slope += sign * count * mills
            bend -= count * mills * (y + mills)
    return value, slope, bend


def interpolated_limits(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> tuple[float, float]:
    """The limits that R prints for this profile (`confint` of a probit `glm`, as the A-not-A test of sensR does).

    R reads the signed root of the fall at 0, +-1, +-2, ... fifths of z(1 - a/8) standard errors, a = 1 - level, lays a
    cubic spline through it, and interpolates that spline linearly at three times as many places; so it differs from
    the exact limits of `profile_limits` in the fifth digit. For checking published intervals; nothing here reports it.

    Raises:
        ValueError: a rate is 0 or 1.

    Source:
        Venables & Ripley (2002), Modern Applied Statistics with S, sec. 8.4; Forsythe, Malcolm & Moler (1977), ch. 4
        (the spline's ends).
    """
    if k1 in (0, n1) or k2 in (0, n2):
        raise ValueError("a rate is 0 or 1: the profile is open")
    found = detect(k1, n1, k2, n2)
    value, se = found.dprime or 0.0, found.dprime_se or 0.0
    top, most = _binomial(k1, n1) + _binomial(k2, n2), normal_quantile(1 - (1 - level) / 4)
    points = {0.0: value}
    for side in (-1, 1):
        root = 0.0
        for step in range(1, 10):
            if abs(root) >= most:
                break
            at = value + side * step * most / 5 * se
            root = side * math.sqrt(2 * max(0.0, top - _profiled(k1, n1, k2, n2, at, 0.0)[0]))
            points[root] = at
    roots = np.array(sorted(points))
    x = np.array([points[root] for root in roots.tolist()])
    places = np.linspace(x[0], x[-1], 3 * len(x))
    low, high = np.interp([-normal_quantile(level), normal_quantile(level)], _spline(x, roots, places), places)
    return float(low), float(high)


def _spline(x: Floats, y: Floats, at: Floats) -> Floats:
    """The cubic spline through y(x), with the third derivative of the outer four points at either end."""
    n, h = len(x), np.diff(x)
    slope = np.diff(y) / h
    rows, right = np.zeros((n, n)), np.zeros(n)
    for i in range(1, n - 1):
        rows[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        right[i] = 6 * (slope[i] - slope[i - 1])
    for row, first in ((0, 0), (n - 1, n - 4)):
        four = slice(first, first + 4)
        pair = (0, 1) if row == 0 else (n - 2, n - 1)
        rows[row, pair[0]], rows[row, pair[1]] = -1.0, 1.0
        right[row] = h[pair[0]] * 6 * float(np.polyfit(x[four] - x[first], y[four], 3)[0])
    bend = np.linalg.solve(rows, right)
    place = np.clip(np.searchsorted(x, at, side="right") - 1, 0, n - 2)
    left, wide = at - x[place], h[place]
    out: Floats = (
        y[place] + left * (slope[place] - wide * (2 * bend[place] + bend[place + 1]) / 6)
        + left**2 * bend[place] / 2 + left**3 * (bend[place + 1] - bend[place]) / (6 * wide)
    )  # fmt: skip
    return out
