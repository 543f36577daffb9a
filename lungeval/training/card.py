"""The model card: what a model is, whom it has seen, under what licence, how it was made, and how far to trust it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lungeval.training.films import Films
from lungeval.training.nearest import COPY, Nearness
from lungeval.training.recipe import Plan

KINDS = {
    "pixel": "A class-conditional diffusion model of pixels, trained from nothing.",
    "full": "A Stable Diffusion, all of whose U-Net was fine-tuned.",
    "lora": "A low-rank adaptation (LoRA) of a Stable Diffusion; the base model is needed beside it.",
}


def card(plan: Plan, films: Films, record: dict[str, Any], near: Nearness) -> str:
    """The card as Markdown with the front matter that model hubs read.

    Args:
        plan: the training.
        films: the training set.
        record: training.json.
        near: the samples against the training films.
    """
    sources = Counter(film.source or "not stated" for film in films.films)
    licences = Counter(film.licence or "not stated" for film in films.films)
    train = plan.generator.train
    credit = train.credit if train else []
    unnamed = sum(not film.patient for film in films.films)
    patients = f"{record['patients']:,} patients" + (f"; {unnamed:,} films name none" if unnamed else "")
    whose = "Its images are meant to be of nobody: see below whether it copies."
    if near.copies:
        whose = f"**{len(near.copies)} of {len(near.matches)} samples are copies of training films: see below.**"
    lines = [
        "---", *_licence(plan.licence), "library_name: diffusers",
        "tags: [medical, chest, synthetic, not-for-clinical-use]",
        *([f"base_model: {record['base']}"] if plan.base else []),
        "---", "", f"# {plan.model}", "", KINDS[plan.kind],
        f"{whose} **Not for clinical use; no evidence of anything about a patient.**",
        "", "![Samples of each class](sheet.png)", "",
        f"Samples of each class from fixed seeds, none left out; {plan.options.size} x {plan.options.size} pixels.", "",
        "## Training data", "",
        f"{len(films.films):,} distinct films of {patients} (listed in `patients.csv`, so that a study can refuse "
        "reals of the same patients).",
        f"SHA-256 over all films as trained on: `{record['data_sha256']}`.", "",
        "| class | films |", "|---|---|",
        *(f"| {modality} / {condition} | {count:,} |" for modality, condition, count in record["cells"]), "",
    ]  # fmt: skip
    if set(sources) != {"not stated"} or set(licences) != {"not stated"}:
        lines += [f"Sources: {_listed(sources)}. Licences: {_listed(licences)}.", ""]
    lines += [*(f"- {line}" for line in credit), *([""] if credit else [])]
    lines += ["## Licence of the weights", "", plan.licence or "Not stated.", "", "## Recipe", ""]
    lines += ["| setting | value |", "|---|---|", f"| recipe | {plan.kind} |"]
    lines += [f"| base | {record['base']} |"] if plan.base else []
    planned = "" if record["steps"] == plan.steps else f" of {plan.steps:,} planned"
    lines += [f"| steps | {record['steps']:,}{planned} |", *(f"| {k} | {v} |" for k, v in record["options"].items())]
    lines += [f"| {name} | {version} |" for name, version in record["versions"].items()]
    loss = record["loss"]
    if loss:
        lines += [
            "",
            f"Training loss: {loss['first']:.4f} over the first steps logged, {loss['last']:.4f} over the last.",
        ]
    lines += ["", "## Does it copy?", "", *_copying(near, films)]
    lines += ["", "## Draw from it", "", "```yaml", "version: 1", f"name: {plan.name}"]
    lines += [f"backend: {_backend(plan.kind)}", "path: THIS FOLDER", "```", ""]
    return "\n".join(lines)


def _copying(near: Nearness, films: Films) -> list[str]:
    if not near.between:
        return ["Not estimable: the training films are of one patient."]
    middle = near.between[len(near.between) // 2]
    closest = near.matches[0]
    share = near.near or 0.0
    lines = [
        f"{len(near.matches)} samples were each compared with all {len(films.films):,} training films, at "
        "every small shift and mirrored (standardised, 32 x 32 pixels; distance = sqrt(2 (1 - correlation)), 0 to 2).",
        f"Nearest training film of a sample: {closest.distance:.3f} at the least, "
        f"{near.matches[len(near.matches) // 2].distance:.3f} in the middle. Nearest film of another patient, between "
        f"training films: {near.between[0]:.3f} at the least, {middle:.3f} in the middle.",
        f"A sample nearer than {near.limit:.3f} ({COPY:g} of that middle) counts as a copy: **{len(near.copies)} of "
        f"{len(near.matches)}**. Nearer than 99% of films are to another patient's: {share:.1%} of samples (1% is "
        "expected of fresh films). All of them are in `nearest.csv`; the five nearest:", "",
        "| class of the film | correlation | distance |", "|---|---|---|",
    ]  # fmt: skip
    for match in near.matches[:5]:
        film = films.films[match.film]
        lines.append(f"| {film.modality} / {film.condition} | {match.correlation:.3f} | {match.distance:.3f} |")
    return [
        *lines,
        "",
        "This finds copies of whole films that are blurred, noisy, mirrored, of another contrast, or moved by up to a "
        "tenth of the side. A copy that is enlarged by more than 5% or turned is mostly missed, and a part of a film "
        "always: it does not show that nothing of a patient can be drawn.",
        *_unnamed(films),
    ]


def _unnamed(films: Films) -> list[str]:
    if all(film.patient for film in films.films):
        return []
    return [
        "",
        "Films that name no patient count as patients of their own: that lowers the limit, and copies may pass.",
    ]


def _licence(licence: str) -> list[str]:
    """The licence as model hubs read it: an id, or `other` and its name."""
    plain = (licence or "other").lower()
    return [f"license: {plain}"] if " " not in plain else ["license: other", f"license_name: {licence}"]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.most_common())


def _backend(kind: str) -> str:
    return "pixel_diffusion" if kind == "pixel" else "stable_diffusion"
