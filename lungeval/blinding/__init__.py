"""Stage `blind` -> 1-blinded/, sealed/: select, harmonise, plan each reader's list, seal the key.

1-blinded/ is all that the server is given: opaque cases of one length, the readers' plans, hashes of their invite
tokens and the words they are told. Truth, arms and everything that leads to them stay in 0-images/ and sealed/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping

from lungeval import images
from lungeval.blinding.planning_lists import plan_reader
from lungeval.blinding.selection import Selected, select
from lungeval.blinding.sizes import recipes
from lungeval.files import write_atomic
from lungeval.keys import sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import PAGE_KINDS, REAL_ARM, Case, Modality, Presentation, rows_to_csv, to_json
from lungeval.runs import Run
from lungeval.seal import Secret, make_secret, seal_key


def blind(run: Run, locked: LockedProtocol, progress: Progress, *, ribbon: str) -> None:
    """Make the blinded set of a run.

    Args:
        run: the run; 0-images/ is finished.
        locked: the protocol.
        progress: where to say what is done.
        ribbon: what every page says of images and readers that are not real; empty where all are.

    Raises:
        LungevalError: `design` where too few images are eligible, or a size asks for upsampling.
    """
    folder, secret, manifest = run.path("blind"), make_secret(run.folder), run.manifest()
    recipe_of = recipes(manifest, locked.protocol)
    selected = select(manifest, locked.protocol)
    if folder.exists():
        shutil.rmtree(folder)
    by_id = {secret.case(f"{image.arm}:{image.key}"): image for image in selected}
    cases: list[Case] = []
    with progress.bar("cases", len(selected)) as advance:
        for case in sorted(by_id):  # in order of opaque ids, so that not even times and places on disk tell arms
            cases.append(_write_case(run, case, by_id[case], recipe_of[by_id[case].modality], secret))
            advance(1)
    plans = _plans(locked, cases, secret)
    write_atomic(folder / "plan.csv", rows_to_csv(Presentation, plans))
    _write_listing(run, cases)
    shapes = {m: {"frames": 1, "rows": r.size, "cols": r.size} for m, r in recipe_of.items()}
    write_atomic(folder / "study.json", to_json(study_page(locked, cases, secret, shapes, ribbon)))
    tokens = "".join(f"{r.id},{secret.token(r.id)}\n" for r in locked.protocol.readers if r.kind in PAGE_KINDS)
    write_atomic(run.folder / "sealed" / "invites.csv", "reader,token\n" + tokens)
    root = seal_key(run.folder, cases)
    run.event("sealed", root=root, cases=len(cases))
    run.finish("blind")
    progress.say(f"  sealed: {len(cases)} cases, commitment {root}")


def _write_case(run: Run, case: str, image: Selected, recipe: images.Recipe, secret: Secret) -> Case:
    pixels = images.load(run.path("generate") / image.file)
    shown = images.harmonise(pixels, image.bits, image.offset, recipe)
    path = run.path("blind") / "cases" / f"{case}.raw"
    write_atomic(path, shown.tobytes())
    os.utime(path, (0, 0))
    return Case(
        case=case, truth="real" if image.arm == REAL_ARM else "fake", arm=image.arm, modality=image.modality,
        condition=image.condition, cluster=image.cluster, key=image.key, sha256=sha256_pixels(shown),
        nonce=secret.nonce(f"{image.arm}:{image.key}"),
    )  # fmt: skip


def _write_listing(run: Run, cases: list[Case]) -> None:
    lines = [f"{case.case},{case.modality},{case.sha256}" for case in sorted(cases, key=lambda case: case.case)]
    write_atomic(run.path("blind") / "cases.csv", "\n".join(["case,modality,sha256", *lines]) + "\n")


def _plans(locked: LockedProtocol, cases: list[Case], secret: Secret) -> list[Presentation]:
    by_name = {f"{case.arm}:{case.key}": case.case for case in cases}
    rows: list[Presentation] = []
    for reader in locked.protocol.readers:
        repeats = 0.0 if reader.labels is not None else locked.protocol.set.repeats
        slots = plan_reader(sorted(by_name), repeats, locked.protocol.seed, reader.id)
        for position, (name, kind) in enumerate(slots, start=1):
            rows.append(
                Presentation(
                    presentation=secret.presentation(reader.id, position),
                    reader=reader.id,
                    position=position,
                    case=by_name[name],
                    kind=kind,
                )
            )
    return rows


def study_page(
    locked: LockedProtocol,
    cases: list[Case],
    secret: Secret,
    shapes: Mapping[Modality, Mapping[str, int]],
    ribbon: str,
) -> dict[str, object]:
    """The reader-facing part of the protocol: no arm, no count by truth unless the protocol tells it."""
    protocol = locked.protocol
    told = None
    if protocol.blinding.prevalence == "told":
        fakes = sum(case.truth == "fake" for case in cases)
        told = f"{100 * fakes / len(cases):.0f}% of the images were made by a computer program."
    labels = ["real", "unsure", "fake"] if protocol.answers.unsure else ["real", "fake"]
    return {
        "schema": 1,
        "title": protocol.reading.title,
        "instructions": protocol.reading.instructions,
        "consent": protocol.reading.consent,
        "prevalence": told,
        "ribbon": ribbon,
        "answers": {"labels": labels, "confidence": protocol.answers.confidence},
        "shapes": shapes,
        "readers": [
            {"id": r.id, "kind": r.kind, "token_sha256": hashlib.sha256(secret.token(r.id).encode()).hexdigest()}
            for r in protocol.readers
        ],
    }


def ribbon_of(locked: LockedProtocol, stand_in_arms: list[str]) -> str:
    """What every page says of images that were drawn and readers who are programs; empty where all is real.

    Readers see it, too, so it names neither arms nor readers.
    """
    kinds = {reader.kind for reader in locked.protocol.readers}
    parts = ["phantom images"] if stand_in_arms else []
    parts += [f"{kind} readers" for kind in ("simulated", "scripted") if kind in kinds]
    if not parts:
        return ""
    return ("Rehearsal: " if locked.rehearsal else "Not a clinical result: ") + ", ".join(parts)
