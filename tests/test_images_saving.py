"""Canonical arrays on disc: named by content, byte for byte, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lungeval.errors import LungevalError
from lungeval.images import load, save
from lungeval.keys import sha256_pixels

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(pixels=arrays(st.sampled_from([np.uint8, np.uint16]), SHAPES))
def test_what_is_saved_is_loaded_byte_for_byte(tmp_path_factory, pixels):
    folder = tmp_path_factory.mktemp("store")
    name = save(pixels, folder)
    again = load(folder / name)
    assert again.dtype == pixels.dtype
    assert again.shape == pixels.shape
    assert again.tobytes() == pixels.tobytes()
    assert sha256_pixels(again) == sha256_pixels(pixels)


def test_the_name_is_the_content(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)
    digest = sha256_pixels(pixels)
    assert save(pixels, tmp_path) == f"pixels/{digest[:2]}/{digest}.png"
    stack = np.concatenate([pixels, pixels])
    assert save(stack, tmp_path) == f"pixels/{sha256_pixels(stack)[:2]}/{sha256_pixels(stack)}.tif"
    assert sorted(p.suffix for p in tmp_path.rglob("*") if p.is_file()) == [".png", ".tif"]


def test_a_file_that_is_there_is_left_alone(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    path = tmp_path / save(pixels, tmp_path)
    before = path.stat().st_mtime_ns
    save(pixels, tmp_path)
    assert path.stat().st_mtime_ns == before


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("lungeval.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_same_array_gives_the_same_bytes(tmp_path):
    stack = np.random.default_rng(0).integers(0, 65536, (3, 20, 20), dtype=np.uint16)
    first, second = tmp_path / "a", tmp_path / "b"
    assert (first / save(stack, first)).read_bytes() == (second / save(stack, second)).read_bytes()


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 3), np.uint8), np.zeros((1, 3, 3), np.int16), np.zeros((1, 0, 3), np.uint8)]
)
def test_what_is_not_canonical_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="not a canonical array"):
        save(wrong, tmp_path)


def test_a_damaged_or_missing_file_is_reported_as_changed(tmp_path):
    path = tmp_path / save(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    for wrong in (path, tmp_path / "absent.png", tmp_path / "absent.tif"):
        with pytest.raises(LungevalError, match="restore the file") as caught:
            load(wrong)
        assert caught.value.code == "changed"


def test_a_colour_png_in_the_store_is_reported_as_changed(tmp_path):
    from PIL import Image

    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    with pytest.raises(LungevalError, match="PNG of mode RGB"):
        load(tmp_path / "a.png")
