"""The gate before a study opens: it passes twins, stops leaks by name, and refuses cases that differ in times."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_fingerprint import film

from lungeval import images
from lungeval.blinding.gate import gate as opened
from lungeval.errors import Exit, LungevalError
from lungeval.progress import Progress
from lungeval.records import Case, Image
from lungeval.runs import Run

SHAPES = {"xray": {"frames": 1, "rows": 64, "cols": 64}}


def study(folder: Path, plant: str = "", n: int = 12) -> tuple[Run, Any, list[Case], list[Image]]:
    """A run's images and cases: reals and fakes are films of one kind, the fakes with fewer levels if planted."""
    run, cases, manifest = Run(folder), [], []
    (run.path("blind") / "cases").mkdir(parents=True)
    for index in range(2 * n):
        arm = "g" if index % 2 else "real"
        pixels = film(index, 64)[None]
        if plant == "levels" and arm == "g":
            pixels = (pixels // 8 * 8).astype(np.uint8)
        file = images.save(np.ascontiguousarray(pixels), run.path("generate"))
        key, case = f"{index:064x}", f"{index * 7919:032x}"
        shared = {"key": key, "arm": arm, "modality": "xray", "condition": "normal", "cluster": f"c{index}"}
        manifest.append(Image(**shared, outcome="made", sha256="0" * 64, file=file, frames=1, rows=64, cols=64, bits=8))
        truth = "real" if arm == "real" else "fake"
        cases.append(Case(**shared, case=case, truth=truth, sha256="0" * 64, nonce="0" * 64))
        path = run.path("blind") / "cases" / f"{case}.raw"
        path.write_bytes(pixels.tobytes())
        os.utime(path, (0, 0))
    blinding, protocol = SimpleNamespace(accept={}), {"seed": 1, "title": "", "name": "twins"}
    locked = SimpleNamespace(
        protocol=SimpleNamespace(blinding=blinding, set=SimpleNamespace(per_patient=1), **protocol)
    )
    return run, locked, cases, manifest


def gate(made: tuple[Run, Any, list[Case], list[Image]], **options: Any) -> dict[str, Any]:
    run, locked, cases, manifest = made
    return opened(run, locked, cases, manifest, SHAPES, Progress(), **options)


def test_twins_pass_and_hard_facts_are_constant(tmp_path: Path) -> None:
    found = gate(study(tmp_path), out=tmp_path / "out")
    assert found["decides"] == "after"
    hard = [row for row in found["facts"] if row["when"] == "after" and row["gate"] == "hard"]
    assert len(hard) > 15
    assert {row["reason"] for row in hard} == {"constant"}
    assert json.loads((tmp_path / "out" / "audit.json").read_text()) == found
    assert "The gate passes" in (tmp_path / "out" / "audit.html").read_text()


def test_a_leak_stops_and_passes_once_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = study(tmp_path, "levels", 9)
    with pytest.raises(LungevalError, match="`distinct_values`") as caught:
        gate(made, out=tmp_path / "out")
    assert caught.value.exit == Exit.AUDIT
    assert (tmp_path / "out" / "audit.json").exists()
    assert f"sheet: {tmp_path / 'out' / 'audit.html'}" in capsys.readouterr().err
    stops = {f.what.split("`")[1] for f in caught.value.faults()}
    made[1].protocol.blinding.accept = dict.fromkeys(stops, "the generator's own levels")
    accepted = {row["fact"] for row in gate(made)["facts"] if row["fires"] and row["accepted"]}
    assert stops <= accepted


def test_lengths_and_times_of_cases_must_be_equal(tmp_path: Path) -> None:
    made = study(tmp_path, n=4)
    one = made[0].path("blind") / "cases" / f"{made[2][3].case}.raw"
    os.utime(one, (5, 5))
    with pytest.raises(LungevalError, match="2 different times"):
        gate(made)


def test_a_patient_in_both_arms_stops(tmp_path: Path) -> None:
    """Clusters are hashed arm by arm; the patients of 0-images/private.csv are not."""
    made = study(tmp_path)
    rows = [f"{image.key},{image.arm},{'Doe^Jane' if n < 2 else f'p{n}'}," for n, image in enumerate(made[3])]
    private = made[0].path("generate") / "private.csv"
    private.write_text("\n".join(["key,arm,patient,path", *rows]) + "\n")
    with pytest.raises(LungevalError, match="1 patient is in both arms: 000000000000 and 000000000000") as caught:
        gate(made, out=tmp_path / "out")
    assert "Doe" not in str(caught.value) + (tmp_path / "out" / "audit.json").read_text()
    private.write_text(private.read_text().replace("Doe^Jane", "ab" * 32))
    gate(made)
    private.write_text(private.read_text().replace("ab" * 32, "7"))
    made[3][:] = [image.model_copy(update={"seed": 7}) for image in made[3]]
    gate(made)
