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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungeval import images
from lungeval.backends.base import Backend, Context, Item, Made, cells_of
from lungeval.errors import LungevalError, raise_all
from lungeval.files import BATCHES, PRIVATE, is_sealed, sync_folder, write_atomic
from lungeval.keys import content_key, sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import Located, LockedProtocol
from lungeval.records import Image, rows_to_csv
from lungeval.registry import load
from lungeval.runs import Run
from lungeval.seal import Secret, make_secret


@dataclass(frozen=True)
class Batch:
    """Items that are made and committed together."""

    arm: str
    """The arm."""
    name: str
    """File name: modality-condition-number-hash of its content keys."""
    items: tuple[Item, ...]
    """What is asked for."""


def backend_of(located: Located, seed: int) -> Backend:
    """The backend of an arm, configured."""
    plugin = load("backends", located.arm.backend, where=located.where, folder=located.folder)
    backend: Backend = plugin(
        Context(name=located.name, arm=located.arm, folder=located.folder, seed=seed, where=located.where)
    )
    return backend


@contextlib.contextmanager
def guarded(arm: str) -> Iterator[None]:
    """Tell a fault in a backend's code as the plug-in's, in one line; its traceback comes with --debug.

    Raises:
        LungevalError: `plugin`; faults that are told already, and faults of the disk, pass as they are.
    """
    try:
        yield
    except (LungevalError, OSError):
        raise
    except Exception as error:
        raise LungevalError(
            "plugin", f"the backend of arm '{arm}' broke: {type(error).__name__}: {error}",
            remedy="mend the plug-in; its own traceback follows with --debug",
        ) from error  # fmt: skip


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
        items = backend.offer(cell, count)
        for start in range(0, len(items), backend.batch):
            part = tuple(items[start : start + backend.batch])
            content = content_key(keys=[item.key for item in part])[:12]
            name = f"{cell.modality}-{cell.condition}-{start // backend.batch:05d}-{content}"
            batches.append(Batch(located.name, name, part))
    return batches


def generate(run: Run, locked: LockedProtocol, arms: Sequence[Located], progress: Progress) -> None:
    """Fill 0-images/: all arms, all cells, `set.pool` images of each.

    Raises:
        LungevalError: `backend`, `plugin`, `image`, `design` or `protocol`, for every arm that cannot be had.
    """
    folder, secret = run.path("generate"), make_secret(run.folder)
    ready: list[tuple[Backend, list[Batch]]] = []
    faults: list[LungevalError] = []
    for located in arms:
        try:
            with guarded(located.name):
                backend = backend_of(located, locked.protocol.seed)
                ready.append((backend, plan_batches(located, backend, locked)))
            for notice in getattr(backend, "notices", []):
                progress.say(f"  {located.name}: {notice}")
        except LungevalError as fault:
            faults += fault.faults()
    raise_all(faults)
    for located, (backend, batches) in zip(arms, ready, strict=True):
        missing = [batch for batch in batches if not _committed(folder, batch).exists()]
        with progress.bar(f"{located.name}: images", sum(len(batch.items) for batch in missing)) as advance:
            for batch in missing:
                with guarded(located.name):
                    _make(folder, batch, backend, secret, progress)
                advance(len(batch.items))
    _write_manifest(folder, [batch for _, batches in ready for batch in batches])
    run.finish("generate")
    shutil.rmtree(folder / BATCHES, ignore_errors=True)


def _committed(folder: Path, batch: Batch) -> Path:
    return folder / BATCHES / batch.arm / f"{batch.name}.json"


def _make(folder: Path, batch: Batch, backend: Backend, secret: Secret, progress: Progress) -> None:
    rows: list[dict[str, Any]] = []
    answered: set[str] = set()
    for made in backend.make(batch.items):
        rows.append(_row(folder, batch.arm, made, secret, stands_in=backend.stands_in))
        if made.outcome != "made":
            progress.say(f"  {batch.arm}: {made.outcome}: {made.item.private or made.item.key[:12]}: {made.reason}")
        if made.item.key in answered:
            raise LungevalError(
                "plugin", f"the backend of arm '{batch.arm}' gave two outcomes for one image of batch {batch.name}",
                remedy="its make() must yield one Made an item",
            )  # fmt: skip
        answered.add(made.item.key)
    unanswered = [item.key for item in batch.items if item.key not in answered]
    if unanswered:
        raise LungevalError(
            "plugin", f"the backend of arm '{batch.arm}' gave no outcome for {len(unanswered)} of "
            f"{len(batch.items)} images of batch {batch.name}", remedy="its make() must yield one Made an item",
        )  # fmt: skip
    write_atomic(_committed(folder, batch), json.dumps(rows, ensure_ascii=False), mode=0o600)


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
    return {"image": image.model_dump(), "private": item.private, "patient": item.cluster}


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
    write_atomic(folder / "manifest.csv", rows_to_csv(Image, manifest))
    if (folder / "pixels").is_dir():
        sync_folder(folder / "pixels")


def forecast(folder: Path, locked: LockedProtocol, arms: Sequence[Located]) -> list[dict[str, Any]]:
    """What `generate` would do, by arm and cell: images offered, and those not made yet.

    Args:
        folder: 0-images/ of the run, which need not exist.
        locked: the protocol.
        arms: the arms.
    """
    rows: list[dict[str, Any]] = []
    for located in arms:
        backend = backend_of(located, locked.protocol.seed)
        counts: dict[tuple[str, str], list[int]] = {}
        for batch in plan_batches(located, backend, locked):
            cell = batch.items[0].cell
            tally = counts.setdefault((cell.modality, cell.condition), [0, 0])
            tally[0] += len(batch.items)
            tally[1] += 0 if is_sealed(folder) or _committed(folder, batch).exists() else len(batch.items)
        rows += [
            {"arm": located.name, "modality": m, "condition": c, "images": n, "to_make": left}
            for (m, c), (n, left) in counts.items()
        ]
    return rows
