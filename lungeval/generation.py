"""Stage `generate` -> 0-images/: ask each arm for its images, record what became of each, resume after any stop.

Every arm goes the same way, the reals among them. A batch is the unit of commit: its images are stored under the hash
of their pixels, then its rows are written in one file; what has no row does not exist and is asked for again. When all
batches are there the rows become manifest.csv (no path, no patient) and private.csv (both, for the owner's eyes).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungeval import images
from lungeval.backends.base import Backend, Context, Forecast, Item, Made, cells_of
from lungeval.backends.calling import made_by, named, offered
from lungeval.errors import LungevalError, raise_all
from lungeval.files import BATCHES, PRIVATE, sync_folder, write_atomic
from lungeval.keys import canonical, content_key, sha256_pixels
from lungeval.overlap import check_overlap
from lungeval.progress import Advance, Progress
from lungeval.protocol import Located, LockedProtocol
from lungeval.records import Image, rows_to_csv
from lungeval.registry import load, plugin_code
from lungeval.runs import Run
from lungeval.seal import Secret, make_secret

STORE = "store"
"""Folder beside the runs: what was paid for, shared by them."""
ORIGINALS = "originals"
"""In 0-images/: a service's bytes as they came, by arm and content key."""
ATTEMPTS = "attempts.jsonl"
"""In 0-images/: every request sent for an image of this run, a JSON object a line."""


@dataclass(frozen=True)
class Batch:
    """Items that are made and committed together."""

    arm: str
    """The arm."""
    name: str
    """File name: modality-condition-number-hash of its content keys."""
    items: tuple[Item, ...]
    """What is asked for."""


def backend_of(located: Located, seed: int, *, store: Path | None = None, progress: Progress | None = None) -> Backend:
    """The backend of an arm, configured.

    Args:
        located: the arm.
        seed: the protocol's seed.
        store: where a backend that pays for images keeps every answer; None where it may write nothing.
        progress: where it says what takes long; None = nowhere.
    """
    plugin = load("backends", located.arm.backend, where=located.where, folder=located.folder)
    backend: Backend = plugin(
        Context(
            name=located.name, arm=located.arm, folder=located.folder, seed=seed, where=located.where, store=store,
            progress=progress or Progress(quiet=True),
        )
    )  # fmt: skip
    return backend


def store_of(run: Run, arm: str) -> Path:
    """The folder, shared by the runs beside this one, where an arm's paid answers are kept."""
    return run.folder.parent / STORE / arm


@contextlib.contextmanager
def guarded(arm: str) -> Iterator[None]:
    """Tell a fault in a backend's code as the plug-in's: one line, then its own traceback.

    Raises:
        LungevalError: `plugin`; faults that are told already, and faults of the disk, pass as they are.
    """
    with plugin_code(f"the backend of arm '{arm}' broke"):
        yield


def plan_batches(located: Located, backend: Backend, locked: LockedProtocol) -> list[Batch]:
    """What an arm is asked for, in batches that are the same at every call.

    Raises:
        LungevalError: `design` where the arm can fill none of the protocol's cells.
    """
    cells = cells_of(located, backend, locked.protocol)
    if not cells:
        raise LungevalError(
            "design", f"the arm '{located.name}' can fill none of the protocol's cells", where=located.where,
            remedy="set `makes:` to the cells it fills, or to `any` for an unconditional generator",
        )  # fmt: skip
    batches: list[Batch] = []
    count = locked.pool_of(located.name)
    for cell in cells:
        items = offered(backend, cell, count)
        for start in range(0, len(items), backend.batch):
            part = tuple(items[start : start + backend.batch])
            content = content_key(keys=[item.key for item in part])[:12]
            name = f"{cell.modality}-{cell.condition}-{start // backend.batch:05d}-{content}"
            batches.append(Batch(located.name, name, part))
    return batches


def generate(run: Run, locked: LockedProtocol, arms: Sequence[Located], progress: Progress) -> None:
    """Fill 0-images/: all arms, all cells, `set.pool` images of each.

    Raises:
        LungevalError: `backend`, `plugin`, `image`, `design` or `protocol`, for every arm that cannot be had; `design`
            where a generator was trained on patients of the reals (a rehearsal goes on).
    """
    folder, secret = run.path("generate"), make_secret(run.folder)
    ready: list[tuple[Backend, list[Batch]]] = []
    faults: list[LungevalError] = []
    for located in arms:
        try:
            with guarded(located.name):
                store = store_of(run, located.name)
                backend = backend_of(located, locked.protocol.seed, store=store, progress=progress)
                batches = plan_batches(located, backend, locked)
                ready.append((backend, batches))
                check = getattr(backend, "check", None)
                if check:
                    check([item for b in batches if not _committed(folder, b).exists() for item in b.items])
            for notice in getattr(backend, "notices", []):
                progress.say(f"  {located.name}: {notice}")
        except LungevalError as fault:
            faults += [named(each, located.name) for each in fault.faults()]
    raise_all(faults)
    overlap = check_overlap([(located, backend) for located, (backend, _) in zip(arms, ready, strict=True)], locked)
    raise_all([] if locked.rehearsal else overlap.faults)
    run.event("overlap", not_excluded=overlap.not_excluded)
    try:
        for located, (backend, batches) in zip(arms, ready, strict=True):
            missing = [batch for batch in batches if not _committed(folder, batch).exists()]
            with progress.bar(f"{located.name}: images", sum(len(batch.items) for batch in missing)) as advance:
                for batch in missing:
                    with guarded(located.name):
                        _make(folder, batch, backend, secret, progress, advance)
    finally:  # readers may take weeks from here: no lock is held meanwhile
        for located, (backend, _) in zip(arms, ready, strict=True):
            with guarded(located.name):
                getattr(backend, "close", lambda: None)()
    _write_manifest(folder, [batch for _, batches in ready for batch in batches])
    run.finish("generate")
    shutil.rmtree(folder / BATCHES, ignore_errors=True)


def _committed(folder: Path, batch: Batch) -> Path:
    return folder / BATCHES / batch.arm / f"{batch.name}.json"


def _make(folder: Path, batch: Batch, backend: Backend, secret: Secret, progress: Progress, advance: Advance) -> None:
    rows: list[dict[str, Any]] = []
    answered: set[str] = set()
    for made in made_by(backend, batch.items):
        rows.append(_row(folder, batch.arm, made, secret, stands_in=backend.stands_in))
        if made.outcome != "made":
            progress.say(f"  {batch.arm}: {made.outcome}: {made.item.private or made.item.key[:12]}: {made.reason}")
        if made.item.key in answered:
            raise LungevalError(
                "plugin", f"the backend of arm '{batch.arm}' gave two outcomes for one image of batch {batch.name}",
                remedy="its make() must yield one Made an item",
            )  # fmt: skip
        answered.add(made.item.key)
        spent = getattr(backend, "spent_usd", None)
        advance(1, "" if spent is None else f"${spent:.2f}")
    unanswered = [item.key for item in batch.items if item.key not in answered]
    if unanswered:
        raise LungevalError(
            "plugin", f"the backend of arm '{batch.arm}' gave no outcome for {len(unanswered)} of "
            f"{len(batch.items)} images of batch {batch.name}", remedy="its make() must yield one Made an item",
        )  # fmt: skip
    written = json.dumps(rows, ensure_ascii=False, allow_nan=False)  # a log with NaN could not be read again
    write_atomic(_committed(folder, batch), written, mode=0o600)


def _row(folder: Path, arm: str, made: Made, secret: Secret, *, stands_in: bool) -> dict[str, Any]:
    item = made.item
    facts: dict[str, Any] = {}
    if made.outcome == "made":
        if made.pixels is None or not 8 <= made.bits <= 16:
            what = "no pixels" if made.pixels is None else f"bits = {made.bits}, which is not 8 to 16"
            raise LungevalError(
                "plugin", f"the backend of arm '{arm}' says that an image is made and gives {what}",
                remedy="a Made has pixels (frames x rows x cols, uint8 or uint16) and the bits in use",
            )  # fmt: skip
        frames, rows, cols = made.pixels.shape
        facts = {
            "sha256": sha256_pixels(made.pixels), "file": images.save(made.pixels, folder), "frames": frames,
            "rows": rows, "cols": cols, "bits": made.bits, "offset": made.offset,
        }  # fmt: skip
    image = Image(
        key=item.key, arm=arm, modality=item.cell.modality, condition=item.cell.condition,
        cluster=secret.cluster(f"{arm}:{item.cluster}"), outcome=made.outcome, reason=made.reason, prompt=item.prompt,
        seed=item.seed, licence=item.licence, source=item.source, stands_in=stands_in, **facts,
    )  # fmt: skip
    row: dict[str, Any] = {"image": image.model_dump(), "private": item.private, "patient": item.cluster}
    if made.attempts:
        row["attempts"] = [{"arm": arm, "key": item.key, **attempt} for attempt in made.attempts]
    if made.original is not None:
        write_atomic(folder / ORIGINALS / arm / f"{item.key}{made.suffix}", made.original)
    return row


def _write_manifest(folder: Path, batches: Sequence[Batch]) -> None:
    rows = [row for batch in batches for row in json.loads(_committed(folder, batch).read_text(encoding="utf-8"))]
    pairs = sorted(((Image.model_validate(row["image"]), row) for row in rows), key=lambda p: (p[0].arm, p[0].key))
    seen: dict[tuple[str, str], str] = {}
    manifest: list[Image] = []
    for image, _ in pairs:
        twin = seen.setdefault((image.arm, image.sha256), image.key) if image.sha256 else image.key
        if twin != image.key:
            reason = f"the same pixels as {twin[:12]} of this arm"
            image = image.model_copy(update={"outcome": "rejected", "reason": reason})
        manifest.append(image)
    private = io.StringIO()
    writer = csv.writer(private, lineterminator="\n")
    writer.writerow(["key", "arm", "patient", "path"])
    writer.writerows([image.key, image.arm, row["patient"], row["private"]] for image, row in pairs)
    write_atomic(folder / PRIVATE, private.getvalue(), mode=0o600)
    asked: list[dict[str, Any]] = [attempt for _, row in pairs for attempt in row.get("attempts", ())]
    if asked:
        write_atomic(folder / ATTEMPTS, "".join(canonical(attempt) + "\n" for attempt in asked))
    write_atomic(folder / "manifest.csv", rows_to_csv(Image, manifest))
    if (folder / "pixels").is_dir():
        sync_folder(folder / "pixels")


def forecast(run: Run, locked: LockedProtocol, arms: Sequence[Located]) -> list[dict[str, Any]]:
    """What `generate` would do, by arm and cell: images offered, those not made yet, and what the rest would take.

    An arm that cannot be had yet has rows without numbers, `missing` saying why; elsewhere `missing` is None.

    Args:
        run: the run, whose folder need not exist; of a finished stage only the manifest is read.
        locked: the protocol.
        arms: the arms.

    Raises:
        LungevalError: every fault of every arm but those that cannot be had yet.
    """
    rows: list[dict[str, Any]] = []
    faults: list[LungevalError] = []
    manifest = Counter((i.arm, i.modality, i.condition) for i in run.manifest()) if run.finished("generate") else None
    for located in arms:
        if manifest is not None:
            found = [(m, c, n) for (arm, m, c), n in sorted(manifest.items()) if arm == located.name]
            rows += [_foreseen(located, (m, c), n, 0, Forecast(), Forecast()) for m, c, n in found]
            continue
        try:
            with guarded(located.name):
                rows += _foreseen_arm(run, locked, located)
        except LungevalError as fault:
            if fault.code != "backend":
                faults += fault.faults()
                continue
            for cell in cells_of(located, None, locked.protocol):
                place = (cell.modality, cell.condition)
                rows.append(_foreseen(located, place, None, None, Forecast(), Forecast(), missing=str(fault)))
    raise_all(faults)
    return rows


def _foreseen_arm(run: Run, locked: LockedProtocol, located: Located) -> list[dict[str, Any]]:
    backend = backend_of(located, locked.protocol.seed, store=store_of(run, located.name))
    missing: dict[tuple[str, str], list[Item]] = {}
    totals: Counter[tuple[str, str]] = Counter()
    for batch in plan_batches(located, backend, locked):
        cell: tuple[str, str] = (batch.items[0].cell.modality, batch.items[0].cell.condition)
        totals[cell] += len(batch.items)
        there = _committed(run.path("generate"), batch).exists()
        missing.setdefault(cell, []).extend(() if there else batch.items)
    tell = getattr(backend, "forecast", None)
    every = [item for items in missing.values() for item in items]
    whole: Forecast = tell(every) if tell and every else Forecast()
    rows = []
    for cell, items in missing.items():
        told: Forecast = tell(items) if tell and items else Forecast()
        rows.append(_foreseen(located, cell, totals[cell], len(items) - told.done, told, whole))
    return rows


def _foreseen(
    located: Located, cell: tuple[str, str], images: int | None, to_make: int | None, told: Forecast, whole: Forecast,
    missing: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "arm": located.name, "modality": cell[0], "condition": cell[1], "images": images, "to_make": to_make,
        "usd": told.usd, "usd_at_most": told.usd_at_most, "arm_usd": whole.usd,
        "arm_usd_at_most": whole.usd_at_most,
        "memory_bytes": told.memory_bytes, "disk_bytes": told.disk_bytes, "missing": missing,
    }  # fmt: skip
