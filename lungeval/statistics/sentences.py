"""The sentences that results print: of whom a number speaks, and what a verdict says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lungeval.records import Inference

RULE = (
    "distinguishable: the Holm-adjusted (over arms) two-sided p of balanced accuracy (unsure half) against chance is "
    "under alpha. equivalent: the Holm-adjusted two one-sided tests hold inside chance ± margin with unsure half and "
    "with unsure left out, as does the test that the readers' root mean square distance from chance is inside the "
    "margin and the two one-sided tests of the mean d′ inside ±2Φ⁻¹(½ + margin), so that its interval at level "
    "1 - 2 alpha lies inside; and no single reader is distinguishable (Holm over readers). both: distinguishable "
    "within the margin. neither: inconclusive. Fake-only, unsure as wrong, or under 20 cases: not estimable"
)
"""The rule, as every verdict carries it."""
NOT_EQUAL = "That is no evidence that they cannot."
"""What an inconclusive verdict must say."""


def speaks_for(inference: Inference, readers: int) -> str:
    """Of whom an interval speaks, as a sentence."""
    if inference == "these_readers":
        who = "this reader" if readers == 1 else f"these {readers} readers"
        return f"Speaks of {who} and of cases like these; it says nothing about other readers."
    return f"Speaks of readers like these {readers} and of cases like these."


def sentence(code: str, direction: str | None, inference: Inference, arm: str | None, inputs: Mapping[str, Any]) -> str:
    """What a verdict says, with its numbers.

    Args:
        code: The verdict's code.
        direction: above or below chance; None where the code has none.
        inference: Of whom it speaks.
        arm: The arm; None or empty = the study's fakes.
        inputs: The verdict's numbers.
    """
    images = f"images of {arm}" if arm else "the fakes"
    if code == "not_estimable":
        said = f"No verdict on {images}: {inputs.get('reason', 'it cannot be estimated')}."
    else:
        who = _who(inference, int(inputs["n_readers"]))
        body = {"equivalent": _equivalent, "inconclusive": _inconclusive}.get(code, _apart)
        said = body(who, images, direction, inputs)
        if code == "distinguishable_within_margin":
            said += f" The difference from guessing lies within the margin of {_points(inputs)} fixed beforehand."
    effect = str(inputs.get("effect") or "").rstrip(".")
    return f"{said} The harmoniser changed what the pictures hold: {effect}." if effect else said


def _who(inference: Inference, readers: int) -> str:
    if readers == 1:
        return "this reader"
    return f"these {readers} readers" if inference == "these_readers" else f"readers like these ({readers} took part)"


def _apart(who: str, images: str, direction: str | None, inputs: Mapping[str, Any]) -> str:
    verb = "tell" if who.startswith("readers") else "told"
    how = "" if direction == "above" else " with the labels inverted, calling fakes real and reals fake"
    return (
        f"{_first(who)} {verb} {images} from real ones{how}: balanced accuracy {_percent(inputs['value'])} "
        f"({_level(inputs['alpha'])} interval {_range(inputs['low95'], inputs['high95'])}), against 50% by guessing "
        f"({_p(inputs['p_adjusted'])}{_over(inputs)})."
    )


def _equivalent(who: str, images: str, direction: str | None, inputs: Mapping[str, Any]) -> str:
    level = _level(2 * inputs["alpha"])
    without = (
        f" with unsure left out {_percent(inputs['value_excluded'])} "
        f"({_range(inputs['low90_excluded'], inputs['high90_excluded'])}),"
    )
    return (
        f"{_first(images)} are equivalent to real ones for {who} within {_points(inputs)} of guessing: balanced "
        f"accuracy {_percent(inputs['value'])} ({level} interval {_range(inputs['low90'], inputs['high90'])}),"
        f"{without if inputs.get('unsure_offered', True) else ''} d′ {_plain(inputs['dprime'])} "
        f"({_plain(inputs['dprime_low'])} to {_plain(inputs['dprime_high'])}), and no single reader told them apart."
    )


def _inconclusive(who: str, images: str, direction: str | None, inputs: Mapping[str, Any]) -> str:
    said = (
        f"It is open whether {who} can tell {images} from real ones: balanced accuracy {_percent(inputs['value'])} "
        f"({_level(inputs['alpha'])} interval {_range(inputs['low95'], inputs['high95'])}; "
        f"{_p(inputs['p_adjusted'])}{_over(inputs)}). {NOT_EQUAL}"
    )
    if inputs.get("margin") is None:
        return f"{said} No margin was fixed beforehand, so equivalence is not judged."
    held = inputs.get("held") or {}
    failing = {
        "equivalent": _outside(inputs),
        "dprime": "d′ may lie outside its margin" if "dprime" in inputs else "",
        "no_reader_apart": "a single reader told them apart" if len(inputs.get("readers_apart", ())) == 1
        else "single readers told them apart",
    }  # fmt: skip
    why = "; ".join(
        [text for name, text in failing.items() if text and not held.get(name, True)] + list(inputs.get("lacking", ()))
    )
    return f"{said} Equivalence within {_points(inputs)} was not shown: {why}."


def _outside(inputs: Mapping[str, Any]) -> str:
    """Which test of equivalence does not hold, as far as the unadjusted p-values tell."""
    named = {
        "p_equivalent_half": "balanced accuracy may lie outside",
        **(
            {"p_equivalent_excluded": "balanced accuracy with unsure left out may lie outside"}
            if inputs.get("unsure_offered", True)
            else {}
        ),
        "p_distance": "single readers may lie outside, on either side",
    }
    if int(inputs.get("n_readers") or 0) == 1:
        del named["p_distance"]
    open_ = [text for name, text in named.items() if name in inputs and inputs[name] >= inputs["alpha"]]
    if open_ or inputs.get("lacking") or inputs.get("p_dprime", 0.0) >= inputs["alpha"]:
        return "; ".join(open_)
    return "not after Holm's adjustment over the generators"


def _over(inputs: Mapping[str, Any]) -> str:
    arms = int(inputs.get("arms") or 1)
    return f", adjusted over {arms} generators" if arms > 1 else ""


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else "p = 1" if value >= 0.9995 else f"p = {value:.3f}".replace("0.", ".", 1)


def _points(inputs: Mapping[str, Any]) -> str:
    return f"±{100 * inputs['margin']:g} points"


def _level(alpha: float) -> str:
    return f"{100 * (1 - alpha):g}%"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _plain(value: float) -> str:
    """Two decimals, with a true minus sign."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}%"


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
