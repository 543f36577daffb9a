"""A paper's file: the counts that were printed, and the figures that are said to follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from lungeval.checking.printed import parse
from lungeval.checking.tables import AGREEMENT
from lungeval.checking.twobytwo import RATES, WORDS
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import Settings
from lungeval.protocol_faults import check
from lungeval.yamlfile import Document, KeyPath, scan, shorten

Count = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1, strict=True)]


class Truths(Settings):
    """Decided readings by truth and label; fakes are positive. Absent counts are not known."""

    tp: Count | None = None
    """Fakes called fake."""
    fn: Count | None = None
    """Fakes called real."""
    tn: Count | None = None
    """Reals called real."""
    fp: Count | None = None
    """Reals called fake."""


class Part(Settings):
    """So many of so many."""

    k: Count | None = None
    """Readings that count; absent = only the percentage was printed."""
    of: Positive
    """Readings."""


class ReaderCounts(Settings):
    """One reader's counts: tp, fn, tn, fp, or k of so many."""

    reader: StrictStr
    """The reader, as the paper names them."""
    tp: Count | None = None
    """Fakes called fake."""
    fn: Count | None = None
    """Fakes called real."""
    tn: Count | None = None
    """Reals called real."""
    fp: Count | None = None
    """Reals called fake."""
    k: Count | None = None
    """Readings that count."""
    of: Positive | None = None
    """Readings."""


class Answers(Settings):
    """Answers in whole numbers on a scale."""

    of: Positive
    """Answers behind the mean."""
    items: Positive = 1
    """Whole numbers behind one answer."""
    low: StrictInt | None = None
    """The scale's smallest answer."""
    high: StrictInt | None = None
    """The scale's largest answer."""


class Claim(Settings):
    """One printed figure: its name, and one of `printed`, `interval` and `sd`."""

    figure: StrictStr
    """What it is: accuracy, sensitivity, kappa_truth, dprime, share, p, cohen_kappa, mean, ..."""
    printed: StrictStr | None = None
    """As printed, with its trailing digits: 0.810, 81%, .284, <.001."""
    interval: list[StrictStr] | None = None
    """The two limits of its interval, as printed."""
    sd: StrictStr | None = None
    """The standard deviation over readers, as printed."""
    method: StrictStr | None = None
    """The method that the paper names; absent = any known one will do."""
    level: Share = 0.95
    """Level of the interval."""
    reader: StrictStr | None = None
    """The reader it is of, where the counts are by reader."""


class Result(Settings):
    """Counts of one kind, and the figures printed of them."""

    name: StrictStr
    """What it is about, in the paper's words."""
    counts: Truths | None = None
    """tp, fn, tn, fp."""
    share: Part | None = None
    """k of n."""
    by_reader: list[ReaderCounts] | None = None
    """The counts of each reader."""
    labels: list[list[Count]] | None = None
    """Square table of two readers' labels: rows the first reader's, columns the second's, in one order."""
    table: list[list[Count]] | None = None
    """Table of independent groups: one row a group, one column an outcome."""
    answers: Answers | None = None
    """Answers in whole numbers, of which a mean was printed."""
    chance: Share | None = None
    """The share under chance, for tests of k of n; 0.5 where it is not given for accuracy."""
    readers: Positive | None = None
    """Readers behind the readings; as the paper's design where absent."""
    said_equal: StrictBool = False
    """Whether the paper says of it that there is no difference, or that it is at chance."""
    margin: Share | None = None
    """The equivalence margin that the paper declared, as a proportion."""
    figures: list[Claim] = Field(min_length=1)
    """The printed figures."""


class Design(Settings):
    """What was shown to whom."""

    readers: Positive | None = None
    """Readers."""
    fakes: Count | None = None
    """Fakes shown to each reader."""
    reals: Count | None = None
    """Reals shown to each reader; 0 = only fakes were shown."""


class Paper(Settings):
    """What a paper printed."""

    version: Literal[1] = 1
    """The version of this file's format."""
    paper: StrictStr
    """The paper, as a list of references would name it."""
    source: StrictStr
    """Where the figures stand: a DOI, an address, a page."""
    note: StrictStr = ""
    """Anything a reader of the check should know."""
    design: Design = Design()
    """What was shown to whom."""
    results: list[Result] = Field(min_length=1)
    """Counts with the figures printed of them."""


KINDS = ("counts", "share", "by_reader", "labels", "table", "answers")
"""The kinds of counts; a result has one."""
FIGURES: dict[str, tuple[str, ...]] = {
    "counts": (*WORDS, "p"),
    "share": ("share", "p"),
    "by_reader": (*WORDS, "share", "p"),
    "labels": (*AGREEMENT, "p"),
    "table": ("p",),
    "answers": ("mean",),
}
"""The figures that each kind of counts can check."""
METHODS: dict[str, tuple[str, ...]] = {
    "interval": (
        "wilson", "exact", "wald", "agresti_coull", "jeffreys", "t_readers", "fleiss_cohen_everitt", "cohen_1960",
        "delta",
    ),
    "p": (
        "exact", "exact_doubled", "exact_mid", "exact_one_sided", "exact_other_side", "chi_square",
        "chi_square_corrected", "chi_square_one_sided", "wald", "second_sample", "second_sample_corrected", "fisher",
        "fisher_one_sided", "likelihood", "mcnemar", "mcnemar_corrected", "mcnemar_exact", "mcnemar_mid", "t_readers",
        "t_readers_one_sided", "table_chi_square", "table_chi_square_corrected", "table_fisher",
    ),
    "sd": ("sample", "population"),
    "dprime": ("plain", "loglinear", "half_at_ends"),
    "criterion": ("plain", "loglinear", "half_at_ends"),
    "over": ("mean", "pooled"),
}  # fmt: skip
"""Names of methods, by what they give."""
_TABLE_P = ("chi_square", "chi_square_corrected", "chi_square_one_sided", "fisher", "fisher_one_sided", "likelihood")
P_METHODS: dict[str, tuple[str, ...]] = {
    "table": _TABLE_P,
    "labels": tuple(name for name in METHODS["p"] if name.startswith("mcnemar")),
}  # fmt: skip
"""The methods of p that a kind of counts has; any other kind has those that are neither of two rows nor McNemar's."""
_SHARE_P = tuple(
    name for name in METHODS["p"] if name not in P_METHODS["labels"] and not name.startswith(("fisher", "likelihood"))
)


def load(path: Path) -> tuple[Paper, Document]:
    """A paper's file, with where everything stands in it.

    Raises:
        LungevalError: `protocol`, every fault of the file at once, each with file, line, column and what to write.
    """
    document, faults = scan(path)
    raise_all(shorten(faults))
    paper, found = check(Paper, document, data=_as_text(document, document.data, ()))
    if paper is not None:
        found += _consistent(paper, document)
    raise_all(shorten(found))
    if paper is None:
        raise document.fault((), "the file could not be read as a paper's", "compare it with docs/check-paper.md")
    return paper, document


def _as_text(document: Document, data: Any, path: KeyPath) -> Any:
    """The data with printed figures as they were written: 0.810 keeps its last digit."""
    if isinstance(data, dict):
        return {key: _as_text(document, value, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_as_text(document, value, (*path, index)) for index, value in enumerate(data)]
    word = next((part for part in reversed(path) if isinstance(part, str)), "")
    figure = word in ("printed", "interval", "sd") and "figures" in path and type(data) in (int, float)
    return document.texts.get(path, str(data)) if figure else data


def kind_of(result: Result) -> str:
    """Which kind of counts a result has."""
    return next(kind for kind in KINDS if getattr(result, kind) is not None)


def _consistent(paper: Paper, document: Document) -> list[LungevalError]:
    return [
        document.fault(path, what, remedy)
        for index, result in enumerate(paper.results)
        for path, what, remedy in _result_faults(result, ("results", index))
    ]


_Fault = tuple[KeyPath, str, str]


def _result_faults(result: Result, at: KeyPath) -> Iterator[_Fault]:
    kinds = [kind for kind in KINDS if getattr(result, kind) is not None]
    if len(kinds) != 1:
        what = f"has {' and '.join(kinds)}" if kinds else "has no counts"
        yield at, what, f"give one of {', '.join(KINDS)}"
        return
    kind = kinds[0]
    if result.share is not None and (result.share.k or 0) > result.share.of:
        yield (*at, "share"), f"k = {result.share.k} is more than {result.share.of}", "correct one of them"
    if result.by_reader is not None:
        yield from _reader_faults(result.by_reader, (*at, "by_reader"))
    table = result.labels or result.table
    if table is not None:
        yield from _table_faults(table, (*at, kind), square=result.labels is not None)
    names = {row.reader for row in result.by_reader or ()}
    for number, claim in enumerate(result.figures):
        yield from _claim_faults(claim, kind, names, (*at, "figures", number))


def _reader_faults(rows: list[ReaderCounts], at: KeyPath) -> Iterator[_Fault]:
    shares = [row.of is not None for row in rows]
    truths = [None not in (row.tp, row.fn, row.tn, row.fp) for row in rows]
    for number, row in enumerate(rows):
        if shares[number] == truths[number] or (row.k is None) != (row.of is None) or shares[number] != shares[0]:
            yield (
                (*at, number),
                "a reader has k and of, or tp, fn, tn and fp; all readers alike",
                "write one of the two",
            )
        elif row.k is not None and row.of is not None and row.k > row.of:
            yield (*at, number), f"k = {row.k} is more than {row.of}", "correct one of them"
        if row.reader in [other.reader for other in rows[:number]]:
            yield (*at, number), f"the reader '{row.reader}' comes twice", "give each their own name"


def _table_faults(table: list[list[int]], at: KeyPath, *, square: bool) -> Iterator[_Fault]:
    widths = {len(row) for row in table}
    if len(widths) != 1 or len(table) < 2 or min(widths) < 2:
        yield at, "is no table: rows of the same length, at least 2 x 2", "write [[a, b], [c, d]]"
    elif square and widths != {len(table)}:
        yield at, f"has {len(table)} rows and {widths.pop()} columns", "the labels of both readers are the same ones"


def _claim_faults(claim: Claim, kind: str, readers: set[str], at: KeyPath) -> Iterator[_Fault]:
    if claim.figure not in FIGURES[kind]:
        remedy = did_you_mean(claim.figure, FIGURES[kind])
        yield (*at, "figure"), f"'{claim.figure}' cannot be checked from {kind}", remedy
        return
    given = [name for name in ("printed", "interval", "sd") if getattr(claim, name) is not None]
    if len(given) != 1:
        yield at, f"has {' and '.join(given) or 'nothing printed'}", "give one of printed, interval and sd"
        return
    if claim.interval is not None and len(claim.interval) != 2:
        yield (*at, "interval"), f"has {len(claim.interval)} limits", "write [low, high]"
    share = is_share(claim.figure)
    for text in [claim.printed, claim.sd, *(claim.interval or ())]:
        if text is not None and parse(text, share=share) is None:
            yield (*at, given[0]), f"'{text}' is no figure", "write it as printed, such as 0.81, 81% or <.001"
    if claim.sd is not None and kind != "by_reader":
        yield (*at, "sd"), f"a standard deviation over readers cannot be checked from {kind}", "give by_reader"
    if claim.reader is not None and claim.reader not in readers:
        yield (*at, "reader"), f"there is no reader '{claim.reader}'", did_you_mean(claim.reader, readers)
    known = methods_of(claim, kind)
    if claim.method is not None and claim.method not in known:
        remedy = did_you_mean(claim.method, known) or "remove the line"
        yield (*at, "method"), f"'{claim.method}' is no method for this figure", remedy


def methods_of(claim: Claim, kind: str) -> tuple[str, ...]:
    """The methods that may be named for a claim."""
    if claim.interval is not None:
        return METHODS["interval"]
    if claim.sd is not None:
        return METHODS["sd"]
    if claim.figure == "p":
        own = P_METHODS.get(kind, _SHARE_P)
        return own if kind in ("counts", *P_METHODS) else tuple(name for name in own if not name.startswith("table_"))
    over = METHODS["over"] if kind == "by_reader" and claim.reader is None else ()
    return (*METHODS.get(claim.figure, ()), *over)


def is_share(figure: str) -> bool:
    """Whether a figure is a proportion, so that a number above 1 is a percentage."""
    return figure in (*RATES, "share", "balanced_accuracy", "f1", "observed_agreement")


def plain(text: str) -> str:
    """A name in words."""
    return re.sub(r"_", " ", text)
