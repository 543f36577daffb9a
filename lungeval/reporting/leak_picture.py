"""The picture of the leak audit: how well each fact still tells real from fake, as readers met the images; own SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lungeval.reporting import words
from lungeval.reporting.drawing import marker
from lungeval.reporting.figures import arm_style
from lungeval.reporting.findings import Findings
from lungeval.reporting.leaks import (
    ACCEPTED,
    GROUPS,
    SEVERITY,
    STOPS,
    Auc,
    Leak,
    comparisons,
    fact_name,
    heading,
    leaks,
)

WIDTH, LEFT, RIGHT, GAP = 820, 190, 76, 26
TOP, GROUP, FOOT = 44, 24, 40
DODGE = 10
"""Height that each generator takes in a row, pixels."""
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def picture(findings: Findings) -> str:
    """Facts that vary, a row each, a panel for each modality; AUC with its interval against 0.5.

    Returns:
        An <svg> element with a title and a description, every text escaped; empty where nothing varies.
    """
    found = [leak for leak in leaks(findings) if leak.after is not None and leak.after.get("auc") is not None]
    if not found:
        return ""
    pairs = comparisons(findings)
    arms = list(dict.fromkeys(arm for arm, _ in pairs))
    panels = list(dict.fromkeys(modality for modality in words.MODALITY_TITLES if modality in {m for _, m in pairs}))
    panels += sorted({m for _, m in pairs} - set(panels))
    step = max(22, DODGE * len(arms) + 6)
    parts: list[str] = []
    y = float(TOP)
    for group in dict.fromkeys(leak.group for leak in found):
        parts.append(_text(0, y + 15, _short(group), "group"))
        y += GROUP
        for name in dict.fromkeys(leak.name for leak in found if leak.group == group):
            mine = [leak for leak in found if leak.group == group and leak.name == name]
            parts.append(
                f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + step / 2}" y2="{y + step / 2}"/>'
            )
            parts.append(_text(0, y + step / 2 + 4, words.clipped(fact_name(name), 28), "label"))
            for leak in mine:
                shift = (arms.index(leak.arm) - (len(arms) - 1) / 2) * DODGE
                place = findings.arms.index(leak.arm) if leak.arm in findings.arms else arms.index(leak.arm)
                parts += _dot(leak, y + step / 2 + shift, place, _panel(panels, leak.modality))
            gravest = max((leak.mark.word for leak in mine), key=SEVERITY.index)
            if gravest in (ACCEPTED, STOPS):
                parts.append(_text(WIDTH - RIGHT + 12, y + step / 2 + 4, gravest, f"mark {gravest}"))
            y += step
    grid = [line for modality in panels for line in _axis(panels, modality, y)]
    said = "AUC of each fact that varies among the images as readers met them, with its interval; 0.5 tells nothing."
    return "\n".join(
        [
            f'<svg class="leaks" viewBox="0 0 {WIDTH} {y + FOOT:.0f}" role="img" aria-labelledby="leaks-t leaks-d">',
            '<title id="leaks-t">Leak audit of the images as readers met them</title>',
            f'<desc id="leaks-d">{said} {escape(_described(found))}</desc>',
            *_legend(findings, arms, was=any((leak.before or {}).get("auc") is not None for leak in found)),
            *grid,
            *parts,
            "</svg>",
        ]
    )


def _panel(panels: Sequence[str], modality: str) -> tuple[float, float]:
    """Left and right end of a modality's panel."""
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    left = LEFT + panels.index(modality) * (width + GAP)
    return left, left + width


def _dot(leak: Leak, y: float, arm: int, ends: tuple[float, float]) -> list[str]:
    row = leak.after or {}
    colour, shape = arm_style(arm)
    parts = []
    was = (leak.before or {}).get("auc")
    if was is not None:
        x = _x(was, ends)
        parts.append(
            f'<line class="was" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4:.1f}" y2="{y + 4:.1f}" stroke="{colour}"/>'
        )
    if row.get("low") is not None and row.get("high") is not None:
        x0, x1 = _x(row["low"], ends), _x(row["high"], ends)
        parts.append(
            f'<line x1="{x0:.1f}" x2="{x1:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="2"/>'
        )
    parts.append(marker(shape, _x(row["auc"], ends), y, colour, 0.6))
    return parts


def _x(value: float, ends: tuple[float, float]) -> float:
    return ends[0] + min(max(value, 0.0), 1.0) * (ends[1] - ends[0])


def _axis(panels: Sequence[str], modality: str, base: float) -> list[str]:
    ends = _panel(panels, modality)
    parts = []
    for tick in TICKS:
        x = _x(tick, ends)
        kind = "chance" if tick == 0.5 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{base:.1f}"/>')
        parts.append(_text(x, base + 15, f"{tick:g}", "small middle"))
    middle = (ends[0] + ends[1]) / 2
    if len(panels) > 1:
        parts.append(_text(middle, TOP - 8, words.MODALITY_TITLES.get(modality, modality), "label middle"))
    parts.append(_text(middle, base + 33, "AUC; 0.5 tells nothing", "small middle"))
    return parts


def _legend(findings: Findings, arms: Sequence[str], *, was: bool) -> list[str]:
    parts, x = [], float(LEFT)
    for i, arm in enumerate(arms):
        colour, shape = arm_style(findings.arms.index(arm) if arm in findings.arms else i)
        text = words.clipped(words.arm_name(arm), 24)
        parts += [marker(shape, x + 5, 9, colour, 0.6), _text(x + 16, 13, text, "small")]
        x += 34 + 6.6 * len(text)
    if was:
        parts += [f'<line class="was key" x1="{x + 4:.1f}" x2="{x + 4:.1f}" y1="4" y2="14"/>']
        parts.append(_text(x + 12, 13, "before harmonising", "small"))
    return parts


def _short(group: str) -> str:
    return heading(group).split(":")[0] if group in GROUPS and group != "machine" else "Machine" if group else ""


def _described(found: Sequence[Leak]) -> str:
    far = [x for x in found if Auc(x.after).telling]
    if not far:
        return "Every interval holds 0.5."
    said = [
        f"{fact_name(x.name)}, {words.arm_name(x.arm)} {words.number((x.after or {})['auc'], 'decimal')}" for x in far
    ]
    return f"Intervals without 0.5: {'; '.join(said)}."


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
