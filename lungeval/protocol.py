"""protocol.yaml and generator files as frozen models: the whole study as written before it starts.

`lungeval.yamlfile` reads the text and knows every key's line and column; here is what the keys mean. Unknown keys are
refused, words are words (never numbers), and every fault of a file is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from lungeval.keys import content_key
from lungeval.records import ANY_CONDITION, REAL_ARM, Modality, Policy, ReaderKind

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60, strict=True)]
"""A name that serves as a folder's name: lower-case letters, digits, - and _."""
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]


Slot = tuple[str, str, str]
"""Arm, modality, condition: the cell of one arm."""


class Settings(BaseModel):
    """A frozen block of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Cell(Settings):
    """What a protocol studies: modality x condition."""

    modality: Modality
    """xray or ct."""
    condition: Slug
    """The condition, such as covid_19."""


class Makes(Settings):
    """Cells that an arm can fill."""

    modality: Modality
    """xray or ct."""
    condition: Slug | dict[StrictStr, Slug]
    """A condition of the protocol, `any` for an unconditional generator, or {the arm's own word: the protocol's}."""


class Train(Settings):
    """How a generator is trained (`lungeval train`); also declares whose images it has seen."""

    data: StrictStr | None = None
    """Folder, .npz or hub data set (`hub:owner/name@revision`) of the training images, relative to this file."""
    patients: StrictStr | None = None
    """List of the training patients, as `lungeval train` writes it: serves where the data are not at hand."""
    recipe: StrictStr | None = None
    """pixel (a class-conditional model from nothing), full or lora (fine-tune the Stable Diffusion at `base`)."""
    base: StrictStr | None = None
    """full, lora: folder or hub id of the model that is fine-tuned."""
    steps: StrictInt | None = Field(default=None, gt=0)
    """Training steps."""
    out: StrictStr | None = None
    """Where the trained model goes, relative to this file."""
    options: dict[StrictStr, Any] = {}
    """The recipe's own settings."""
    credit: list[StrictStr] = []
    """Lines of credit that the licences of the training data ask for; the model's card prints them."""


class Arm(Settings):
    """A configured backend: the reals of a study, or (with a name) a generator."""

    backend: StrictStr
    """folder, archive, phantom, an installed plug-in's name, or a path to a .py file."""
    path: StrictStr | None = None
    """Folder, tar, checkpoint or hub id, relative to the file that holds it; ~ and ${VAR} expand."""
    where: dict[StrictStr, StrictStr | list[StrictStr]] = {}
    """Keep only images whose metadata match: a value, or a list of values, by column."""
    makes: list[Makes] = []
    """Cells that this arm fills; empty = what its metadata say."""
    prompts: dict[StrictStr, StrictStr | list[StrictStr]] = {}
    """Prompts by cell, `xray/covid_19: ...`."""
    options: dict[StrictStr, Any] = {}
    """The backend's own settings."""
    licence: StrictStr = ""
    """Licence of the images, where their metadata give none."""
    price: dict[StrictStr, Any] = {}
    """Prices, for backends that cost money."""
    train: Train | None = None
    """How it is trained, or was."""


class Generator(Arm):
    """One generator: a file in generators/, or a block in the protocol."""

    version: Literal[1] = 1
    """The version of this file's format."""
    name: Slug
    """Its arm."""
    model: StrictStr = ""
    """The model, as a paper would name it."""


class StudySet(Settings):
    """How many images, per cell."""

    per_generator: StrictInt = Field(default=10, ge=1)
    """Fakes of each generator shown, per cell."""
    real: Literal["match"] | Annotated[StrictInt, Field(ge=1)] = "match"
    """Reals shown per cell; match = as many as the cell's fakes of all arms together."""
    per_patient: StrictInt = Field(default=1, ge=1)
    """Images of one patient (cluster) shown, at most."""
    repeats: Number = Field(default=0.1, ge=0, le=1)
    """Share of cases shown a second time, hidden among the others."""
    pool: StrictInt = Field(default=100, ge=2)
    """Images made or taken per arm and cell; the shown ones are drawn from them."""
    practice: StrictInt = Field(default=0, ge=0)
    """Practice cases at the head of every list, of patients who are not shown otherwise; never scored, no feedback."""
    rejected: StrictStr | None = None
    """Table of images left out by people, relative to the protocol: columns `image`, `reason`, `by`; see docs."""


class Window(Settings):
    """A CT window."""

    center: Number
    """Centre, Hounsfield units."""
    width: Number = Field(gt=0)
    """Width, Hounsfield units."""


class Blinding(Settings):
    """How images become cases: one path for every arm."""

    size: Literal["auto"] | Annotated[StrictInt, Field(ge=32)] = "auto"
    """Side of the square, pixels; auto = the smallest side over all arms, after `trim` and `field_of_view`."""
    allow_upsampling: StrictBool = False
    """Allow a size above an image's own; printed as a limitation."""
    frames: Literal["auto"] | Annotated[StrictInt, Field(ge=1)] = "auto"
    """Slices of every CT stack, evenly spaced; auto = as many as the shortest stack over all arms has."""
    window: Literal["lung", "mediastinum", "bone", "brain", "soft_tissue"] | Window | None = None
    """CT window in Hounsfield units: a preset (lung = -600/1500, the default; mediastinum = 40/400 ...) or
    {center: -600, width: 1500}. Other images: full range."""
    trim: StrictBool = True
    """Remove borders and frames: outer rows and columns of one level."""
    field_of_view: Number = Field(default=1.0, ge=0.5, le=1)
    """Share of the central square's side that is kept."""
    grey: Literal["none", "stretch", "match"] = "none"
    """none = the fixed range or window alone; stretch = 1st to 99th percentile of each image to the full range; match =
    histogram matched to that of the reals' pool. The last two change content: they need `declared_effect`."""
    jpeg: Annotated[StrictInt, Field(ge=30, le=100)] | None = None
    """Pass every image through one JPEG of this quality, so that all have the same history; needs `declared_effect`."""
    text: Literal["refuse", "mask", "keep"] = "refuse"
    """Images with burned-in text (a line of four or more characters): left out; shown with the text painted over (needs
    `declared_effect`); or shown as they are (printed as a limitation)."""
    declared_effect: StrictStr | None = None
    """What the steps that change content take from what readers judge; printed beside every accuracy."""
    accept: dict[StrictStr, StrictStr] = {}
    """Facts of the leak audit that may differ between real and fake, each with its reason; printed as limitations."""
    encrypt_to: StrictStr | None = None
    """The owner's age public key (age1...): the key and the secret are stored encrypted to it."""
    prevalence: Literal["untold", "told"] = "untold"
    """Whether readers are told the share of fakes."""


class ReadingPlan(Settings):
    """How each reader's list is made; lists are fixed before the first reading."""

    blocks: StrictInt = Field(default=1, ge=1)
    """Blocks of a list, each balanced over cells and arms; their order is a Latin square over the readers."""
    groups: StrictInt = Field(default=1, ge=1)
    """Split-plot: the cases fall into this many balanced groups, and reader i reads group i mod groups alone."""
    run_limit: StrictInt | None = Field(default=None, ge=1)
    """Most cases of one truth in a row; None = no limit."""
    repeat_distance: StrictInt | None = Field(default=None, ge=1)
    """Presentations between a case and its repeat, at least; None = half the list."""
    exposure: Literal["flag", "refuse"] = "flag"
    """A reader who has met a case (or its near-duplicate) in another run of this workspace: flagged, or the plan is
    refused."""
    washout_days: StrictInt | None = Field(default=None, ge=0)
    """Days after which an earlier exposure counts no more; None = it always counts."""


class Amendments(Settings):
    """What may be added after the first answer without making the study exploratory, and by which rule."""

    readers: StrictInt = Field(default=0, ge=0)
    """Readers that may be added."""
    per_generator: StrictInt | None = Field(default=None, ge=1)
    """`set.per_generator` may be raised to this."""
    rule: StrictStr = ""
    """When: the rule, in words, fixed beforehand; it must not depend on the answers' truth."""


class Reader(Settings):
    """One reader."""

    id: Slug
    """The reader's code (never a name)."""
    kind: ReaderKind
    """human, scripted, simulated, machine or imported."""
    experience_years: Number | None = Field(default=None, ge=0)
    """Years of reading experience."""
    person: Slug | None = None
    """The person's code across studies, for the exposure ledger (no name); None = the id, in studies of this name."""
    labels: StrictStr | None = None
    """imported: the label table, relative to the protocol."""
    dprime: Number = 1.0
    """simulated: distance between the evidence for fakes and for reals, in standard deviations."""
    criterion: Number = 0.0
    """simulated: the point above which fake is said."""
    unsure_band: Number = Field(default=0.2, ge=0)
    """simulated: full width of the band around the criterion in which unsure is said; 0 where it is not offered."""
    case_sd: Number = Field(default=0.5, ge=0)
    """simulated: standard deviation of the case effect, shared by all readers."""
    lapse: Number = Field(default=0.02, ge=0, le=1)
    """simulated: probability of an answer drawn from the offered labels with equal chance."""


class Answers(Settings):
    """What readers are asked."""

    unsure: StrictBool = True
    """Offer unsure."""
    confidence: StrictInt = Field(default=5, ge=0, le=10, json_schema_extra={"not": {"const": 1}})
    """Levels of confidence, 2 to 10; 0 = not asked."""


class Analysis(Settings):
    """The analysis, fixed beforehand."""

    primary: Literal["balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate"] = "balanced_accuracy"
    """The primary estimand."""
    unsure: Policy = "half"
    """What unsure counts as in the primary analysis; all three policies are reported."""
    margin: Number | None = Field(default=None, gt=0, lt=0.5)
    """Equivalence margin around chance, as a proportion."""
    margin_reason: StrictStr | None = None
    """Why this margin."""
    alpha: Number = Field(default=0.05, gt=0, lt=0.5)
    """Level of the tests; intervals have level 1 - alpha."""
    compare: Literal["all", "none"] | list[Annotated[list[StrictStr], Field(min_length=2, max_length=2)]] = "all"
    """Pairs of generators compared on the primary estimand: one family, with Holm's adjustment; other comparisons are
    exploratory. `all`, `none`, or a list of pairs."""
    attention: StrictInt | None = Field(default=None, ge=0)
    """A reader with more failed attention checks than this is left out of the verdicts, which are then printed with and
    without the reader. None = nobody is left out."""


class ReadingRoom(Settings):
    """What readers are told."""

    title: StrictStr = "Image reading study"
    """Heading of the page."""
    instructions: StrictStr = (
        "You will see lung images one at a time. Some were taken of patients; some were made by a computer program. "
        "Say for each whether it is real or fake. Answers cannot be changed once they are given. "
        "You can stop at any time and go on later with the same link."
    )
    """Shown before the first image; blank lines part paragraphs."""
    consent: StrictStr | None = None
    """Consent text; the reader must agree before the first image. None = none is asked."""


class Protocol(Settings):
    """A study as written before it starts."""

    version: Literal[1]
    """The version of this file's format."""
    name: Slug
    """The study's name; its runs are reports/<name>-<hash>/."""
    title: StrictStr = ""
    """The study's title, for the report."""
    seed: StrictInt = Field(default=0, ge=0)
    """Drives generation, selection, order and simulation (not ids: those are secret)."""
    real: Arm | None = None
    """The real images; absent = a fake-only study."""
    generators: list[StrictStr | Generator] = Field(min_length=1)
    """The arms: a file's name in generators/, a path, or a block."""
    cells: list[Cell] = Field(min_length=1)
    """What is studied."""
    set: StudySet = StudySet()
    """How many images."""
    blinding: Blinding = Blinding()
    """How images become cases."""
    plan: ReadingPlan = ReadingPlan()
    """How each reader's list is made."""
    amendments: Amendments = Amendments()
    """What may be added later, by a rule fixed beforehand."""
    readers: list[Reader] = Field(min_length=1)
    """Who reads."""
    answers: Answers = Answers()
    """What readers are asked."""
    reading: ReadingRoom = ReadingRoom()
    """What readers are told."""
    analysis: Analysis = Analysis()
    """The analysis."""
    metrics: list[StrictStr] = ["frechet", "kernel"]
    """Image metrics."""
    extractors: list[StrictStr] = ["efficientnet-lite0"]
    """Feature networks of the image metrics."""


def asked(protocol: Protocol, fakes: Iterable[Slot]) -> dict[Slot, int]:
    """How many images each arm must show in each cell.

    `real: match` gives a cell as many reals as its fakes of all arms together. The fakes of an unconditional arm
    (`any`) match no cell: their share of reals is spread evenly over the modality's cells, earlier cells first.

    Args:
        protocol: the study.
        fakes: (arm, modality, condition) of every cell that a generator fills.
    """
    counts: dict[Slot, int] = dict.fromkeys(sorted(fakes), protocol.set.per_generator)
    for modality in dict.fromkeys(cell.modality for cell in protocol.cells) if protocol.real else ():
        here = [cell.condition for cell in protocol.cells if cell.modality == modality]
        loose = sum(n for (_, m, c), n in counts.items() if m == modality and c == ANY_CONDITION)
        for index, condition in enumerate(here):
            own = sum(n for (arm, m, c), n in counts.items() if (m, c) == (modality, condition) and arm != REAL_ARM)
            matched = own + loose // len(here) + (index < loose % len(here))
            count = matched if protocol.set.real == "match" else protocol.set.real
            if count:
                counts[REAL_ARM, modality, condition] = count
    return counts


class Located(Settings):
    """An arm together with the folder of the file that holds it."""

    name: Slug
    """`real`, or the generator's name."""
    arm: Arm
    """The settings."""
    folder: Path
    """Paths in `arm` are relative to this."""
    where: str
    """The file (and line) that holds the arm, for errors."""


class LockedProtocol(Settings):
    """A protocol with every default resolved and every generator file read in."""

    protocol: Protocol
    """The protocol, its `generators` replaced by their names."""
    generators: list[Generator]
    """The arms, in the protocol's order."""
    rehearsal: bool = False
    """Phantoms and simulated readers stand in for what is missing."""
    stand_ins: dict[str, str] = {}
    """Rehearsal: what each stand-in stands for."""

    def pool_of(self, arm: str) -> int:
        """Images asked of an arm per cell: `set.pool`, and never fewer than may be shown of it."""
        settings = self.protocol.set
        if arm != REAL_ARM:
            return max(settings.pool, settings.per_generator)
        matched = settings.per_generator * len(self.generators)
        return max(settings.pool, matched if settings.real == "match" else settings.real)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON: no absolute paths, no times, no versions of software."""
        return content_key(**self.model_dump(mode="json"))
