"""1-blinded/ as the server is given it: cases under opaque ids, their listing, and what readers are told.

Nothing here says what is real: a case's id comes from the secret, its bytes are raw pixels of one length, its file has
no time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval import images
from lungeval.files import write_atomic
from lungeval.keys import sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import PAGE_KINDS, REAL_ARM, Case, Image, Modality, to_json
from lungeval.runs import Run
from lungeval.seal import Secret

RECIPES = "harmonise.json"
"""In 1-blinded/: every step of the harmoniser with its parameters, one recipe a modality."""


def name_of(image: Image) -> str:
    """What an image is called in draws and plans: its arm and content key."""
    return f"{image.arm}:{image.key}"


def write_cases(
    run: Run,
    by_id: Mapping[str, Image],
    recipes: Mapping[Modality, images.Recipe],
    secret: Secret,
    progress: Progress,
) -> list[Case]:
    """Harmonise images into 1-blinded/cases/ and list them; returns their rows of the key, in order of opaque id.

    Args:
        run: the run.
        by_id: opaque id -> image.
        recipes: the harmoniser's settings by modality.
        secret: the run's secret.
        progress: where to say what is done.
    """
    cases: list[Case] = []
    with progress.bar("cases", len(by_id)) as advance:
        for case in sorted(by_id):  # in order of opaque ids, so that not even times and places on disk tell arms
            cases.append(_write_case(run, case, by_id[case], recipes[by_id[case].modality], secret))
            advance(1)
    lines = [f"{case.case},{case.modality},{case.sha256}" for case in cases]
    write_atomic(run.path("blind") / "cases.csv", "\n".join(["case,modality,sha256", *lines]) + "\n")
    return cases


def _write_case(run: Run, case: str, image: Image, recipe: images.Recipe, secret: Secret) -> Case:
    pixels = images.load(run.path("generate") / image.file)
    shown = images.harmonise(pixels, image.bits, image.offset, recipe)
    path = run.path("blind") / "cases" / f"{case}.raw"
    write_atomic(path, shown.tobytes())
    os.utime(path, (0, 0))
    return Case(
        case=case, truth="real" if image.arm == REAL_ARM else "fake", arm=image.arm, modality=image.modality,
        condition=image.condition, cluster=image.cluster, key=image.key, sha256=sha256_pixels(shown),
        nonce=secret.nonce(name_of(image)),
    )  # fmt: skip


def write_recipes(run: Run, recipes: Mapping[Modality, images.Recipe]) -> None:
    """Write 1-blinded/harmonise.json: what was done to every image, real or fake."""
    content = {
        modality: {"recipe": recipe.to_json(), "sha256": recipe.digest(), "steps": images.steps(recipe, modality)}
        for modality, recipe in sorted(recipes.items())
    }
    write_atomic(run.path("blind") / RECIPES, to_json({"schema": 1, "modalities": content}))


def read_recipes(run: Run) -> dict[Modality, images.Recipe]:
    """The harmoniser's settings of a run, by modality."""
    content = json.loads((run.path("blind") / RECIPES).read_text(encoding="utf-8"))["modalities"]
    return {modality: images.Recipe.from_json(entry["recipe"]) for modality, entry in content.items()}


def study_page(
    locked: LockedProtocol,
    shown: Sequence[Case],
    secret: Secret,
    recipes: Mapping[Modality, images.Recipe],
    ribbon: str,
) -> dict[str, Any]:
    """The reader-facing part of the protocol: no arm, no count by truth unless the protocol tells it.

    Args:
        locked: the protocol.
        shown: the cases that count (no practice).
        secret: the run's secret.
        recipes: the harmoniser's settings: they fix the shape of every case of a modality.
        ribbon: what every page says of images and readers that are not real; empty where all are.
    """
    protocol = locked.protocol
    told = None
    if protocol.blinding.prevalence == "told":
        fakes = sum(case.truth == "fake" for case in shown)
        told = f"{100 * fakes / len(shown):.0f}% of the images were made by a computer program."
    labels = ["real", "unsure", "fake"] if protocol.answers.unsure else ["real", "fake"]
    return {
        "schema": 1,
        "title": protocol.reading.title,
        "instructions": protocol.reading.instructions,
        "consent": protocol.reading.consent,
        "prevalence": told,
        "ribbon": ribbon,
        "answers": {"labels": labels, "confidence": protocol.answers.confidence},
        "shapes": {m: {"frames": r.frames, "rows": r.size, "cols": r.size} for m, r in sorted(recipes.items())},
        "readers": [
            {"id": r.id, "kind": r.kind, "token_sha256": hashlib.sha256(secret.token(r.id).encode()).hexdigest()}
            for r in protocol.readers
        ],
    }


def write_invites(run: Run, locked: LockedProtocol, secret: Secret) -> None:
    """Write the invite tokens of readers who come to the page to sealed/invites.csv."""
    tokens = "".join(f"{r.id},{secret.token(r.id)}\n" for r in locked.protocol.readers if r.kind in PAGE_KINDS)
    write_atomic(run.folder / "sealed" / "invites.csv", "reader,token\n" + tokens, mode=0o600)
