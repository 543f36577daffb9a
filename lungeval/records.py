"""The rows that cross a boundary: one frozen record each, every field with its meaning, unit and range.

Stages talk through files of these rows (CSV for tables, JSON for results). `columns(Record)` is the column schema of
the file; `read_rows` refuses a file that does not follow it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from lungeval.errors import LungevalError

Modality = Literal["xray", "ct"]
Truth = Literal["real", "fake"]
Label = Literal["real", "unsure", "fake"]
ReaderKind = Literal["human", "scripted", "simulated", "machine", "imported"]
PresentationKind = Literal["main", "repeat", "practice", "attention"]
Outcome = Literal["made", "refused", "failed", "rejected"]
Policy = Literal["excluded", "wrong", "half"]
Inference = Literal["these_readers", "readers_like_these"]
Role = Literal["primary", "secondary", "exploratory"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)
LABELS: tuple[Label, ...] = get_args(Label)
READER_KINDS: tuple[ReaderKind, ...] = get_args(ReaderKind)
PAGE_KINDS: tuple[ReaderKind, ...] = ("human", "scripted")
"""Kinds of reader that read on the page."""
PRESENTATION_KINDS: tuple[PresentationKind, ...] = get_args(PresentationKind)
POLICIES: tuple[Policy, ...] = get_args(Policy)

REAL_ARM = "real"
"""The arm of every real image."""
ANY_CONDITION = "any"
"""The condition of an unconditional generator: matches no real cell, compared with all reals of its modality."""


class Record(BaseModel):
    """A frozen row."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Image(Record):
    """One image that an arm made, brought, or failed to: a row of 0-images/manifest.csv."""

    key: str
    """Content key: SHA-256 (hex) of what was asked for, or of the file's bytes for an image that was brought."""
    arm: str
    """`real`, or the generator's name."""
    modality: Modality
    """xray or ct."""
    condition: str
    """The true condition of a real, the prompted condition of a fake; `any` for an unconditional generator."""
    cluster: str
    """What makes images alike, as a keyed hash: the patient of a real, the source image or prompt + seed of a fake."""
    outcome: Outcome
    """made; refused (the model said no); failed (an error); rejected (made, but not usable: see reason)."""
    reason: str = ""
    """Why an image was refused, failed or rejected."""
    sha256: str = ""
    """SHA-256 (hex) of the canonical array (dtype, shape, bytes); empty unless made."""
    file: str = ""
    """Where the pixels lie, relative to 0-images/; empty unless made."""
    frames: int = 0
    """Frames: 1 for a radiograph or a slice."""
    rows: int = 0
    """Rows, pixels."""
    cols: int = 0
    """Columns, pixels."""
    bits: int = 0
    """Bits in use, 8 to 16: grey levels lie in 0 .. 2**bits - 1."""
    offset: int | None = None
    """Where grey levels are Hounsfield units: HU = level - offset. None elsewhere."""
    prompt: str = ""
    """The text the model was given."""
    seed: int | None = None
    """The seed the model was given."""
    licence: str = ""
    """The licence of the image, as declared."""
    source: str = ""
    """The data set or model that the image comes from, as declared."""
    stands_in: bool = False
    """Drawn (a phantom), not taken or generated: pages that show it carry a ribbon."""


class Survey(Record):
    """How the harmoniser and people judged one made image: a row of sealed/survey.csv."""

    key: str
    """As in Image.key."""
    arm: str
    """As in Image.arm."""
    eligible: bool
    """Whether it may be drawn, and be measured."""
    reason: str = ""
    """Why not."""
    by: str = ""
    """Who left it out: a code from the table of rejected images, or `lungeval` for a rule; empty where eligible."""
    side: int = 0
    """Side of the square that trimming and the field of view leave, pixels of the image."""
    frames: int = 0
    """Frames of the image."""
    text_lines: int = 0
    """Lines of burned-in text found."""


class Case(Record):
    """One blinded image as readers meet it, with its truth: a row of sealed/key.csv."""

    case: str
    """Opaque id, 32 hex digits, from the run's secret."""
    truth: Truth
    """real or fake."""
    arm: str
    """`real`, or the generator's name."""
    modality: Modality
    """xray or ct."""
    condition: str
    """As in Image.condition."""
    cluster: str
    """As in Image.cluster."""
    key: str
    """Content key of the image."""
    sha256: str
    """SHA-256 (hex) of the harmonised pixels, as served."""
    nonce: str
    """32 random bytes (hex) that salt the case's commitment."""


class Presentation(Record):
    """One slot of a reader's plan: a row of 1-blinded/plan.csv."""

    presentation: str
    """Opaque id, 32 hex digits: differs for each reader and each repeat of a case."""
    reader: str
    """The reader's id."""
    position: int
    """1 for the first slot of the reader's list."""
    case: str
    """The case shown."""
    kind: PresentationKind
    """main, repeat, practice or attention; only main enters estimates."""
    block: int = 1
    """The block of the list, from 1; practice stands in block 0."""


class Reading(Record):
    """A reader's answer to one presentation."""

    presentation: str
    """The slot answered."""
    reader: str
    """The reader's id."""
    reader_kind: ReaderKind
    """human, scripted, simulated, machine or imported; never pooled."""
    case: str
    """The case shown."""
    kind: PresentationKind
    """Of the slot."""
    position: int
    """Of the slot."""
    label: Label
    """real, unsure or fake."""
    confidence: int | None = None
    """Certainty of the label, 1 .. k; None where not asked."""
    rt_ms: int | None = None
    """From the picture painted to the answer, milliseconds, on the reader's own clock; drawn for simulated readers."""


class ScoredReading(Record):
    """A reading joined to its truth: a row of 4-scores/readings.csv and of a label table given to `analyse`."""

    reader: str
    """The reader's id."""
    case: str
    """The case's id."""
    truth: Truth
    """real or fake."""
    label: Label | None
    """real, unsure, fake; None (an empty cell) = not read."""
    arm: str = ""
    """`real`, or the generator's name; empty = one unnamed generator."""
    modality: str = ""
    """xray or ct; empty = not given."""
    condition: str = ""
    """The condition of the cell; empty = not given."""
    patient: str = ""
    """The cluster; empty = the case itself."""
    confidence: float | None = None
    """Certainty of the label; larger = surer."""
    rating: float | None = None
    """Rises with fakeness."""
    rt_ms: float | None = None
    """Response time, milliseconds."""
    presentation: PresentationKind = "main"
    """Only main enters estimates; repeat serves intra-reader agreement."""
    presentation_id: str = ""
    """Tells repeats of one case by one reader apart."""
    reader_kind: ReaderKind = "imported"
    """As in Reading.reader_kind."""
    position: int | None = None
    """The reading's place in the reader's order, from 1; None = not known."""
    blurs: int | None = None
    """How often the page lost the focus while the picture was shown; None = not counted."""
    finding: str = ""
    """The condition that the reader named; empty = not asked, or none named."""


class Scope(Record):
    """Of what an estimate speaks; an absent key (None) means all."""

    arm: str | None = None
    """One arm: its fakes, with the reals of its own cells."""
    arms: tuple[str, ...] | None = None
    """Two arms compared, or those behind an agreement over arms."""
    modality: str | None = None
    """One modality."""
    condition: str | None = None
    """One condition."""
    reader: str | None = None
    """One reader."""
    readers: tuple[str, ...] | None = None
    """The readers of a mean, or the two readers of a kappa."""
    reader_kind: ReaderKind | None = None
    """The one kind of reader the estimate speaks of."""
    extractor: str | None = None
    """The feature network of an image metric."""
    subset: str | None = None
    """A named part of the cases, such as `fakes`, `reals` or `unmatched`."""


class Estimate(Record):
    """A number with its uncertainty, denominators, method and source; undefined is None with a reason."""

    estimand: str
    """What is estimated: a name of statistics.estimands.ESTIMANDS, `metric[extractor]`, or the agreement of both."""
    scope: Scope
    """Of what it speaks."""
    policy: Policy | None = None
    """What unsure counts as; None where it has no bearing (all cases shown)."""
    inference: Inference | None = None
    """Of whom the interval speaks; None for one reader and for image metrics."""
    role: Role = "secondary"
    """primary (the protocol's), secondary or exploratory."""
    comparator: str | None = None
    """What a difference is taken against."""
    value: float | None = None
    """The estimate; None = undefined, see reason."""
    se: float | None = None
    """Standard error."""
    low: float | None = None
    """Lower limit of the interval."""
    high: float | None = None
    """Upper limit of the interval."""
    level: float | None = None
    """Level of the interval, such as 0.95."""
    p: float | None = None
    """Two-sided p-value."""
    p_adjusted: float | None = None
    """Adjusted for the family."""
    family: str | None = None
    """The family that was adjusted for."""
    df: float | None = None
    """Degrees of freedom of the interval."""
    design_effect: float | None = None
    """Variance over that of as many independent readings."""
    k: float | None = None
    """Numerator, where the value is a count over a count."""
    n_readings: int | None = None
    """Readings in the denominator."""
    n_readers: int | None = None
    """Readers."""
    n_cases: int | None = None
    """Cases."""
    n_clusters: int | None = None
    """Clusters (patients) of those cases."""
    n_real: int | None = None
    """Real cases, or images of a pool."""
    n_fake: int | None = None
    """Fake cases, or images of a pool."""
    method: str
    """How value and interval were computed."""
    source: str
    """The paper and equation behind the method."""
    reason: str | None = None
    """Why the value or the interval is undefined, or what limits it."""


class Verdict(Record):
    """The rule's answer for one arm; filled from the statistics rules on."""

    scope: Scope
    """The arm and kind of reader."""
    inference: Inference
    """Of whom it speaks."""
    code: Literal["distinguishable", "distinguishable_within_margin", "equivalent", "inconclusive", "not_estimable"]
    """The rule's outcome."""
    direction: str | None = None
    """above or below chance."""
    text: str
    """The sentence printed everywhere."""
    rule: str
    """The rule, in words."""
    inputs: dict[str, Any]
    """The numbers it used."""


Row = TypeVar("Row", bound=Record)


def columns(kind: type[Record]) -> list[str]:
    """Column names of a table of these rows, in order."""
    return list(kind.model_fields)


def rows_to_csv(kind: type[Record], rows: Iterable[Record]) -> str:
    """A CSV table with a header; None becomes an empty cell. Lines end in a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = columns(kind)
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if (v := getattr(row, name)) is None else v for name in names])
    return out.getvalue()


def read_rows(kind: type[Row], path: Path) -> list[Row]:
    """Rows of a CSV table that lungeval wrote.

    Raises:
        LungevalError: `changed`, with file and line, where the table does not follow the schema.
    """
    optional = {n for n, f in kind.model_fields.items() if not f.is_required() or type(None) in get_args(f.annotation)}
    rows: list[Row] = []
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if reader.fieldnames is None or list(reader.fieldnames) != columns(kind):
            raise LungevalError(
                "changed", "the table's columns are not as lungeval wrote them", where=f"{path}:1",
                remedy=f"columns should be {', '.join(columns(kind))}; restore the file or start a new run",
            )  # fmt: skip
        for line, raw in enumerate(reader, start=2):
            cells: dict[str, Any] = {}
            for name, text in raw.items():
                if text == "" and name in optional:
                    field = kind.model_fields[name]
                    cells[name] = None if type(None) in get_args(field.annotation) else field.default
                else:
                    cells[name] = text
            try:
                rows.append(kind.model_validate(cells, strict=False))
            except ValidationError as bad:
                first = bad.errors()[0]
                raise LungevalError(
                    "changed", f"column {'.'.join(map(str, first['loc']))}: {first['msg']}", where=f"{path}:{line}",
                    remedy="the file was edited after lungeval wrote it: restore it or start a new run",
                ) from None  # fmt: skip
    return rows


def to_json(value: Any) -> str:
    """Canonical JSON: sorted keys, two-space indent, a final newline; records become objects without their null keys.

    Raises:
        ValueError: a NaN or an infinity is in it (undefined numbers are None with a reason).
    """
    return json.dumps(_plain(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return _plain(value.model_dump(exclude_none=True))
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value


def estimates_of(rows: Sequence[dict[str, Any]]) -> list[Estimate]:
    """Estimates from their JSON objects."""
    return [Estimate.model_validate(row) for row in rows]
