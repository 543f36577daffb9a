"""The seal: root, commitments, the key's rows, blinded pixels, and every id worked out again from the secret."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from lungeval.encryption import SUFFIX
from lungeval.errors import LungevalError
from lungeval.files import SUMS, check_folder
from lungeval.keys import sha256_file
from lungeval.records import Case
from lungeval.runs import KEPT_APART, SOURCE
from lungeval.seal import (
    COMMITMENTS,
    KEY,
    SEALED,
    SECRET,
    Secret,
    check_seal,
    has_key,
    open_key,
    read_root,
    read_secret,
)
from lungeval.verifying.ledger import Ledger

INVITES = f"{SEALED}/invites.csv"


def check_sealing(ledger: Ledger, identity: Path | None) -> tuple[dict[str, Case] | None, int | None]:
    """Everything under the root; the key by case id (None where it cannot be opened here), and how many cases."""
    run = ledger.run
    encrypted: dict[str, str] = {}
    for event in run.events():
        encrypted |= event.get("files", {}) if event.get("event") == "encrypted" else {}
    for name, digest in encrypted.items():
        path = run.folder / name
        if path.is_file() and sha256_file(path) != digest:
            ledger.fault("the encrypted file is not the one whose hash was noted in events.jsonl", path)
    if not (run.folder / COMMITMENTS).is_file():
        if run.last_event("sealed"):
            ledger.fault("the file is gone", run.folder / COMMITMENTS)
        return None, None
    _earlier(ledger)
    key = _key(ledger, identity)
    _uncovered(ledger)
    cases = _pixels(ledger, key)
    _ids(ledger, key, identity)
    return key, cases


def _earlier(ledger: Ledger) -> None:
    """What amendments replaced: each kept copy, file by file, and its root among those printed."""
    run, under_way = ledger.run, ledger.run.amending()
    kept = run.folder / KEPT_APART
    roots = {event.get("root") for event in run.events_of("sealed")}
    told = {str(event.get("amendment")): event for event in [*run.events_of("amended"), under_way] if event}
    there = {path.name: path for path in sorted(kept.iterdir())} if kept.is_dir() else {}
    if (run.folder / SEALED).is_dir():
        for name in sorted(told.keys() - there.keys()):
            ledger.fault("what the amendment replaced is gone", kept / name)
    for name, folder in there.items():
        if name not in told:  # left by one that was stopped before it began, or undone
            ledger.skip(f"{KEPT_APART}/{name}: nothing covers it")
            continue
        if "kept" in told[name]:
            with ledger.reading(folder / SUMS):
                ledger.add(check_folder(folder, told[name]["kept"]))
        else:
            ledger.skip(f"{KEPT_APART}/{name}: the hash of its list was not noted")
        ledger.add(check_seal(folder))
        with ledger.reading(folder / COMMITMENTS):
            if roots and read_root(folder) not in roots:
                ledger.fault("this root was never printed", folder / COMMITMENTS)
        ledger.done(f"what amendment {name} replaced, every file, against its root")


def _uncovered(ledger: Ledger) -> None:
    """Files of sealed/ that neither the root, the log nor the secret says anything of, such as a preview."""
    folder, covered = ledger.run.folder / SEALED, {KEY, SECRET, KEY + SUFFIX, SECRET + SUFFIX, SOURCE, INVITES}
    with ledger.reading(ledger.run.folder / COMMITMENTS):
        covered |= set(json.loads((ledger.run.folder / COMMITMENTS).read_bytes()).get("files", {}))
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and f"{SEALED}/{path.name}" not in covered:
            ledger.skip(f"{SEALED}/{path.name}: nothing covers it")


def _key(ledger: Ledger, identity: Path | None) -> dict[str, Case] | None:
    run = ledger.run
    if has_key(run.folder):
        found: list[LungevalError] = []
        try:
            cases = open_key(run.folder, identity, faults=found)
        except LungevalError as fault:
            if fault.code == "changed":
                found.append(fault)
            else:
                ledger.skip(f"the key: {fault.what}")
        else:
            ledger.add(found)
            ledger.done("root, every commitment, every file under the root")
            return {case.case: case for case in cases}
        ledger.add(found)
    else:
        ledger.skip("the key: sealed/ is elsewhere")
    ledger.add(check_seal(run.folder))
    ledger.done("the root over the commitments, and the files under it that are in this folder")
    return None


def _pixels(ledger: Ledger, key: dict[str, Case] | None) -> int | None:
    """Each case's pixels against cases.csv, and cases.csv against the key and the commitments."""
    import numpy as np

    from lungeval.keys import sha256_pixels

    folder = ledger.run.path("blind")
    listing = folder / "cases.csv"
    committed: set[str] = set()
    shapes: dict[str, Any] = {}
    rows: list[dict[str, str]] = []
    with ledger.reading(ledger.run.folder / COMMITMENTS):
        committed = set(json.loads((ledger.run.folder / COMMITMENTS).read_bytes())["commitments"])
    with ledger.reading(folder / "study.json"):
        shapes = ledger.run.study()["shapes"]
    with ledger.reading(listing), listing.open(newline="", encoding="utf-8") as handle:
        rows = [{"case": r["case"], "modality": r["modality"], "sha256": r["sha256"]} for r in csv.DictReader(handle)]
    for line, row in enumerate(rows, start=2):
        raw = folder / "cases" / f"{row['case']}.raw"
        with ledger.reading(raw):
            shape = shapes.get(row["modality"])
            data = np.fromfile(raw, dtype=np.uint8)
            size = (shape["frames"], shape["rows"], shape["cols"]) if shape else (0, 0, 0)
            if data.size != np.prod(size):
                ledger.fault("the file has not the length that study.json gives its modality", raw)
            elif sha256_pixels(data.reshape(size)) != row["sha256"]:
                ledger.fault(f"the pixels of case {row['case']} are not those of cases.csv", raw)
        if row["case"] not in committed:
            ledger.fault(f"case {row['case']} has no commitment", f"{listing}:{line}")
        elif key is not None and row["case"] in key and key[row["case"]].sha256 != row["sha256"]:
            ledger.fault(f"case {row['case']}: another pixel hash than in the key", f"{listing}:{line}")
    for case in sorted(committed - {row["case"] for row in rows}):
        ledger.fault(f"case {case} is gone from the list", listing)
    ledger.done(f"the pixels of {len(rows)} cases")
    return len(rows)


def _ids(ledger: Ledger, key: dict[str, Case] | None, identity: Path | None) -> None:
    """Ids, nonces and tokens, worked out again from the secret; cases against the images that they show."""
    run = ledger.run
    secret: Secret | None = None
    try:
        secret = read_secret(run.folder, identity)
        if secret is None:
            ledger.skip("ids, nonces, tokens: the secret is not in this folder")
    except LungevalError as fault:
        if fault.code == "changed":
            ledger.add([fault])
        else:
            ledger.skip(f"ids, nonces, tokens: {fault.what}")
    if key is not None and run.finished("generate"):
        with ledger.reading(run.path("generate") / "manifest.csv"):
            _images(ledger, key)
    if secret is None:
        return
    foreign: list[tuple[str, Path | str]] = []
    total = 0
    plan, invites = run.path("blind") / "plan.csv", run.folder / INVITES
    for case in (key or {}).values():
        name = f"{case.arm}:{case.key}"
        total += 1
        if (secret.case(name), secret.nonce(name)) != (case.case, case.nonce):
            foreign.append((f"case {case.case}: id or nonce is not the secret's", run.folder / COMMITMENTS))
    with ledger.reading(plan):
        for line, slot in enumerate(run.plan(), start=2):
            total += 1
            if secret.presentation(slot.reader, slot.position) != slot.presentation:
                foreign.append((f"presentation {slot.presentation}: the id is not the secret's", f"{plan}:{line}"))
    tokens = _tokens(ledger, invites)
    for reader, token in tokens.items():
        total += 1
        if secret.token(reader) != token:
            foreign.append((f"the token of reader {reader} is not the secret's", invites))
    with ledger.reading(run.path("blind") / "study.json"):
        for seat in run.study()["readers"]:
            total += 1
            if hashlib.sha256(secret.token(seat["id"]).encode()).hexdigest() != seat["token_sha256"]:
                what = f"reader {seat['id']}: the hash is not that of the secret's token"
                foreign.append((what, run.path("blind") / "study.json"))
    if foreign and len(foreign) == total:
        ledger.fault("this is not the secret that the run's ids, nonces and tokens come from", run.folder / SECRET)
    else:
        for what, where in foreign:
            ledger.fault(what, where)
    ledger.done("ids, nonces and tokens, worked out again from the secret")


def _tokens(ledger: Ledger, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    if not path.is_file():
        ledger.skip("sealed/invites.csv is not in this folder")
        return found
    with ledger.reading(path):
        text = path.read_text(encoding="utf-8")
        found = {reader: token for reader, _, token in (line.partition(",") for line in text.split("\n")[1:-1])}
        if text != "".join(f"{reader},{token}\n" for reader, token in {"reader": "token", **found}.items()):
            ledger.fault("the table is not as it was written", path)
        seats = {seat["id"]: seat["token_sha256"] for seat in ledger.run.study()["readers"]}
        for number, (reader, token) in enumerate(found.items(), start=2):
            if hashlib.sha256(token.encode()).hexdigest() != seats.get(reader):
                ledger.fault(
                    f"the token of reader {reader} is not the one whose hash readers sign in by", f"{path}:{number}"
                )
    return found


def _images(ledger: Ledger, key: dict[str, Case]) -> None:
    images = {(image.arm, image.key): image for image in ledger.run.manifest()}
    where = ledger.run.path("generate") / "manifest.csv"
    for case in key.values():
        image = images.get((case.arm, case.key))
        if image is None or image.outcome != "made":
            ledger.fault(f"the image of case {case.case} is not among those made", where)
        elif (image.modality, image.condition, image.cluster) != (case.modality, case.condition, case.cluster):
            ledger.fault(f"the image of case {case.case} has another cell or cluster than in the key", where)
    ledger.done("every case's image, cell and cluster")
