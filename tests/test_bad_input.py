"""Twelve kinds of bad input, from the command line: place, cause, remedy, documented exit code, no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studies import SMALL, lungeval, write_protocol


def _films(folder: Path, count: int = 12, seed: int = 0) -> Path:
    """A folder of small 8-bit pictures, every one different."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(chance.integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / f"film{number:02d}.png")
    return folder


def _with_folder(tmp_path: Path, folder: Path, **changes: Any) -> Path:
    """The small study with a folder as its one generator."""
    arm = {"name": "mine", "backend": "folder", "path": str(folder)}
    arm |= {"makes": [{"modality": "xray", "condition": "no_finding"}]}
    return write_protocol(tmp_path, generators=[arm], set={"per_generator": 5, "pool": 12}, **changes)


def _fault(code: int, *arguments: str | Path, says: tuple[str, ...]) -> str:
    done = lungeval(*arguments)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for text in says:
        assert text in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reeders": []}, ("small.yaml:", "reeders", "did you mean 'readers'?")),
        ({"seed": "seven"}, ("small.yaml:", "seed", "whole number")),
        (
            {"readers": [{"id": "s1", "kind": "simulated"}, {"id": "s1", "kind": "simulated"}]},
            ("small.yaml:", "readers", "s1", "line"),
        ),
        (
            {"generators": [{"name": "good", "backend": "phantom"}, {"name": "good", "backend": "phantom"}]},
            ("small.yaml:", "generators", "good", "line"),
        ),
    ],
    ids=["misspelt-key", "wrong-type", "two-readers-with-one-id", "duplicate-id"],
)
def test_protocol_faults(tmp_path: Path, change: dict[str, Any], says: tuple[str, ...]) -> None:
    path = write_protocol(tmp_path, **change)
    for command in ("validate", "run"):
        _fault(3, command, path, says=says)
    assert not (tmp_path / "reports").exists()


def test_unknown_backend(tmp_path: Path) -> None:
    path = write_protocol(tmp_path, generators=[{"name": "mine", "backend": "foldr", "path": "x"}])
    _fault(6, "run", path, says=("small.yaml:", "foldr", "did you mean 'folder'?"))
    _fault(6, "validate", path, says=("foldr", "did you mean 'folder'?"))


def test_missing_folder(tmp_path: Path) -> None:
    path = _with_folder(tmp_path, tmp_path / "nowhere")
    _fault(6, "run", path, says=("small.yaml:", str(tmp_path / "nowhere")))
    assert lungeval("validate", path).returncode == 0, "what is not there yet is a warning"
    _fault(6, "validate", path, "--strict", says=("nowhere",))


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    path = _with_folder(tmp_path, tmp_path / "empty")
    _fault(3, "run", path, says=(str(tmp_path / "empty"), "no image"))


def test_unreadable_and_one_colour_images_are_named_and_left_out(tmp_path: Path) -> None:
    folder = _films(tmp_path / "films")
    broken, flat = folder / "film00.png", folder / "film01.png"
    broken.write_bytes(broken.read_bytes()[:300])
    Image.new("L", (40, 40), 128).save(flat)
    path = _with_folder(tmp_path, folder)
    done = lungeval("run", path)
    assert done.returncode == 0, done.stderr
    for name in (str(broken), str(flat)):
        assert f"rejected: {name}" in done.stderr
    manifest = next((tmp_path / "reports").iterdir()) / "0-images" / "manifest.csv"
    assert str(tmp_path) not in manifest.read_text(), "paths are in private.csv alone"
    few = _films(tmp_path / "few", 5, seed=1)
    (few / "film00.png").write_bytes(b"not a picture")
    says = ("arm 'mine'", "asked 5, only 4 eligible", "1 rejected", "lower set.per_generator")
    _fault(3, "run", _with_folder(tmp_path / "other", few), says=says)


def test_sixteen_bit_png_is_taken_without_saturation(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    for number in range(8):
        film = np.random.default_rng(number).permutation(np.linspace(0, 4000 + number, 64 * 64)).astype(np.uint16)
        Image.fromarray(film.reshape(64, 64)).save(folder / f"deep{number}.png")
    path = _with_folder(tmp_path, folder, blinding=SMALL["blinding"] | {"trim": False})  # 64 pixels stay as they are
    done = lungeval("run", path)
    assert done.returncode == 0, done.stderr
    run = next((tmp_path / "reports").iterdir())
    key = (run / "sealed" / "key.csv").read_text().splitlines()
    fakes = [line.split(",")[0] for line in key if ",fake,mine," in line]
    shown = np.fromfile(run / "1-blinded" / "cases" / f"{fakes[0]}.raw", dtype=np.uint8)
    assert len(np.unique(shown)) > 200
    assert shown.max() < 255
    assert shown.max() > 230


def test_duplicate_rows_in_metadata(tmp_path: Path) -> None:
    folder = _films(tmp_path / "films")
    rows = "file,condition\nfilm00.png,no_finding\nfilm01.png,no_finding\nfilm00.png,covid_19\n"
    (folder / "metadata.csv").write_text(rows)
    _fault(3, "run", _with_folder(tmp_path, folder), says=("metadata.csv:4", "film00.png", "2"))


def test_unknown_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("reader,case,truth,label\nr1,a,synthetic,fake\nr1,b,real,rael\n")
    says = ("labels.csv:2", "synthetic", "--map truth.synthetic=", "labels.csv:3", "rael")
    _fault(3, "analyse", path, says=says)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("0-images/manifest.csv", "edited"),
        ("1-blinded/plan.csv", "edited"),
        ("4-scores/results.json", "edited"),
        ("protocol.lock.json", "not the one this run began with"),
    ],
)
def test_a_run_folder_edited_by_hand(tmp_path: Path, file: str, says: str) -> None:
    path = write_protocol(tmp_path)
    assert lungeval("run", path).returncode == 0
    run = next((tmp_path / "reports").iterdir())
    target = run / file
    target.write_text(target.read_text().replace("1", "2", 1) + " ")
    for command in (("run", path), ("digest", run), ("report", run)):
        _fault(5, *command, says=(file.split("/")[-1], says, "put the original back"))
