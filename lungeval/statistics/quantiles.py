"""Two-sided critical values of the normal and the t distribution."""

from __future__ import annotations


def normal_quantile(level: float) -> float:
    """The z with P(|Z| <= z) = level, for 0 < level < 1."""
    from scipy import special

    return float(special.ndtri((1 + level) / 2))


def t_quantile(level: float, df: float | None) -> float:
    """The t with P(|T| <= t) = level at df > 0 degrees of freedom; df None or above 1e6 is the normal quantile."""
    from scipy import special

    if df is None or df > 1e6:
        return normal_quantile(level)
    return float(special.stdtrit(df, (1 + level) / 2))
