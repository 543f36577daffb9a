"""The finder of copies: what is planted is found at its distance, and two films are never one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import lungeval
from test_fingerprint import film

from lungeval.duplicates import Item, Shown, find_duplicates, gather, memorisation_page, pairs_page
from lungeval.duplicates import candidates as search
from lungeval.duplicates.comparing import KINDS, compare, seen_back
from lungeval.duplicates.detail import alignment, detail, overlap, turned, view
from lungeval.duplicates.items import Reader, levels
from lungeval.errors import LungevalError
from lungeval.images.arrays import from_array
from lungeval.images.fingerprint import fingerprint
from lungeval.images.picture import HU_OFFSET, Picture
from lungeval.metrics.memorisation import memorised
from lungeval.progress import Progress

ROOT = Path(__file__).parent.parent
QUIET = Progress(quiet=True)


def found_in(images, patients=None, **settings):
    patients = patients or [""] * len(images)
    items = [Item(0, str(number), patient) for number, patient in enumerate(patients)]
    return find_duplicates(items, lambda item: from_array(images[int(item.name)]), **settings)


def kinds(found):
    return {(pair.first, pair.second): pair.found.kind for pair in found.pairs}


def clipped(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_nothing_one_and_what_cannot_be_read() -> None:
    assert found_in([]).pairs == []
    assert found_in([film(1)]).pairs == []
    assert found_in([film(1), film(2), film(3)]).pairs == []

    def broken(item: Item) -> Picture:
        if item.name == "0":
            raise LungevalError("image", "damaged", where="here")
        return from_array(film(1))

    items = [Item(0, str(n)) for n in range(3)]
    found = find_duplicates(items, broken)
    assert found.unread == [(0, "damaged")]
    assert kinds(found) == {(1, 2): "same_pixels"}
    with pytest.raises(LungevalError, match="no image can be read; the first: damaged"):
        find_duplicates(items[:1], broken)


def test_each_change_is_found_named_and_measured() -> None:
    draw, base = np.random.default_rng(0), film(1)
    noisy = clipped(base + draw.normal(0, 0.255, base.shape))
    changed = {
        "same_pixels": base.copy(),
        "noise": noisy,
        "shifted": np.pad(base, ((0, 0), (1, 0)), mode="edge")[:, :-1],
        "flipped": base[:, ::-1],
        "brightness": clipped(base * 0.8 + 10.0),
        "inverted": 255 - base,
        "resized": np.asarray(Image.fromarray(base).resize((64, 64), Image.Resampling.BICUBIC)),
    }
    others = [film(seed) for seed in range(2, 22)]
    for kind, copy in changed.items():
        found = found_in([*others, base, np.ascontiguousarray(copy)])
        assert kinds(found) == {(20, 21): kind}
        said = found.pairs[0].found
        if kind in ("noise", "brightness"):
            true = np.sqrt(np.mean((base - copy.astype(float)) ** 2))
            assert said.distance == pytest.approx(true, rel=1e-12)
        if kind in ("same_pixels", "shifted", "flipped", "inverted"):
            assert said.distance == pytest.approx(0, abs=1e-12)
        if kind == "shifted":
            assert said.shift == (0, -1)
            assert said.changes == ("shifted by 1 column",)
        if kind == "brightness":
            assert (said.gain, said.offset) == (pytest.approx(1.25, abs=0.01), pytest.approx(-12.5, abs=0.5))
            assert said.residual < 0.6
        if kind == "resized":
            assert said.residual < 2
    assert set(changed) | {"same_file", "other"} == set(KINDS)


def test_several_changes_at_once() -> None:
    copy = clipped(np.pad(film(4)[::-1, ::-1], ((3, 0), (0, 0)), mode="edge")[:-3] * 0.9 + 5.0)
    found = found_in([film(4), copy])
    said = found.pairs[0].found
    assert said.kind == "flipped"
    assert said.turn == "turned by 180 degrees"
    assert said.changes[1] == "shifted by 3 rows"
    assert said.residual < 0.6


def test_patients_splits_folders_and_the_order() -> None:
    base = film(1)
    items = [
        Item(0, "0", "a", "train"), Item(0, "1", "b", "train"), Item(0, "2", "a", "test"), Item(1, "3"),
    ]  # fmt: skip
    images = [base, base.copy(), clipped(base + 1.0), base.copy()]
    found = find_duplicates(items, lambda item: from_array(images[int(item.name)]))
    rows = {(pair.first, pair.second): (pair.patients, pair.across) for pair in found.pairs}
    assert rows == {
        (0, 1): ("different", False), (0, 2): ("same", True), (0, 3): ("unknown", True), (1, 2): ("different", True),
        (1, 3): ("unknown", True), (2, 3): ("unknown", True),
    }  # fmt: skip
    assert [(pair.first, pair.second) for pair in found.pairs][:2] == [(1, 2), (0, 1)]  # two patients, across sets
    data = found.to_json(["A", "B"])
    assert (data["images"], data["two_patients"], data["across_sets"]) == (4, 2, 5)
    assert data["counts"] == {"noise": 3, "same_pixels": 3}
    assert "patient" not in json.dumps(data["pairs"]).replace("patients", "")
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize("turn", range(4))
def test_a_pair_seen_from_the_other_side(turn: int) -> None:
    base = film(1)
    moved = turned(np.pad(base, ((2, 0), (0, 3)), mode="edge")[:-2, 3:], turn) * 0.8 + 9.0
    images = [base, clipped(moved), base.copy()]
    found = {(pair.first, pair.second): pair.found for pair in found_in(images).pairs}
    there, back = found[0, 1], found[1, 2]  # the third equals the first
    assert there == compare(base.astype(float), images[1].astype(float), turn=turn, shift=there.shift)
    assert back == compare(images[1].astype(float), base.astype(float), turn=turn, shift=seen_back(there.shift, turn))
    assert back.shift == seen_back(there.shift, turn)
    assert back.gain == pytest.approx(1 / there.gain, rel=0.01)
    assert back.residual < 0.6


def test_a_threshold_of_one_leaves_equal_pixels_alone() -> None:
    images = [film(1), film(1).copy(), clipped(film(1) + np.random.default_rng(0).normal(0, 9, (128, 128)))]
    assert kinds(found_in(images, threshold=1.0)) == {(0, 1): "same_pixels"}
    assert len(found_in(images, threshold=0.5).pairs) == 3


def test_depths_frames_and_hounsfield_units() -> None:
    eight = from_array(film(1))
    sixteen = from_array(film(1).astype(np.uint16) * 257)
    hu = film(1).astype(float) / 255 * 1500 - 1350
    ct = Picture((hu + HU_OFFSET).round().astype(np.uint16)[None], 16, HU_OFFSET)
    stack = from_array(np.stack([film(2), film(1), film(3)]))
    pictures = [eight, sixteen, ct, stack]
    found = find_duplicates([Item(0, str(n)) for n in range(4)], lambda item: pictures[int(item.name)])
    assert len(found.pairs) == 6
    assert max(pair.found.distance for pair in found.pairs) < 0.2
    assert kinds(found)[0, 1] == "same_pixels"  # the same levels in another depth


def test_more_candidates_than_are_looked_at(monkeypatch) -> None:
    draw = np.random.default_rng(0)
    images = [clipped(film(1) + draw.normal(0, 1, (128, 128))) for _ in range(6)]
    monkeypatch.setattr(search, "BLOCK", 4)
    whole = found_in(images)
    assert len(whole.pairs) == 15
    assert whole.notices == []
    monkeypatch.setattr(search, "MOST", 2)
    fewer = found_in(images)
    assert len(fewer.pairs) == 9  # of each image the two behind it that are most alike: 2 + 2 + 2 + 2 + 1
    assert "only the" in fewer.notices[0]


def test_blocks_give_the_same_candidates(monkeypatch) -> None:
    images = [film(seed % 5) if seed < 5 else clipped(film(seed % 5)[:, ::-1] + 1.0) for seed in range(10)]
    rows = search.rows_of([fingerprint(image) for image in images])
    whole = [pair for part, _ in search.candidates(rows) for pair in part]
    monkeypatch.setattr(search, "BLOCK", 3)
    assert [pair for part, _ in search.candidates(rows) for pair in part] == whole
    assert {(i, j, turn) for i, j, turn, _ in whole} == {(n, n + 5, 1) for n in range(5)}


def test_alignment_by_hand() -> None:
    one, other = detail(view(film(1).astype(float))), detail(view(np.roll(film(1), (5, -3), (0, 1)).astype(float)))
    shift, value = alignment(other, one)
    assert shift == (5, -3)
    assert value > 0.9
    assert alignment(one, detail(np.zeros((128, 128), np.uint8)))[1] == 0
    assert abs(alignment(one, detail(view(film(2).astype(float))))[1]) < 0.5
    frame = np.arange(12.0).reshape(3, 4)
    left, right = overlap(frame, frame, (1, -1))
    assert left.tolist() == [[4, 5, 6], [8, 9, 10]]
    assert right.tolist() == [[1, 2, 3], [5, 6, 7]]
    for turn in range(4):
        assert np.array_equal(turned(turned(frame, turn), turn), frame)


def test_compare_finds_a_shift_in_large_frames_that_128_pixels_hide() -> None:
    large = film(3, 512).astype(float)
    moved = np.pad(large, ((0, 0), (1, 0)), mode="edge")[:, :-1]
    said = compare(large, moved)
    assert (said.kind, said.shift, said.distance) == ("shifted", (0, -1), 0.0)
    tall = np.asarray(Image.fromarray(film(3, 256)).resize((128, 256)), float)
    assert compare(tall, film(3, 256).astype(float)).kind in ("resized", "other")  # of another shape: central squares
    flat = compare(np.full((40, 40), 5.0), np.full((40, 40), 9.0))
    assert flat.distance == 4.0


def folders_of(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "train", tmp_path / "test"
    one.mkdir()
    other.mkdir()
    for seed in range(4):
        Image.fromarray(film(seed)).save(one / f"{seed}.png")
    (one / "again.png").write_bytes((one / "2.png").read_bytes())
    (one / "metadata.csv").write_text("file,patient\n0.png,a\n1.png,b\n2.png,c\n3.png,d\nagain.png,secret-name\n")
    Image.fromarray(film(3)[:, ::-1]).save(other / "<b>x.png")
    (other / "cut.png").write_bytes((one / "1.png").read_bytes()[:500])
    np.savez(other / "set.npz", x=np.stack([film(8), film(0)]))
    return one, other


def test_the_verb_and_its_page(tmp_path: Path) -> None:
    one, other = folders_of(tmp_path)
    page = tmp_path / "page.html"
    done = lungeval("duplicates", one, other, "--json", "--out", page)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    pairs = {(p["first"]["file"], p["second"]["file"]): p for p in data["pairs"]}
    assert {name: p["kind"] for name, p in pairs.items()} == {
        ("2.png", "again.png"): "same_file", ("3.png", "<b>x.png"): "flipped", ("0.png", "set.npz[1]"): "same_pixels",
    }  # fmt: skip
    assert pairs["2.png", "again.png"]["patients"] == "different"
    assert data["across_sets"] == 2
    assert [row["file"] for row in data["unread"]] == ["cut.png"]
    html = page.read_text()
    assert "one image under two patients" in html
    assert "secret-name" not in html + done.stdout
    assert "&lt;b&gt;x.png" in html
    assert "<b>x.png" not in html
    assert html.count("data:image/png;base64,") == 9
    assert "default-src 'none'; img-src data:" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in html


def test_what_the_verb_says_and_refuses(tmp_path: Path) -> None:
    from lungeval.duplicates.command import duplicates_of

    one, other = folders_of(tmp_path)
    text = duplicates_of([one, other], threshold=None, out=None, progress=QUIET)[1]
    assert text.startswith("3 pairs of copies among 8 images; 1 of one image under two patients; 2 across folders")
    assert "1 could not be read" in text
    assert "mirrored; in two folders or splits" in text
    alone = tmp_path / "alone"
    alone.mkdir()
    Image.fromarray(film(1)).save(alone / "1.png")
    assert duplicates_of([alone], threshold=0.9, out=None, progress=QUIET)[1] == "No copies among 1 images."
    for folders, threshold, words in (
        ([one, one], None, "given twice"), ([tmp_path / "no"], None, "no such"), ([one], 0.0, "--threshold 0"),
        ([], None, "no folder"),
    ):  # fmt: skip
        with pytest.raises(LungevalError, match=words):
            duplicates_of(folders, threshold=threshold, out=None, progress=QUIET)
    items, notices = gather([one, other], QUIET)
    assert [item.folder for item in items] == [0] * 5 + [1] * 4
    assert notices == []
    assert levels(Reader()(items[-1])).shape == (128, 128)
    with pytest.raises(ValueError, match="lies nowhere"):
        Reader()(Item(0, "x"))


def test_a_page_of_pairs() -> None:
    empty = pairs_page("Nothing", ["None."], [])
    assert "<section" not in empty
    large = np.zeros((400, 800), np.uint8)
    html = pairs_page("T", ["a", "b"], [Shown(large, large, "l", "r", "h", "w", marked=True)], ["n"])
    assert '<section class="pair marked">' in html
    assert html == pairs_page("T", ["a", "b"], [Shown(large, large, "l", "r", "h", "w", marked=True)], ["n"])


def test_the_page_of_memorisation() -> None:
    draw = np.random.default_rng(0)
    fake, training = draw.normal(size=(6, 5)), draw.normal(size=(9, 5))
    fake[2] = training[4]
    found = memorised(fake, training, draw.normal(size=(9, 5)))
    html = memorisation_page(found, film, film, extractor="pixels")
    assert html.count("<section") == 6
    assert "training image 4" in html
    assert "1 of these 6 fakes lie below" in html
    named = memorisation_page(found, film, film, names=([f"f{n}" for n in range(6)], [f"t{n}" for n in range(9)]))
    assert "t4" in named


@pytest.mark.slow
def test_the_copies_planted_among_real_films_are_found(lungs: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "planted_copies.py"], capture_output=True, text=True, check=False,
        env=os.environ | {"LUNGEVAL_LUNGS": str(lungs)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert done.stdout.count("PASS") == 12
