"""Near-duplicates are found after resizing, JPEG, brightness, noise and mirroring; patients are told apart."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungeval.errors import LungevalError
from lungeval.images.fingerprint import ALIKE, alike, fingerprint, likeness, near


@lru_cache(maxsize=200)
def film(seed: int, side: int = 128) -> np.ndarray:
    """A smooth random picture with detail of several pixels."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(128, 128)), 3) * 8 + gaussian_filter(rng.normal(size=(128, 128)), 12) * 40
    levels = np.clip(128 + 25 * field, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC))


def changed(pixels: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    picture = Image.fromarray(pixels)
    if how == "resized":
        share = rng.uniform(0.5, 1.6)
        size = (round(picture.width * share), round(picture.height * share))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    if how == "jpeg":
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(40, 80)))
        picture = Image.open(file)
    levels = np.asarray(picture).astype(float)
    if how == "brighter":
        levels = levels * rng.uniform(0.85, 1.15) + rng.uniform(-15, 15)
    if how == "gamma":
        levels = 255 * (levels / 255) ** rng.uniform(0.75, 1.33)
    if how == "mirrored":
        levels = levels[:, ::-1]
    if how == "noisy":
        levels = levels + rng.normal(0, 6, levels.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


CHANGES = ("resized", "jpeg", "brighter", "gamma", "mirrored", "noisy")


@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_copy_is_alike(how: str) -> None:
    rng = np.random.default_rng(1)
    assert alike(fingerprint(film(1)), fingerprint(changed(film(1), how, rng)))


def test_two_films_are_not_alike() -> None:
    prints = [fingerprint(film(seed)) for seed in range(20)]
    assert [(i, j) for i, j, _ in near(prints, prints) if i != j] == []
    assert likeness(prints, prints).shape == (20, 20)
    assert np.diag(likeness(prints, prints)) == pytest.approx(1.0)


def test_depth_frames_and_oblongs() -> None:
    eight = film(2)
    sixteen = eight.astype(np.uint16) * 257
    stack = np.stack([film(3), eight, film(4)])
    wide = np.pad(eight, ((0, 0), (20, 20)))
    for other in (sixteen, stack, eight[None], wide):
        assert alike(fingerprint(eight), fingerprint(other))
    assert len(bytes.fromhex(fingerprint(eight))) == 576


def test_an_empty_image_is_like_nothing() -> None:
    flat = fingerprint(np.full((40, 40), 7, np.uint8))
    assert not alike(flat, fingerprint(film(1)))
    assert not alike(flat, flat)


def test_not_a_fingerprint() -> None:
    with pytest.raises(LungevalError, match="not a fingerprint"):
        likeness(["abc"], ["abc"])
    with pytest.raises(LungevalError, match="not a fingerprint"):
        likeness(["abcd"], [fingerprint(film(1))])


@pytest.mark.slow
def test_real_films_of_different_patients_are_told_apart_and_planted_copies_found(lungs: Path) -> None:
    images, patients = real_images(lungs)
    prints = [fingerprint(image) for image in images]
    pairs = [(i, j) for i, j, _ in near(prints, prints) if i < j]
    assert [(patients[i], patients[j]) for i, j in pairs if patients[i] != patients[j]] == []
    rng = np.random.default_rng(0)
    for how in CHANGES:
        chosen = rng.choice(len(images), 300, replace=False)
        found = [alike(fingerprint(changed(images[i], how, rng)), prints[i]) for i in chosen]
        assert np.mean(found) > 0.95, how
    assert ALIKE == 0.95  # the documented figures are those of this threshold


def real_images(lungs: Path) -> tuple[list[np.ndarray], list[str]]:
    with np.load(lungs / "training" / "labelled128.npz") as held:
        images, patients = list(held["x"]), [str(p) for p in held["patient"]]
    with (lungs / "real" / "metadata.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            images.append(np.asarray(Image.open(lungs / "real" / row["file"]).convert("L")))
            patients.append(row["patient_id"])
    return images, patients
