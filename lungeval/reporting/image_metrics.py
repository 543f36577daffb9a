"""What is said and drawn of the image metrics: how to read them, their pictures, the headline's cards, the methods."""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.metrics.measures import measure_of
from lungeval.records import Estimate
from lungeval.reporting import metric_values as values
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.metric_picture import Dot, picture
from lungeval.reporting.metric_values import Group

ZERO = {"frechet_excess": "0: no farther than the same images shuffled", "kernel": "0: alike"}
AXES = {"frechet_excess": "excess over chance", "kernel": "kernel distance", "frechet": "raw Fréchet distance"}


def drawing(findings: Findings, found: Sequence[Group], name: str, network: str) -> str:
    """One quantity of every generator and cell."""
    dots = []
    for group in found:
        row = group.get(name)
        if row is not None and group.arm:
            arm = findings.arms.index(group.arm) if group.arm in findings.arms else 0
            cell = group.cell if group.modality else ""
            dots.append(Dot(group.label, row, arm, cell, values.floor_of(found, group, name)))
    if not any(dot.found.value is not None for dot in dots):
        return ""
    levels = {dot.found.level for dot in dots if dot.found.low is not None and dot.found.level is not None}
    bars = f"; bars: {words.level(levels.pop())} interval" if len(levels) == 1 else ""
    axis = f"{AXES.get(name, name)}, {network}{bars}"
    title = f"{words.metric_title(name, network)}, {network}, for each generator and cell"
    key = f"metric-{values.extractors(findings).index(network)}-{name}"
    return picture(key, title, dots, axis, zero=ZERO.get(name, ""), floor="real against real")


def lead(findings: Findings) -> str:
    """How to read the section."""
    sizes = [n for row in findings.metrics for n in (row.n_real, row.n_fake) if n]
    fewest = f" The smallest pool here has {min(sizes):,} images." if sizes else ""
    networks = values.extractors(findings)
    other = (
        ""
        if words.PUBLISHED in networks
        else " These are not the published FID or KID, whose features come from another network."
    )
    if any(values.quantity(row) == "frechet_excess" for row in findings.metrics):
        return (
            "How far each generator's pool of images lies from the reals, in the features of a network. The excess is "
            "what a Fréchet distance has beyond the same images shuffled between fakes and reals: 0 = no farther than "
            "chance. Raw distances hold a bias that grows as images get fewer, so they stand last. Compare values of "
            f"the same feature network only.{fewest}{other}"
        )
    return (
        "A Fréchet distance is biased upwards when images are few, and by an amount that depends on how many: compare "
        f"only values with the same extractor and the same numbers of images.{fewest}{other}"
    )


def cards(findings: Findings) -> list[dict[str, str]]:
    """A card for each feature network that has an excess over chance: matched cells, with intervals."""
    made = []
    for network in values.extractors(findings):
        rows = [
            row
            for group in values.groups(findings)
            if group.extractor == network
            for row in [group.get("frechet_excess")]
            if row is not None and row.value is not None and not values.marked(row, values.UNMATCHED)
        ]
        if rows:
            name = words.metric_title("frechet", network).removesuffix(", raw").removesuffix(" distance")
            made.append({"title": f"{name} excess, {network}", **_card(rows)})
    return made


def _card(rows: Sequence[Estimate]) -> dict[str, str]:
    if len(rows) == 1:
        row = rows[0]
        limits = words.interval(row.low, row.high, "significant")
        n = f"{row.n_fake:,} fakes and {row.n_real:,} reals" if row.n_fake and row.n_real else ""
        text = "; ".join(filter(None, (f"interval {limits}" if limits else "", words.arm_name(row.scope.arm), n)))
        return {"value": words.number(row.value, "significant"), "text": f"{text}; 0 = chance"}
    found = sorted(row.value for row in rows if row.value is not None)
    low, high = (words.number(value, "significant") for value in (found[0], found[-1]))
    apart = sum(1 for row in rows if row.low is not None and row.low > 0)
    known = sum(1 for row in rows if row.low is not None)
    said = f"; {apart} of {known} intervals lie above 0 = chance" if known else "; 0 = chance"
    between = " to " if found[0] < 0 else "–"
    value = low if low == high else f"{low}{between}{high}"
    return {"value": value, "text": f"{words.counted(len(rows), 'comparison')}{said}"}


def methods(findings: Findings, cited: set[str]) -> str:
    """What was computed, by what method and source: a sentence for each quantity that leads, the rest by name."""
    found = values.groups(findings)
    if not found:
        return ""
    networks = words.joined(values.extractors(findings))
    said = [f"Image metrics compare the whole pools of images, not only those shown, by features of {networks}."]
    names = values.present(found, values.LEADING)
    names = names if "frechet_excess" in names else [*values.present(found, ("frechet",)), *names]
    for name in names:
        row = next(row for group in found for row in group.rows if values.quantity(row) == name)
        said.append(f"{words.metric_title(name, values.extractor(row))}: {row.method}{_cited([row.source], cited)}.")
    rest = values.present(found, [*values.others(found), *values.OVERLAP, *values.DIVERSITY, *values.MEMORY])
    sources: dict[str, list[str]] = {}
    for name in dict.fromkeys(rest):
        row = next(row for group in found for row in group.rows if values.quantity(row) == name)
        sources.setdefault(row.source, []).append(words.inner(measure_of(name).title))
    if sources:
        told = [f"{words.joined(titles)}{_cited([source], cited)}" for source, titles in sources.items()]
        said.append(f"Beside them stand {'; '.join(told)}.")
    pairs = values.differences(findings)
    if pairs:
        ways = {row.method: row.source for row in pairs}
        told = [f"{method}{_cited([source], cited)}" for method, source in ways.items()]
        said.append(f"Generators were compared: {'; '.join(told)}; all Holm-adjusted over pairs of generators.")
    return " ".join(said)


def _cited(sources: Sequence[str], cited: set[str]) -> str:
    new = [part for source in sources for part in source.split("; ") if part and part not in cited]
    cited.update(new)
    return f" [{'; '.join(dict.fromkeys(new))}]" if new else ""
