"""Estimates from agreement coefficients: one way to say how they were computed."""

from __future__ import annotations

from typing import Any

from lungeval.records import Estimate, Inference, Scope
from lungeval.statistics.coefficients import Coefficient
from lungeval.statistics.estimands import ESTIMANDS, FLOOR
from lungeval.statistics.excess import Excess
from lungeval.statistics.settings import Settings

LINEARISED = "linearised error with clusters of cases random, t interval"
"""The method of an interval."""
SKEWED = ", corrected for the skewness of what cases contribute"
"""What the method adds where the interval leans."""
HALL = "Hall 1992 (removal of skewness)"
"""Its source."""
ERRORS = "Gwet 2014, ch. 5 (linearised error)"
"""Its source."""
CARRIED = "without an interval: the excess over it has one"
"""Why the expected kappa has none."""
WIDTHLESS = 1e-12
"""An interval not wider than this is rounding."""
NO_WIDTH = "no case moves the coefficient, so it has no interval"
"""Why a coefficient whose error is 0 has none."""
NO_INTERVAL = "no interval"
"""The method's end where there is a value alone."""


def coefficient_row(
    name: str, found: Coefficient, scope: Scope, counts: dict[str, Any], settings: Settings, *, start: str = "",
    inference: Inference | None = None, notes: tuple[str, ...] = (),
) -> Estimate:  # fmt: skip
    """An estimate of a coefficient of two or more readers.

    Args:
        name: A name of ESTIMANDS.
        found: The coefficient.
        scope: Of what it speaks.
        counts: n_readings and so on.
        settings: The analysis.
        start: What the coefficient is; starts the method.
        inference: Of whom the interval speaks.
        notes: What limits the estimate.
    """
    source, method = ESTIMANDS[name].source, start + NO_INTERVAL
    limits: dict[str, Any] = {}
    flat = found.low is not None and found.high is not None and not found.high - found.low > WIDTHLESS
    if flat:
        notes = (NO_WIDTH, *notes)
    if found.low is not None and not flat:
        method, source = start + LINEARISED, f"{source}; {ERRORS}"
        limits = {"se": found.se, "low": found.low, "high": found.high, "df": found.df, "level": settings.level}
    if found.skewed and limits:
        method, source = method + SKEWED, f"{source}; {HALL}"
    if found.floored and limits:
        method, source = f"{method}, widened to Wilson's limits of the observed agreement", f"{source}; {FLOOR}"
    return Estimate(
        estimand=name, scope=scope, inference=inference, value=found.value, **limits, **counts, method=method,
        source=source, reason="; ".join(text for text in (found.reason or "", *notes) if text) or None,
    )  # fmt: skip


def excess_rows(
    found: Excess, of: str, scope: Scope, counts: dict[str, Any], settings: Settings, *,
    inference: Inference | None = None, notes: tuple[str, ...] = (),
) -> list[Estimate]:  # fmt: skip
    """The kappa expected of readers who err independently given the truth, and the excess over it.

    Args:
        found: The numbers.
        of: The kappa they belong to, as the method names it.
        scope: Of what they speak.
        counts: n_readings and so on.
        settings: The analysis.
        inference: Of whom the interval speaks.
        notes: What limits the estimates.
    """
    said = found.reason if found.value is None else CARRIED
    expected = Estimate(
        estimand="expected_kappa", scope=scope, inference=inference, value=found.expected, **counts,
        method=f"from each reader's own table of truth x label, for {of}; {NO_INTERVAL}",
        source=ESTIMANDS["expected_kappa"].source,
        reason="; ".join(text for text in (said or "", *notes) if text) or None,
    )  # fmt: skip
    limits: dict[str, Any] = {}
    method = f"{of} less the expected; "
    if found.low is not None:
        limits = {
            "se": found.se, "low": found.low, "high": found.high, "df": found.df, "p": found.p, "level": settings.level,
        }  # fmt: skip
    excess = Estimate(
        estimand="excess_kappa", scope=scope, inference=inference, value=found.value, **limits, **counts,
        method=method + (LINEARISED + ", within each truth" if limits else NO_INTERVAL),
        source=ESTIMANDS["excess_kappa"].source,
        reason="; ".join(text for text in (found.reason or "", *notes) if text) or None,
    )  # fmt: skip
    return [expected, excess]
