# ruff: noqa: E501 (pages of prose)
"""Writes docs/estimands/*.md, a page for each number, from the registry: `python docs/make_estimands.py`.

A test compares the pages with what this makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lungeval.records import Policy
from lungeval.statistics.estimands import ESTIMANDS, FAMILIES, POLICY_TITLES, PRIMARIES, Estimand

FOLDER = Path(__file__).with_name("estimands")
INDEX = "README.md"

FAMILY_TITLES = {
    "accuracy": "How often readers were right",
    "undecided": "Unsure as an answer",
    "detecting": "Skill apart from leaning",
    "modelled": "Models with readers and cases both random",
    "areas": "Graded answers",
    "agreeing": "Agreement",
    "comparing": "Generators compared",
    "ordering": "Time and order",
    "naming": "The finding that readers name",
}
"""Heading of each family in the index, by module."""

HEAD = """\
# The numbers, one by one

Every number of a report, of `results.json` and of `lungeval analyse` has a page here: what it tells, how to read it, an
example worked by hand, whom its interval speaks for, and where it misleads.

**Four things hold for all of them.** Fake is the positive class: sensitivity speaks of fakes, specificity of reals. Only
main readings count; repeats serve agreement with oneself alone, practice and attention checks nothing. Readers of
different kinds (people, programs, simulated readers) are never pooled. A study or a generator with several conditions has
the mean of its conditions' values with equal weights, so that a large condition does not drown a small one.

**Two intervals, two claims.** *These readers* asks how the very same people would do on other images like these: only the
images are random. *Readers like these* asks how other people of their kind would do: readers and images are both random, so
it is wider, and one reader has none. With fewer than five readers the headline is the first, from five on the second. An
interval that is missing is missing for a reason, which stands beside the value.

**Three ways to count unsure.** *Half*: unsure earns half a point, as a guess would on average. *Wrong*: unsure earns
nothing. *Left out*: only decided answers count. A study names one beforehand; all three are printed, with the bounds if
every unsure had been wrong or right.

A number that cannot be computed is never printed as 0 or 1: it is *undefined*, with the reason.
"""

POLICIES: dict[Policy | None, str] = {
    "half": "**half** (half a point, as a guess earns on average)",
    "wrong": "**wrong** (no point)",
    "excluded": "**left out** (only decided answers count)",
    None: "**an answer of its own**",
}
"""What unsure may count as, in words."""

UNSURE_OF_ITS_OWN = {
    "accuracy": "An answer of its own: every case shown is in the denominator, whatever was said of it.",
    "undecided": "An answer of its own, with no policy.",
    "modelled": "An answer of its own between real and fake, with no policy.",
    "areas": "The middle of the scale where readers gave a certainty; where they gave a rating, the rating alone counts.",
    "agreeing": "A third answer, between real and fake: two readers who are both unsure agree.",
    "comparing": "As in the number compared: an answer of its own.",
    "ordering": "It has no bearing: every answer counts alike.",
    "naming": "It has no bearing: the finding named counts, whatever was said of real and fake.",
}
"""What unsure counts as where there is no policy, by family."""

BOTH = """\
Each reader has an interval of the reader's own, with the images random. The mean over readers comes twice: for *these
readers* (images random) and for *readers like these* (readers and images random; undefined for one reader). Below five
readers the first is the headline, from five on the second."""
DIFFERENCE = """\
The mean over readers comes twice: for *these readers* (images random) and for *readers like these* (readers and images
random; the widest of three intervals, because the usual one finds differences too often with few readers). The same readers
read both sides, and reals that both sides share count as shared."""
MODEL = """\
One interval, from the fitted model: it speaks of readers and images like these, both random. It is a normal interval, so
with few readers it is too narrow: the model explains, the plain intervals decide."""
NONE_SD = """\
None: a standard deviation from a handful of readers is too uncertain for one. The value itself speaks of readers and images
like these."""
PAIR = """\
These two readers, with the images random. Nothing is said of other pairs; for all readers together see
[Fleiss' kappa](fleiss_kappa.md)."""
GROUP = """\
*These readers*, with the images random. It says nothing of other readers."""
TWO_OR_ALL = """\
For a pair, these two readers; for all readers together, *these readers*; always with the images random. It says nothing of
other readers."""
NONE_VALUE = """\
None: it is computed from the other numbers to compare with."""
ONE = """\
One reader, with the repeated images random."""
SHRUNK = """\
Each condition has an interval for *these readers* and for *readers like these*; it takes into account that the conditions
were drawn towards their mean."""

SPEAKS = {
    **dict.fromkeys(("reader_sd_crossed", "case_sd_crossed"), NONE_SD),
    **dict.fromkeys(
        ("dprime_crossed", "criterion_crossed", "dprime_unsure_crossed", "criterion_unsure_crossed"), MODEL
    ),
    **dict.fromkeys(
        (
            "cohen_kappa", "cohen_kappa_linear", "cohen_kappa_quadratic", "positive_agreement", "negative_agreement",
            "prevalence_index", "bias_index", "scott_pi",
        ), PAIR,
    ),
    **dict.fromkeys(("expected_kappa", "kappa_max"), NONE_VALUE),
    **dict.fromkeys(("excess_kappa", "observed_agreement"), TWO_OR_ALL),
    **dict.fromkeys(
        (
            "fleiss_kappa", "conger_kappa", "light_kappa", "krippendorff_nominal", "krippendorff_ordinal",
            "krippendorff_interval", "gwet_ac1", "gwet_ac2", "brennan_prediger", "intra_reader_kappa_pooled",
            "intra_reader_kappa_stratified",
        ), GROUP,
    ),
    "intra_reader_kappa": ONE,
}  # fmt: skip
"""Of whom the interval speaks, where it is not both kinds of mean."""


def family_of(spec: Estimand) -> str:
    """The module that an estimand is in."""
    (found,) = [family.__name__.rsplit(".", 1)[1] for family in FAMILIES if spec in family.LIST]
    return found


def speaks(spec: Estimand) -> str:
    """Of whom the interval speaks."""
    if spec.name.endswith("_shrunk"):
        return SHRUNK
    return SPEAKS.get(spec.name, DIFFERENCE if family_of(spec) == "comparing" else BOTH)


def unsure(spec: Estimand) -> str:
    """What unsure counts as."""
    if spec.name.endswith("_best"):
        return "Right, every time: that is what makes it a bound."
    own = UNSURE_OF_ITS_OWN.get(family_of(spec), UNSURE_OF_ITS_OWN["undecided"])
    if spec.policies == (None,):
        return own
    named = [POLICIES[policy] for policy in spec.policies]
    if len(named) == 1:
        return f"Only one way is given: {named[0]}."
    first = f"Given {len(named)} times: {', '.join(named[:-1])} and {named[-1]}."
    return f"{first} The study names one of them beforehand." if None not in spec.policies else first


def page(spec: Estimand) -> str:
    """The page of one number."""
    facts = [
        ("name in `results.json`", f"`{spec.name}`"),
        ("printed as", _form(spec)),
        ("taken over", spec.denominator),
        ("of a reader who guesses", _chance(spec)),
        ("may be a study's primary number", "yes" if spec.name in PRIMARIES else "no"),
    ]
    parts = [
        f"# {spec.title}", spec.definition, "## How to read it", spec.reading, "## The formula",
        f"```text\n{spec.formula}\n```", "## An example", spec.example, "## What unsure counts as", unsure(spec),
        "## The interval, and whom it speaks for", speaks(spec), "## Where it misleads, and when it is undefined",
        spec.caution, "## In short",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {text.replace('|', chr(92) + '|')} |" for name, text in facts)]),
        f"Source: {spec.source}. The interval's own source stands beside it in `results.json` and in the report.",
        "[All numbers](README.md)",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _form(spec: Estimand) -> str:
    if spec.form == "percent":
        return "percentage points, with its sign" if spec.signed else "a percentage"
    return "a number with its sign" if spec.signed else "a number"


def _chance(spec: Estimand) -> str:
    if spec.chance is None:
        return "no single value"
    text = f"{spec.chance:.0%}" if spec.form == "percent" and not spec.signed else f"{spec.chance:g}"
    return f"{text} ({POLICY_TITLES['half']} or {POLICY_TITLES['excluded']})" if "wrong" in spec.policies else text


def index() -> str:
    """The page that lists all others."""
    parts = [HEAD]
    for family in FAMILIES:
        if not family.LIST:
            continue
        parts.append(f"## {FAMILY_TITLES[family.__name__.rsplit('.', 1)[1]]}\n")
        parts.append("| number | what it is |\n|---|---|")
        parts += [f"| [{spec.title}]({spec.name}.md) | {spec.definition.replace('|', chr(92) + '|')} |"
                  for spec in family.LIST]  # fmt: skip
        parts.append("")
    return "\n".join(parts)


def render() -> dict[str, str]:
    """Every page by its file's name."""
    return {INDEX: index(), **{f"{spec.name}.md": page(spec) for spec in ESTIMANDS.values()}}


if __name__ == "__main__":
    pages = render()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{FOLDER}: {len(pages)} pages\n")
