"""Stage `blind` -> 1-blinded/, sealed/: survey, draw, harmonise, audit, plan each reader's list, seal the key.

1-blinded/ is all that the server is given: opaque cases of one length, the readers' plans, hashes of their invite
tokens and the words they are told. Truth, arms and everything that leads to them stay in 0-images/ and sealed/.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lungeval.blinding.cases import name_of, read_recipes, study_page, write_cases, write_invites, write_recipes
from lungeval.blinding.gate import gate
from lungeval.blinding.lists import list_plans, longer_plans
from lungeval.blinding.planning_lists import ALGORITHM, Plans
from lungeval.blinding.preview import preview as draw_preview
from lungeval.blinding.rejections import rejected
from lungeval.blinding.ribbon import ribbon_of
from lungeval.blinding.selection import Drawn, draw_facts, funnel, select
from lungeval.blinding.sizes import recipes
from lungeval.blinding.survey import survey
from lungeval.errors import LungevalError
from lungeval.exposure import met_before, obey, write_prints
from lungeval.files import PRIVATE, write_atomic
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import Case, Presentation, Survey, read_rows, rows_to_csv, to_json
from lungeval.runs import Run
from lungeval.seal import COMMITTED, Secret, make_secret, seal_key

__all__ = ["blind", "extend_set", "preview", "ribbon_of"]

EVIDENCE = ("sealed/blinding.json", "sealed/prints.csv")
"""How the set came about: under the root, beside what the seal names itself."""


def blind(run: Run, locked: LockedProtocol, folder: Path, progress: Progress, *, ribbon: str) -> None:
    """Make the blinded set of a run.

    Args:
        run: the run; 0-images/ is finished.
        locked: the protocol.
        folder: the protocol's folder, where the table of rejected images is looked for.
        progress: where to say what is done.
        ribbon: what every page says of images and readers that are not real; empty where all are.

    Raises:
        LungevalError: `design` where too few images are eligible, a size asks for upsampling, or a reader has met a
            case and the protocol refuses that; `audit`, one for each fact by which real and fake can be told apart (a
            rehearsal goes on).
    """
    secret, manifest = make_secret(run.folder), run.manifest()
    people = rejected(locked.protocol, folder, manifest, run.path("generate") / PRIVATE)
    surveys = {(row.arm, row.key): row for row in survey(run, locked, manifest, progress, rejected=people)}
    eligible = [image for image in manifest if image.outcome == "made" and surveys[image.arm, image.key].eligible]
    recipe_of = recipes(eligible, surveys, locked.protocol, run)
    drawn = select(manifest, surveys, locked.protocol)
    if run.path("blind").exists():
        shutil.rmtree(run.path("blind"))
    write_recipes(run, recipe_of)
    write_atomic(run.folder / "sealed" / "survey.csv", rows_to_csv(Survey, surveys.values()), mode=0o600)
    plans = list_plans(locked.protocol, drawn)
    _write_set(run, locked, drawn, plans, secret, progress, ribbon=ribbon)


def preview(run: Run, locked: LockedProtocol, folder: Path, out: Path, progress: Progress) -> Path:
    """Draw a sheet of images before and after the harmoniser; nothing is drawn for readers, sealed or changed."""
    people = rejected(locked.protocol, folder, run.manifest(), run.path("generate") / PRIVATE)
    return draw_preview(run, locked, out, progress, rejected=people)


def extend_set(run: Run, after: LockedProtocol, progress: Progress, *, ribbon: str) -> str:
    """Add the cases and readers of an amended protocol to a blinded set; returns the new root.

    The images that were drawn stay drawn, the lists that were planned stay as they are: new cases come in a last block.

    Args:
        run: the run; its lock is the amended protocol's.
        after: the amended protocol.
        progress: where to say what is done.
        ribbon: as for `blind`.

    Raises:
        LungevalError: as `blind`.
    """
    secret, manifest = make_secret(run.folder), run.manifest()
    surveys = {(row.arm, row.key): row for row in read_rows(Survey, run.folder / "sealed" / "survey.csv")}
    before = run.plan()
    practised = {slot.case for slot in before if slot.kind == "practice"}
    planned = {slot.case for slot in before} - practised
    shown = [image for image in manifest if secret.case(name_of(image)) in planned]
    practice = [image for image in manifest if secret.case(name_of(image)) in practised]
    drawn = select(manifest, surveys, after.protocol, before=Drawn(shown, practice))
    plans = longer_plans(after.protocol, drawn, before, secret)
    run.reopen("blind")
    return _write_set(run, after, drawn, plans, secret, progress, ribbon=ribbon)


def _write_set(
    run: Run, locked: LockedProtocol, drawn: Drawn, plans: Plans, secret: Secret, progress: Progress, *, ribbon: str
) -> str:
    """Cases, plans and evidence to 1-blinded/ and sealed/; audited, sealed; returns the root."""
    folder, sealed, recipe_of = run.path("blind"), run.folder / "sealed", read_recipes(run)
    image_of = {secret.case(name_of(image)): image for image in (*drawn.shown, *drawn.practice)}
    cases = write_cases(run, image_of, recipe_of, secret, progress)
    practice = {secret.case(name_of(image)) for image in drawn.practice}
    shown = [case for case in cases if case.case not in practice]
    write_atomic(folder / "plan.csv", rows_to_csv(Presentation, _presentations(locked, plans, secret)))
    page = study_page(locked, shown, secret, recipe_of, ribbon)
    write_atomic(folder / "study.json", to_json(page))
    write_invites(run, locked, secret)
    _audit(run, locked, shown, page["shapes"], progress)
    prints = write_prints(run, image_of, progress)
    lists: dict[str, list[str]] = defaultdict(list)
    for reader, slots in plans.lists.items():
        lists[reader] = [secret.case(slot.name) for slot in slots]
    exposures = met_before(run, locked, lists, prints)
    notes = [*plans.notes, *obey(exposures, locked)]
    surveys = {(row.arm, row.key): row for row in read_rows(Survey, sealed / "survey.csv")}
    facts = {
        "schema": 1,
        "funnel": funnel(run.manifest(), surveys, drawn),
        "draw": draw_facts(drawn, locked.protocol),
        "plan": {"algorithm": ALGORITHM, **locked.protocol.plan.model_dump(exclude_none=True), "notes": plans.notes},
        "practice": len(practice),
        "exposures": [asdict(exposure) for exposure in exposures],
    }
    write_atomic(sealed / "blinding.json", to_json(facts), mode=0o600)
    for note in notes:
        progress.say(f"  plan: {note}")
    root = seal_key(run.folder, cases, files=(*COMMITTED, *EVIDENCE))
    run.event("sealed", root=root, cases=len(cases))
    run.finish("blind")
    run.encrypt_key(locked.protocol.blinding.encrypt_to)
    progress.say(f"  sealed: {len(cases)} cases, root {root}")
    return root


def _audit(run: Run, locked: LockedProtocol, shown: Sequence[Case], shapes: Any, progress: Progress) -> None:
    """The gate; what stops a study is only told in a rehearsal."""
    try:
        gate(run, locked, shown, run.manifest(), shapes, progress, out=run.folder / "sealed")
    except LungevalError as stopped:
        if not locked.rehearsal:
            raise
        for fault in stopped.faults():
            progress.say(f"  would stop the study: {fault}")


def _presentations(locked: LockedProtocol, plans: Plans, secret: Secret) -> list[Presentation]:
    """The rows of plan.csv, readers in the protocol's order."""
    return [
        Presentation(
            presentation=secret.presentation(reader.id, position), reader=reader.id, position=position,
            case=secret.case(slot.name), kind=slot.kind, block=slot.block,
        )
        for reader in locked.protocol.readers
        for position, slot in enumerate(plans.lists[reader.id], start=1)
    ]  # fmt: skip
