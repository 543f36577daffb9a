"""A run on the owner's machine, with a key, whose page a server elsewhere serves; and every secret of it."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinded_folder import Folder, opaque, write_blinded
from studies import write_protocol

from lungeval.files import seal_folder
from lungeval.protocol_files import load_protocol
from lungeval.records import Case, rows_to_csv, to_json
from lungeval.runs import Run, open_run

ARMS = ("real", "zebrafinch", "quokkamill")
CONDITIONS = ("covid_19", "no_finding")
SEED = 918273645
SHAPES = {"xray": (1, 48, 48), "ct": (5, 40, 40)}


@dataclass(frozen=True)
class Sealed:
    """The run, its invite tokens, and the truth of each case."""

    run: Run
    tokens: dict[str, str]
    truth: dict[str, str]
    folder: Folder

    @property
    def secrets(self) -> set[str]:
        """Every word that no reader and no server may come to see."""
        return secrets_of(self.run) | set(self.tokens.values())


def secrets_of(run: Run) -> set[str]:
    """Arms, conditions, clusters, keys, hashes, nonces, case ids, file names and paths, patients, seed and secret."""
    found = {str(run.folder), run.folder.name, str(run.locked().protocol.seed)}
    for table in (run.folder / "sealed" / "key.csv", run.path("generate") / "manifest.csv",
                  run.path("generate") / "private.csv"):  # fmt: skip
        with table.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                wanted = ("arm", "condition", "cluster", "key", "sha256", "nonce", "case", "file", "path", "patient")
                words = [row[name] for name in wanted if row.get(name)]
                found |= {part for word in words for part in (word, Path(word).name, Path(word).stem)}
    secret = (run.folder / "sealed" / "secret").read_text(encoding="utf-8").strip()
    return {word for word in found | {secret} if len(word) > 4}  # `real` and `any` are words of the page as well


def sealed_study(root: Path, *, cases: int = 16, practice: int = 2, **study: Any) -> Sealed:
    """A run with two fake arms, two conditions and two modalities, blinded and sealed by hand.

    Args:
        root: where; the run is root/reports/<name>.
        cases: how many.
        practice: how many more come first.
        study: as `write_blinded`.
    """
    readers = {"r1": "human", "r2": "scripted", "s1": "simulated"}
    protocol = write_protocol(root, seed=SEED, readers=[{"id": name, "kind": kind} for name, kind in readers.items()])
    run = open_run(root / "reports", load_protocol(protocol).protocol, protocol)
    options: dict[str, Any] = {"shapes": SHAPES, "blocks": 2, "repeats": 3, "consent": "I take part."} | study
    folder = write_blinded(run.path("blind"), cases=cases, practice=practice, readers=readers, **options)
    key = [_case(run, number) for number in range(cases + practice)]
    sealed = run.folder / "sealed"
    (sealed / "key.csv").write_text(rows_to_csv(Case, key))
    (sealed / "secret").write_text(opaque("secret") + "\n")
    tokens = {name: token for name, token in folder.tokens.items() if readers[name] != "simulated"}
    (sealed / "invites.csv").write_text("reader,token\n" + "".join(f"{n},{t}\n" for n, t in tokens.items()))
    root_hash = hashlib.sha256(opaque("root").encode()).hexdigest()
    (run.path("blind") / "commitments.json").write_text(to_json({"schema": 1, "root": root_hash, "commitments": {}}))
    images = run.path("generate")
    images.mkdir()
    names = ["key,arm,condition,cluster,file"]
    names += [f"{c.key},{c.arm},{c.condition},{c.cluster},pixels/{c.sha256[:2]}/{c.sha256}.png" for c in key]
    (images / "manifest.csv").write_text("\n".join(names) + "\n")
    places = [f"{c.key},/mnt/hospital/{c.arm}/film-{n:06d}.dcm,patient-{n:06d}" for n, c in enumerate(key)]
    (images / "private.csv").write_text("\n".join(["key,path,patient", *places]) + "\n")
    seal_folder(run.path("blind"))
    return Sealed(run, tokens, {case.case: case.truth for case in key}, folder)


def _case(run: Run, number: int) -> Case:
    arm = ARMS[0] if number % 4 < 2 else ARMS[1 + number % 8 // 6]
    with (run.path("blind") / "cases.csv").open(newline="", encoding="utf-8") as handle:
        row = list(csv.DictReader(handle))[number]
    words = {name: hashlib.sha256(opaque(name, number).encode()).hexdigest() for name in ("key", "nonce", "cluster")}
    return Case.model_validate(
        {
            "case": row["case"], "truth": "real" if arm == "real" else "fake", "arm": arm, "modality": row["modality"],
            "condition": CONDITIONS[number % 3 % 2], "sha256": row["sha256"], **words, "cluster": words["cluster"][:16],
        }
    )  # fmt: skip


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON object in a file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
