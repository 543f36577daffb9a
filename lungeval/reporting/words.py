"""How numbers and names are printed: one form each, so that the page, the figures and the CSV tables agree.

Proportions are percentages with one decimal, kappa and d' have two decimals, an undefined number is `not estimable` and
carries its reason. Nothing here computes: a number is formatted, never changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lungeval.metrics.measures import measure_of
from lungeval.records import Estimate
from lungeval.statistics.estimands import ESTIMANDS, POLICY_TITLES

Form = Literal[
    "text", "code", "count", "percent", "points", "decimal", "signed", "seconds", "plain", "significant", "p", "own"
]
"""text and code are words; count is an integer; percent takes a proportion, points a difference of two; decimal has 2
decimals and signed its sign besides, seconds 1, plain as few as it needs, significant shows 3 digits, p is a p-value;
own is the form of the estimand in the cell."""

PEOPLE = frozenset(
    {
        "Bradley-Terry",
        "Brennan-Prediger",
        "Conger",
        "Fleiss",
        "Gaussian",
        "Gwet",
        "Krippendorff",
        "Light",
        "Scott",
        "Vendi",
    }
)
"""Names at the start of titles; those with an apostrophe are known by it."""
NOT_ESTIMABLE = "not estimable"
FEW_CASES = 20
"""Below this many cases a part prints counts and the interval only."""
LARGE = 1e6
"""From here on a value of three digits is printed times a power of ten."""
SMALL_NOTE = f"under {FEW_CASES} cases, an arm's fakes and their reals: counts and the interval only"
POOLED = "share of all readings"
"""In an estimate's method: readers weigh by how many they answered."""

KINDS: dict[str, str] = {
    "human": "human readers",
    "imported": "readers of imported labels",
    "machine": "machine readers",
    "simulated": "simulated readers",
    "scripted": "scripted readers",
}
CONDITION_TITLES: dict[str, str] = {"any": "any condition", "covid_19": "COVID-19", "covid": "COVID-19"}
MODALITY_TITLES: dict[str, str] = {"xray": "X-ray", "ct": "CT"}
METRIC_FORMS: dict[str, Form] = {
    **dict.fromkeys(("precision", "recall", "coverage", "c2st_nn", "c2st_logistic", "authenticity"), "percent"),
    **dict.fromkeys(("density", "ms_ssim", "ms_ssim_real", "copying"), "decimal"),
    "copies": "count",
}
"""How values of image metrics are printed; three digits where nothing is said."""
PUBLISHED = "inception-fid"
"""The one extractor on which the Fréchet distance is FID and the kernel distance KID."""
AGREEMENTS = ("agreement", "image_agreement")
"""Estimands that set an image metric beside readers: `agreement[quantity[extractor],fool_rate]`."""


@dataclass(frozen=True)
class Shown:
    """A cell as it is printed."""

    main: str
    """The number or the words."""
    interval: str = ""
    """The interval, without the level."""
    note: str = ""
    """Why something is undefined, or what limits it: printed as a footnote."""
    lines: tuple[str, ...] = ()
    """Lines under it, in small print."""


@dataclass(frozen=True)
class Counted:
    """An estimate of a part under 20 cases: its value is gone, counts stand in its place."""

    found: Estimate
    """The estimate without its value."""
    text: str
    """The counts, such as `fakes 4/6, reals 9/10`; empty where they stand beside it."""

    @property
    def note(self) -> str:
        """Why there is no value, with what else limits the estimate."""
        return "; ".join(part for part in (SMALL_NOTE, self.found.reason) if part)


def title(estimand: str) -> str:
    """The estimand's name in a heading; `metric[extractor]` becomes the metric with its extractor in words."""
    if "[" in estimand:
        name, inner = estimand.removesuffix("]").split("[", 1)
        if name in AGREEMENTS:
            metric, _, measure = inner.rpartition(",")
            return f"{title(metric)} and {title(measure).lower()}"
        return f"{metric_title(name, inner)}, {inner}"
    return ESTIMANDS[estimand].title if estimand in ESTIMANDS else estimand.replace("_", " ")


def metric_title(quantity: str, extractor: str = "") -> str:
    """The name of an image metric; FID and KID are names of the published network's alone."""
    if quantity.startswith("difference_"):
        return f"Difference in {inner(metric_title(quantity.removeprefix('difference_'), extractor))}"
    text = "Distance to the reals" if quantity == "distance" else measure_of(quantity).title
    if extractor == PUBLISHED:
        text = text.replace("Fréchet distance", "FID").replace("Kernel distance", "KID")
    return text


def title_of(found: Estimate | Counted | None, estimand: str) -> str:
    """The name of an estimate: a mean in which every reading counts once says so."""
    row = found.found if isinstance(found, Counted) else found
    return title(estimand) + (f", {POOLED}" if row is not None and POOLED in row.method else "")


def form_of(estimand: str) -> Form:
    """How values of an estimand are printed, as the registry says; a name that it does not hold is a share.

    A plus is printed before differences alone: what may merely be negative, as a kappa, shows its minus.
    """
    if "[" in estimand:
        name = estimand.partition("[")[0]
        return "signed" if name in AGREEMENTS else METRIC_FORMS.get(name.removeprefix("difference_"), "significant")
    known = ESTIMANDS.get(estimand)
    if known is None or known.form == "percent":
        return "points" if known is not None and known.signed else "percent"
    return "signed" if known.signed and "difference" in estimand else "decimal"


def arm_name(arm: str | None) -> str:
    """An arm in running text."""
    if arm == "":
        return "all fakes"
    return "all generators" if arm is None else arm


def condition_name(condition: str | None) -> str:
    """A condition in running text: covid_19 becomes COVID-19."""
    if not condition:
        return ""
    return CONDITION_TITLES.get(condition, condition.replace("_", " "))


def cell_name(modality: str | None, condition: str | None) -> str:
    """A cell in running text: `X-ray, COVID-19`."""
    parts = [MODALITY_TITLES.get(modality or "", modality or ""), condition_name(condition)]
    return ", ".join(part for part in parts if part) or "all cells"


def clipped(text: str, length: int = 30) -> str:
    """Text for a place that cannot grow; the whole text stands in the table beside it."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def number(value: float | None, form: Form) -> str:
    """A number in its form; an undefined one is `not estimable`.

    >>> number(0.6304, "percent"), number(-0.036, "decimal"), number(1240, "count"), number(0.084, "points")
    ('63.0%', '−0.04', '1,240', '+8.4 pts')
    """
    if value is None:
        return NOT_ESTIMABLE
    return _bare(value, form) + {"percent": "%", "points": " pts"}.get(form, "")


def interval(low: float | None, high: float | None, form: Form) -> str:
    """An interval without its level: `56.2–69.5` for a proportion; empty where undefined."""
    if low is None or high is None:
        return ""
    dash = " to " if low < 0 or high < 0 or form in ("points", "signed") else "–"
    if form == "significant":
        most = max(abs(low), abs(high))
        if most >= LARGE:
            power = exponent(most)
            return dash.join(_times(value, power) for value in (low, high))
        decimals = _decimals(most)
        return dash.join(f"{value:,.{decimals}f}".replace("-", "−") for value in (low, high))
    return f"{_bare(low, form)}{dash}{_bare(high, form)}"


def estimate(found: Estimate | Counted | None, form: Form) -> Shown:
    """An estimate as a cell; one that is not among the results prints a dash, one of a small part its counts."""
    if found is None:
        return Shown("–")
    if isinstance(found, Counted):
        return Shown(found.text, interval(found.found.low, found.found.high, form), found.note)
    if found.value is None:
        return Shown(NOT_ESTIMABLE, note=found.reason or "")
    limits = interval(found.low, found.high, form)
    note = found.reason or ("" if limits else "no interval was computed")
    return Shown(number(found.value, form), limits, note)


def sentence(found: Estimate | Counted, form: Form) -> str:
    """An estimate in running text: `63.0% (95% interval 56.2–69.5)`."""
    shown = estimate(found, form)
    row = found.found if isinstance(found, Counted) else found
    if shown.interval and row.level is not None:
        return f"{shown.main} ({level(row.level)} interval {shown.interval})"
    return f"{shown.main} (no interval: {shown.note})" if row.value is not None else shown.main


def level(value: float) -> str:
    """A confidence level: 0.95 becomes 95%."""
    return f"{100 * value:.4g}%"


def joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 reader`, `3 readers`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def _decimals(value: float) -> int:
    """Decimals that show 3 significant digits, 1 at least, 6 at most."""
    return 6 if value == 0 else min(6, max(1, 2 - math.floor(math.log10(abs(value)))))


def exponent(value: float) -> int:
    """The power of ten of a number other than 0 whose first three digits are shown: 9,996,000 is 1.00 x 10^7."""
    return int(f"{value:.2e}".partition("e")[2])


def ten(power: int) -> str:
    """Times a power of ten that is not negative: ×10⁷."""
    return "×10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _times(value: float, power: int) -> str:
    shown = _minus(f"{value / 10.0**power:.2f}")
    return shown if float(shown.replace("−", "-")) == 0 else shown + ten(power)


def _minus(text: str) -> str:
    """With the sign of the minus, and none before a zero."""
    return (text.lstrip("+-") if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def _bare(value: float, form: Form) -> str:
    if form == "significant" and abs(value) >= LARGE:
        return _times(value, exponent(value))
    if form == "count":
        text = f"{value:,.0f}"
    elif form == "percent":
        text = f"{100 * value:.1f}"
    elif form in ("points", "signed"):
        text = f"{100 * value:+.1f}" if form == "points" else f"{value:+.2f}"
    elif form == "seconds":
        text = f"{value:.1f}"
    elif form == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.0995 else f"{value:.2f}"
    elif form == "plain":
        text = f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.0f}"
    elif form == "significant":
        text = f"{value:,.{_decimals(value)}f}"
    else:
        text = f"{value:.2f}"
    return _minus(text)


def policy_title(policy: str | None) -> str:
    """What unsure counts as, in words."""
    return next((text for known, text in POLICY_TITLES.items() if known == policy), policy or "")


def inner(text: str) -> str:
    """A title inside a sentence: names of people, symbols and abbreviations keep their form."""
    first = text.split(" ", 1)[0].rstrip(",")
    kept = first.endswith(("'s", "′")) or first.isupper() or first in PEOPLE
    return text if kept else text[:1].lower() + text[1:]


def spelled(n: int) -> str:
    """A count at the start of a sentence: in letters up to ten."""
    names = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return names[n] if n < len(names) else f"{n:,}"


def steps(found: object) -> list[str]:
    """Steps of harmonising as sentences: a list, or a list for each modality."""
    if isinstance(found, dict):
        lines = {m: [str(line) for line in part] for m, part in found.items()}
        if len({tuple(part) for part in lines.values()}) == 1:
            return next(iter(lines.values()))
        return [f"{MODALITY_TITLES.get(m, m)}: {line}" for m, part in lines.items() for line in part]
    return [str(line) for line in found] if isinstance(found, list) else []
