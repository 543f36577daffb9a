"""The phantom backend: contract, determinism, anatomy, disease, fidelity, Hounsfield units."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lungeval.backends.base import Context, Item, Made
from lungeval.backends.phantom import CONDITIONS, PhantomBackend, draw
from lungeval.backends.phantom.anatomy import LEFT, RIGHT, draw_anatomy
from lungeval.backends.phantom.canvas import Canvas
from lungeval.backends.phantom.disease import Disease, draw_disease
from lungeval.backends.phantom.radiograph import lung_chord, path_lengths, stage
from lungeval.errors import LungevalError
from lungeval.keys import sha256_pixels
from lungeval.protocol import Arm, Cell

XRAY = Cell(modality="xray", condition="no_finding")
CT = Cell(modality="ct", condition="no_finding")


def backend(name: str = "arm", seed: int = 7, makes: Any = (), **options: Any) -> PhantomBackend:
    arm = Arm(backend="phantom", makes=list(makes), options=options)
    return PhantomBackend(Context(name=name, arm=arm, folder=Path(), seed=seed, where="generators/arm.yaml"))


@cache
def picture(modality: str, condition: str, seed: int, size: int = 128, fidelity: float = 1.0) -> Any:
    pixels = draw(modality, condition, seed, size, fidelity)[0].astype(np.float64)
    pixels.setflags(write=False)
    return pixels


def made(phantom: PhantomBackend, items: list[Item]) -> list[Made]:
    return list(phantom.make(items))


@pytest.mark.parametrize("cell", [XRAY, CT])
def test_an_image_is_a_canonical_array_of_twelve_bits(cell: Cell) -> None:
    phantom = backend(size=96)
    one, two = made(phantom, phantom.offer(cell, 2))
    for image in (one, two):
        assert image.outcome == "made"
        assert image.pixels is not None
        assert image.pixels.dtype == np.uint16
        assert image.pixels.shape == (1, 96, 96)
        assert image.pixels.flags.c_contiguous
        assert int(image.pixels.max()) < 4096
        assert image.bits == 12
        assert image.offset == (1024 if cell.modality == "ct" else None)
    assert one.pixels is not None
    assert two.pixels is not None
    assert sha256_pixels(one.pixels) != sha256_pixels(two.pixels)


@pytest.mark.parametrize("modality", ["xray", "ct"])
def test_the_same_seed_draws_the_same_bytes(modality: Any) -> None:
    for fidelity in (1.0, 0.3):
        first, second = (draw(modality, "pneumonia", 3, 96, fidelity) for _ in range(2))
        assert sha256_pixels(first) == sha256_pixels(second)


def test_offers_are_stable_and_prefixes_of_one_another() -> None:
    few, many = backend().offer(XRAY, 5), backend().offer(XRAY, 10)
    assert few == many[:5]
    assert len({item.key for item in many}) == len({item.cluster for item in many}) == 10
    assert all(item.cluster == str(item.seed) and item.prompt == "" for item in many)
    assert {(item.licence, item.source) for item in many} == {("Apache-2.0", "phantom")}


def test_arms_seeds_and_cells_have_different_subjects() -> None:
    sets = [
        backend("a").offer(XRAY, 3), backend("b").offer(XRAY, 3), backend("a", seed=8).offer(XRAY, 3),
        backend("a").offer(CT, 3), backend("a").offer(Cell(modality="xray", condition="nodule"), 3),
    ]  # fmt: skip
    assert len({item.cluster for items in sets for item in items}) == 15


def test_fidelity_and_size_change_the_key_but_not_the_subject() -> None:
    plain, poor, small = (backend(**options).offer(XRAY, 1)[0] for options in ({}, {"fidelity": 0.5}, {"size": 64}))
    assert plain.cluster == poor.cluster == small.cluster
    assert len({plain.key, poor.key, small.key}) == 3


def test_makes_maps_own_words_to_the_protocols() -> None:
    phantom = backend(makes=[{"modality": "xray", "condition": {"pneumonia": "infected", "covid_19": "infected"}}])
    assert phantom.conditions() == {"xray": {"infected"}}
    items = phantom.offer(Cell(modality="xray", condition="infected"), 12)
    assert {item.payload["condition"] for item in items} == {"pneumonia", "covid_19"}
    assert phantom.offer(XRAY, 3) == []
    assert phantom.offer(Cell(modality="ct", condition="infected"), 3) == []
    assert backend().conditions() == {"xray": set(CONDITIONS), "ct": set(CONDITIONS)}


def test_a_condition_that_it_lacks_is_drawn_only_on_request() -> None:
    odd = Cell(modality="xray", condition="sarcoidosis")
    assert backend().offer(odd, 3) == []
    assert backend(makes=[{"modality": "xray", "condition": "sarcoidosis"}]).conditions() == {}
    rehearsal = backend(unknown_condition="no_finding")
    assert rehearsal.conditions() is None
    assert [item.payload["condition"] for item in rehearsal.offer(odd, 2)] == ["no_finding"] * 2
    anything = backend().offer(Cell(modality="ct", condition="any"), 40)
    assert {item.payload["condition"] for item in anything} == set(CONDITIONS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fidelty": 0.5}, "did you mean 'fidelity'?"), ({"size": 32}, "64 to 2048"), ({"size": True}, "64 to 2048"),
        ({"fidelity": 1.5}, "0 (obviously wrong) to 1"), ({"unknown_condition": "nodul"}, "did you mean 'nodule'?"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(LungevalError, match=r"arm\.options") as caught:
        backend(**options)
    assert caught.value.code == "protocol"
    assert says in str(caught.value)


def test_several_bad_options_are_reported_together() -> None:
    with pytest.raises(LungevalError) as caught:
        backend(size=1, fidelity="high", pixels=3)
    assert len(caught.value.faults()) == 3


def test_proportions_are_those_of_a_chest() -> None:
    for seed in range(40):
        healthy, enlarged = draw_anatomy(seed, "no_finding"), draw_anatomy(seed, "cardiomegaly")
        y = np.arange(0.0, healthy.domes[RIGHT].top + 25.0)
        for body, low, high in ((healthy, 0.36, 0.52), (enlarged, 0.55, 0.72)):
            heart = body.border[LEFT](y)[y > 120].max() + body.border[RIGHT](y)[y > 120].max()
            assert low < heart / (2 * body.half_width(y).max()) < high
        assert healthy.domes[LEFT].top > healthy.domes[RIGHT].top
        assert healthy.border[LEFT](0.9 * healthy.height) > 1.3 * healthy.border[RIGHT](0.9 * healthy.height)
        assert healthy.vertebrae[8] < healthy.height + 10 < healthy.vertebrae[11]


def test_a_film_reads_as_a_film() -> None:
    scene = stage(draw_anatomy(5, "no_finding"), 5, 128)
    lung = lung_chord(scene, Disease())
    film = picture("xray", "no_finding", 5)
    heart = (np.abs(scene.u - 15) < 15) & (np.abs(scene.canvas.y - 0.8 * scene.anatomy.height) < 20)
    assert film[lung > 0.6 * lung.max()].mean() < 0.6 * film[heart].mean()
    assert film[:6, :6].mean() < 500 or film[:6, -6:].mean() < 500


def _difference(condition: str, seed: int) -> tuple[Any, Any, Disease]:
    """Soft tissue that a condition adds, on the subject's own canvas."""
    anatomy = draw_anatomy(seed, "no_finding")
    scene, disease = stage(anatomy, seed, 128), draw_disease(anatomy, condition, seed)
    return scene, path_lengths(scene, disease)[0] - path_lengths(scene, Disease())[0], disease


def test_an_effusion_fills_the_costophrenic_angle() -> None:
    scene, added, disease = _difference("effusion", 4)
    for side in disease.fluid:
        dome = scene.anatomy.domes[side]
        wide = float(scene.anatomy.half_width(dome.top))
        angle = (np.abs(scene.u - side * 0.86 * wide) < 8) & (np.abs(scene.canvas.y - dome.top - 12) < 8)
        apex = (scene.u * side > 20) & (scene.canvas.y < 60)
        assert added[angle].mean() > 20
        assert np.abs(added[apex]).mean() < 0.1


def test_a_nodule_adds_its_own_thickness_in_its_place() -> None:
    scene, added, disease = _difference("nodule", 6)
    assert disease.nodule is not None
    x, y, _, radius = disease.nodule
    distance = np.hypot(scene.u - x, scene.canvas.y - y)
    assert 4.0 <= radius <= 12.5
    assert added[distance < 0.5 * radius].mean() > 0.9 * radius
    assert np.abs(added[distance > 1.4 * radius]).max() < 1e-3


def test_pneumonia_is_one_sided_and_covid_is_not() -> None:
    for seed in (1, 2, 3):
        scene, added, _ = _difference("pneumonia", seed)
        sides = sorted(float(np.clip(added, 0, None)[(scene.u * side > 0)].sum()) for side in (RIGHT, LEFT))
        assert sides[0] < 0.15 * sides[1]
        scene, added, disease = _difference("covid_19", seed)
        sides = sorted(float(np.clip(added, 0, None)[(scene.u * side > 0)].sum()) for side in (RIGHT, LEFT))
        assert sides[0] > 0.2 * sides[1]
        assert np.median(disease.clouds[:, 1]) > 0.55 * scene.anatomy.height


def test_hounsfield_units_are_those_of_tissues() -> None:
    for seed in (1, 2, 3):
        units = picture("ct", "no_finding", seed, 192) - 1024
        assert abs(np.percentile(units[:8], 50) + 1000) < 40
        lung = units[(units > -940) & (units < -700)]
        assert -900 < np.median(lung) < -800
        assert 0.08 < lung.size / units.size < 0.6
        assert ((units > -140) & (units < -60)).mean() > 0.03
        assert ((units > 10) & (units < 100)).mean() > 0.06
        assert 300 < units.max() < 1500


def test_disease_shows_in_the_slice() -> None:
    for condition, low, high in (("pneumonia", -700, 80), ("covid_19", -750, -100), ("effusion", -30, 45)):
        gained = []
        for seed in (1, 2, 3):
            ill, well = (picture("ct", name, seed, 128) - 1024 for name in (condition, "no_finding"))
            if condition == "effusion":
                gained.append(((ill > low) & (ill < high)).mean())
            else:
                gained.append(((ill > low) & (ill < high)).mean() - ((well > low) & (well < high)).mean())
        assert max(gained) > 0.01, condition


@pytest.mark.parametrize("modality", ["xray", "ct"])
def test_the_subject_is_the_same_at_every_size(modality: str) -> None:
    for seed in (1, 2):
        large, small = picture(modality, "no_finding", seed, 256), picture(modality, "no_finding", seed, 128)
        halved = large.reshape(128, 2, 128, 2).mean((1, 3))
        assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.985
        assert abs(halved.mean() - small.mean()) < 0.03 * 4095


def _features(modality: str, fidelity: float) -> Any:
    """Log radial spectrum (16 rings) and mean picture (8 x 8) of a set of subjects."""
    images = np.stack([picture(modality, "no_finding", seed, 96, fidelity) for seed in range(4)]) / 4095.0
    power = np.abs(np.fft.fftshift(np.fft.fft2(images), axes=(1, 2))) ** 2
    y, x = np.indices((96, 96)) - 48
    ring = (np.hypot(x, y) / 3.0).astype(int)
    spectrum = np.log([power[:, ring == k].mean() for k in range(1, 16)])
    return spectrum, images.mean(0).reshape(8, 12, 8, 12).mean((1, 3))


@pytest.mark.parametrize("modality", ["xray", "ct"])
def test_distance_from_the_full_model_grows_as_fidelity_falls(modality: str) -> None:
    spectrum, mean = _features(modality, 1.0)
    distances = []
    for fidelity in (1.0, 0.75, 0.5, 0.25, 0.0):
        own, own_mean = _features(modality, fidelity)
        distances.append(float(np.sqrt(((own - spectrum) ** 2).mean()) + 10 * np.sqrt(((own_mean - mean) ** 2).mean())))
    assert distances[0] == 0.0
    assert distances == sorted(distances), distances
    assert distances[-1] > 3 * distances[1]


def test_deposited_mass_is_kept() -> None:
    canvas = Canvas(64, 128.0, -64.0, -64.0)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-60, 60, (2, 5000))
    thickness = canvas.deposit(x, y, np.full(5000, 3.0))
    assert float(thickness.sum()) * canvas.pixel**2 == pytest.approx(15000.0, rel=1e-5)


def test_a_broad_blur_is_a_gaussian() -> None:
    canvas = Canvas(128, 256.0, -128.0, -128.0)
    point = np.zeros((128, 128), np.float32)
    point[64, 64] = 1.0
    blurred = canvas.broad_blur(point, 20.0).astype(float)
    assert blurred.sum() == pytest.approx(1.0, rel=0.02)
    spread = np.sqrt((blurred * (canvas.x - canvas.x[0, 64]) ** 2).sum() / blurred.sum())
    assert spread == pytest.approx(20.0, rel=0.06)
