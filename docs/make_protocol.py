# ruff: noqa: E501 (a page of prose)
"""Writes docs/protocol.md from the models of lungeval/protocol.py: `python docs/make_protocol.py`. A test compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lungeval.protocol import (
    Amendments,
    Analysis,
    Answers,
    Blinding,
    Cell,
    Generator,
    Makes,
    Protocol,
    Reader,
    ReadingPlan,
    ReadingRoom,
    Settings,
    StudySet,
    Train,
    Window,
)

PAGE = Path(__file__).with_name("protocol.md")

HEAD = """\
# protocol.yaml and generator files

One YAML file describes a study before it starts. Check it with `lungeval validate protocols/NAME.yaml`; begin one for your
own folders with `lungeval init NAME --real DIR --fake DIR`; `lungeval schema protocol` prints a JSON Schema for editors.
This page is written by `python docs/make_protocol.py` from the models that read the file.

```yaml
{example}```
"""

EXAMPLE = """\
version: 1
name: spot-the-fake-lungs
seed: 20221103
real: {backend: folder, path: ~/lungs/real, where: {source: NIH}}
generators:
  - name: sd-lungs                  # a block like this one, or the name of a file in generators/, or a path
    backend: folder
    path: ${LUNGS}/sd
cells:
  - {modality: xray, condition: no_finding}
  - {modality: xray, condition: covid_19}
set: {per_generator: 10, real: match, per_patient: 1, repeats: 0.1, pool: 100}
blinding: {size: auto, prevalence: untold}
readers:
  - {id: r1, kind: human, experience_years: 12}
  - {id: s1, kind: simulated, dprime: 1.0, criterion: 0.0, unsure_band: 0.2, case_sd: 0.5, lapse: 0.02}
answers: {unsure: true, confidence: 5}
analysis: {primary: balanced_accuracy, unsure: half, margin: 0.10, margin_reason: "smaller differences change no use"}
metrics: [frechet, kernel]
"""

BLOCKS: tuple[tuple[str, type[Settings], str], ...] = (
    ("The protocol", Protocol, ""),
    (
        "A generator file, and `real:`",
        Generator,
        "A file in `generators/` describes one generator. `real:` takes the same keys but `version`, `name` and `model`. "
        "A name in `generators:` is looked for as `generators/NAME.yaml` beside the protocol, then beside its parent folder, "
        "then among the files that ship with lungeval; a path (with `/`, or ending in .yaml) is relative to the protocol; "
        "a path ending in .py is a plug-in, and its arm is called like the file.",
    ),
    ("`makes:` of a generator or of `real:`", Makes, "A list."),
    ("`train:` of a generator", Train, ""),
    ("`cells:`", Cell, "A list. A cell is what a protocol studies; every cell needs a generator that fills it."),
    ("`set:`", StudySet, ""),
    (
        "`blinding:`",
        Blinding,
        "One path for every arm: [harmonising](harmonising.md), the [leak audit](leak-audit.md), the [seal](sealing.md).",
    ),
    ("`blinding.window:`", Window, "A preset's name, or both of these."),
    ("`plan:`", ReadingPlan, "See [selection and plans](selection-and-plans.md)."),
    (
        "`amendments:`",
        Amendments,
        "What `lungeval amend` may add after the first answer without making the study exploratory.",
    ),
    ("`readers:`", Reader, "A list. Kinds of reader are never pooled."),
    ("`answers:`", Answers, ""),
    ("`reading:`", ReadingRoom, ""),
    ("`analysis:`", Analysis, ""),
)

EXAMPLES: dict[tuple[type[Settings], str], str] = {
    (Protocol, "version"): "1",
    (Protocol, "name"): "spot-the-fake-lungs",
    (Protocol, "title"): "Can readers tell diffusion from film?",
    (Protocol, "seed"): "20221103",
    (Protocol, "real"): "{backend: folder, path: ~/lungs/real}",
    (Protocol, "generators"): "[sd-lungs, ../other/gan.yaml]",
    (Protocol, "cells"): "[{modality: xray, condition: covid_19}]",
    (Protocol, "set"): "{per_generator: 10}",
    (Protocol, "blinding"): "{size: auto}",
    (Protocol, "plan"): "{blocks: 2}",
    (Protocol, "amendments"): "{readers: 1, rule: ...}",
    (Protocol, "readers"): "[{id: r1, kind: human}]",
    (Protocol, "answers"): "{unsure: true}",
    (Protocol, "reading"): "{title: Lung image study}",
    (Protocol, "analysis"): "{unsure: half}",
    (Protocol, "metrics"): "[frechet, kernel]",
    (Protocol, "extractors"): "[efficientnet-lite0]",
    (Generator, "version"): "1",
    (Generator, "name"): "sd-lungs",
    (Generator, "backend"): "folder",
    (Generator, "model"): "Stable Diffusion 1.5, fine-tuned",
    (Generator, "path"): "${LUNGS}/sd",
    (Generator, "where"): "{source: [NIH, RSNA]}",
    (Generator, "makes"): "[{modality: xray, condition: any}]",
    (Generator, "prompts"): "{xray/covid_19: chest film of COVID-19}",
    (Generator, "options"): "{size: 192}",
    (Generator, "licence"): "CC BY 4.0",
    (Generator, "price"): "{per_image: 0.04}",
    (Generator, "train"): "{data: ~/lungs/training}",
    (Makes, "modality"): "xray",
    (Makes, "condition"): "{paediatric_normal: no_finding}",
    (Train, "data"): "~/lungs/training",
    (Train, "patients"): "../models/sd-lungs/patients.csv",
    (Train, "recipe"): "lora",
    (Train, "base"): "stabilityai/stable-diffusion-2-1-base",
    (Train, "steps"): "20000",
    (Train, "out"): "../models/sd-lungs",
    (Train, "options"): "{size: 512}",
    (Train, "credit"): '["Chest X-rays: NIH Clinical Center"]',
    (Cell, "modality"): "ct",
    (Cell, "condition"): "covid_19",
    (StudySet, "per_generator"): "10",
    (StudySet, "real"): "match",
    (StudySet, "per_patient"): "1",
    (StudySet, "repeats"): "0.1",
    (StudySet, "pool"): "100",
    (StudySet, "practice"): "4",
    (StudySet, "rejected"): "rejected.csv",
    (Blinding, "size"): "256",
    (Blinding, "allow_upsampling"): "true",
    (Blinding, "frames"): "32",
    (Blinding, "window"): "mediastinum",
    (Blinding, "trim"): "true",
    (Blinding, "field_of_view"): "0.9",
    (Blinding, "grey"): "match",
    (Blinding, "jpeg"): "90",
    (Blinding, "text"): "mask",
    (Blinding, "declared_effect"): "contrast is equal by construction and cannot be judged",
    (Blinding, "accept"): "{comb: reals were windowed to 8 bits at their source}",
    (Blinding, "encrypt_to"): "age1...",
    (Window, "center"): "-600",
    (Window, "width"): "1500",
    (ReadingPlan, "blocks"): "3",
    (ReadingPlan, "groups"): "2",
    (ReadingPlan, "run_limit"): "6",
    (ReadingPlan, "repeat_distance"): "30",
    (ReadingPlan, "exposure"): "refuse",
    (ReadingPlan, "washout_days"): "28",
    (Amendments, "readers"): "2",
    (Amendments, "per_generator"): "20",
    (Amendments, "rule"): "a reader who stops before the end is replaced",
    (Blinding, "prevalence"): "told",
    (Reader, "id"): "r1",
    (Reader, "kind"): "human",
    (Reader, "experience_years"): "12",
    (Reader, "person"): "radiologist-07",
    (Reader, "labels"): "../labels/r3.csv",
    (Reader, "dprime"): "1.0",
    (Reader, "criterion"): "0.0",
    (Reader, "unsure_band"): "0.2",
    (Reader, "case_sd"): "0.5",
    (Reader, "lapse"): "0.02",
    (Answers, "unsure"): "true",
    (Answers, "confidence"): "5",
    (ReadingRoom, "title"): "Lung image study",
    (ReadingRoom, "instructions"): "Say for each image whether it is real or fake.",
    (ReadingRoom, "consent"): "I agree to take part.",
    (Analysis, "primary"): "balanced_accuracy",
    (Analysis, "unsure"): "half",
    (Analysis, "margin"): "0.10",
    (Analysis, "margin_reason"): '"smaller differences change no use"',
    (Analysis, "alpha"): "0.05",
    (Analysis, "compare"): "[[sd-lungs, lungs-mini]]",
    (Analysis, "attention"): "1",
}

TAIL = """\
## Rules between keys

- Readers have ids of their own, arms have names of their own, and no generator is called `real`; no cell stands twice.
- `per_generator` (and `set.real`, where it is a number) is at most `pool`.
- `margin` needs `margin_reason`. `confidence` is 0 or 2 to 10. A `window` needs `center` and a `width` above 0.
- `dprime`, `criterion`, `unsure_band`, `case_sd` and `lapse` belong to simulated readers; `labels` to imported and machine
  readers, and an imported reader needs it.
- Keys of `prompts:` are cells, `xray/covid_19`.

## Paths

Relative to the file that holds them. `~` is the home folder, `${VAR}` a variable of the environment (an error where it is not
set).

## Words that are refused

Words in YAML without quotes may become something else. lungeval refuses them and says how to write them:
`yes no on off y n` (write `true` or `false`, or use quotes), `007`, `0x1F`, `0o17`, `0b1`, `1_000`, `12:30`, dates such as
`2022-11-01`, `.inf`, `.nan`; `1.10` where text is meant or in `options` and `price`, because it would come back as 1.1; a key
given twice; a key with nothing after its colon; anchors, aliases, merge keys and tags; a second document; a file above 1 MB.

## Messages

Every fault of the protocol and of its generator files is told at once, as `file:line:column: path.of.keys: what; remedy`. An
entry of a list stands by its name or id (`readers.r1.kind`), or by its number, counted from 1 (`cells[2].condition`).
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD.replace("{example}", EXAMPLE)]
    for title, block, said in BLOCKS:
        parts.append(f"## {title}\n\n" + (f"{said}\n\n" if said else "") + _table(block))
    return "\n".join([*parts, TAIL])


def _table(block: type[Settings]) -> str:
    rows = ["| key | meaning | default | example |", "|---|---|---|---|"]
    for name, field in sorted(block.model_fields.items(), key=lambda item: not item[1].is_required()):
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {meaning} | {_default(field)} | `{EXAMPLES[block, name]}` |")
    return "\n".join(rows) + "\n"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Settings):
        return "as below"
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`" if len(str(value)) < 60 else f"“{str(value)[:50].rsplit(' ', 1)[0]} …”"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
