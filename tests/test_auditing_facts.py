"""The facts of the leak audit: by hand on small arrays and files, and on sets that leak in exactly one way."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import leaky_sets
import numpy as np
import pytest
from PIL import Image

from lungeval import images
from lungeval.auditing.colour import colour_facts
from lungeval.auditing.encoding import comb, cross_difference, grid_8x8, level_facts
from lungeval.auditing.facts import ACCEPTABLE, FACTS
from lungeval.auditing.files import file_facts, listing_facts
from lungeval.auditing.names import pattern, ranks, words
from lungeval.auditing.pixels import array_facts, border, corner_mark, frame_share, symmetry
from lungeval.auditing.texture import noise_floor, resampling, sharpness, spectrum_slope
from lungeval.errors import LungevalError

BY_NAME = {fact.name: fact for fact in FACTS}
HARD = [fact for fact in FACTS if fact.gate == "hard"]
FILE_KINDS = [fact.name for fact in FACTS if fact.gate == "hard"]
PIXEL_KINDS = [fact.name for fact in FACTS if fact.gate != "hard"]
NOISE = np.random.default_rng(5).normal(0.5, 0.05, (128, 128)).astype(np.float32)


# The catalogue


def test_the_catalogue_is_what_the_functions_measure(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray((NOISE * 255).astype(np.uint8)).save(path)
    measured = [*file_facts(path), *listing_facts([path])[0], *array_facts(images.read(path).pixels, 8)]
    assert sorted(measured) == sorted(BY_NAME)
    assert len(measured) == len(set(measured))


def test_every_fact_says_what_it_is_and_what_removes_it() -> None:
    assert len(BY_NAME) == len(FACTS)
    for fact in FACTS:
        assert fact.what.endswith("."), fact
        assert len(fact.remedy) > 10, fact
        assert (fact.gate == "hard") == (
            fact.group == "transport" or (fact.name not in ACCEPTABLE and fact.group == "encoding")
        )
        assert (fact.gate == "reported") == (fact.group == "pixels")
    assert {"distinct_values", "comb", "grid_8x8", "chroma", "tint", "levels_min", "levels_max"} == ACCEPTABLE


def test_every_fact_has_a_set_that_leaks_in_it() -> None:
    assert sorted(leaky_sets.PLANTS) == sorted(BY_NAME)


# Degenerate images first


@pytest.mark.parametrize("level", [0, 7, 255])
@pytest.mark.parametrize("side", [1, 2, 8, 64])
def test_an_image_of_one_level(side: int, level: int) -> None:
    facts = array_facts(np.full((1, side, side), level, np.uint8), 8)
    assert facts["distinct_values"] == 1
    assert facts["levels_min"] == facts["levels_max"] == facts["mean"] == pytest.approx(level / 255)
    assert facts["frame"] == 1
    assert facts["contrast"] == 0
    for name in ("comb", "dark_share", "bright_share", "spectrum_slope", "resampling", "symmetry"):
        assert facts[name] is None, name
    assert facts["grid_8x8"] in (None, 0)
    assert facts["noise_floor"] in (None, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 3), (8, 8), (9, 33), (31, 31), (32, 500)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_shape_gives_numbers_or_none(shape: tuple[int, int], dtype: type) -> None:
    bits = 8 * np.dtype(dtype).itemsize
    frames = np.random.default_rng(1).integers(0, 2**bits, (2, *shape)).astype(dtype)
    for name, value in array_facts(frames, bits).items():
        assert value is None or (isinstance(value, float) and np.isfinite(value)), name


def test_sixteen_bits_are_read_on_the_same_scale_as_eight() -> None:
    eight = np.random.default_rng(2).integers(20, 230, (1, 96, 96)).astype(np.uint8)
    first, second = array_facts(eight, 8), array_facts(eight.astype(np.uint16) * 257, 16)
    for name in set(first) - {"comb"}:
        assert second[name] == pytest.approx(first[name], rel=1e-4), name
    assert second["comb"] > 0.5 > 0.1 > first["comb"]  # 8 bits in a container of 16: gaps


def test_a_stack_is_the_mean_over_three_frames() -> None:
    frames = np.stack([np.full((16, 16), 10 * k, np.uint8) for k in range(9)])
    assert array_facts(frames, 8)["mean"] == pytest.approx((20 + 40 + 60) / 3 / 255)
    assert array_facts(frames[:2], 8)["mean"] == pytest.approx(5 / 255)


# Encoding facts by hand


def test_histogram_facts_by_hand() -> None:
    frame = np.array([[0, 10], [10, 200]], np.uint8)
    facts = level_facts(frame, 8)
    assert facts["distinct_values"] == 3
    assert (facts["levels_min"], facts["levels_max"]) == (0, pytest.approx(200 / 255))
    assert facts["mean"] == pytest.approx(55 / 255)
    assert facts["contrast"] == pytest.approx(np.std([0, 10, 10, 200]) / 255)
    assert (facts["dark_share"], facts["bright_share"]) == (0.25, 0.25)


def test_comb_by_hand() -> None:
    even = np.tile([1000, 0], 20)
    mean = np.where(np.arange(1, 37) % 2, 1000 / 3, 2000 / 3)  # of neighbouring triples, alternating
    assert comb(even) == pytest.approx(1 - np.mean(np.sqrt(3 * mean / np.pi)) / 1000, abs=1e-3)
    assert comb(np.full(40, 10**8)) == pytest.approx(0, abs=1e-3)
    assert comb(np.arange(1, 41) * 10**8) == pytest.approx(0, abs=1e-3)  # a ramp is smooth
    chance = [comb(np.random.default_rng(k).poisson(200, 200)) for k in range(20)]
    assert abs(float(np.mean(chance))) < 0.003
    spiked = np.full(40, 1000)
    spiked[[0, -1]] = 10**7  # clipped pixels at either end are no comb
    assert comb(spiked) < 0.01
    assert comb(np.array([5, 5, 5])) is None


def test_cross_difference_is_blind_to_ramps() -> None:
    y, x = np.mgrid[:6, :7].astype(np.float32)
    assert np.abs(cross_difference(3 * x + 2 * y)).max() < 1e-5
    step = np.zeros((3, 3), np.float32)
    step[0, 0] = 1
    assert cross_difference(step).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("phase", [0, 3, 7])
def test_jpeg_blocks_are_found_at_any_phase(phase: int) -> None:
    film = _film(144)
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=75)
    plain, blocky = (
        np.asarray(image)[phase : phase + 128, phase : phase + 128].astype(np.float32) / 255
        for image in (film, Image.open(file))
    )
    assert grid_8x8(cross_difference(plain)) < 3
    assert grid_8x8(cross_difference(blocky)) > 8


def test_the_grid_is_told_from_interpolation_and_found_at_quality_75() -> None:
    plain = Image.fromarray(_film(grain=1))
    file = io.BytesIO()
    plain.save(file, "JPEG", quality=75)
    doubled = plain.resize((64, 64), Image.Resampling.BICUBIC).resize((128, 128), Image.Resampling.BICUBIC)
    found = [array_facts(np.asarray(image)[None], 8) for image in (plain, Image.open(file), doubled)]
    assert [facts["grid_8x8"] > 4 for facts in found] == [False, True, False]
    assert [facts["resampling"] > 0.4 for facts in found] == [False, False, True]


def test_the_grid_of_noise_does_not_depend_on_size() -> None:
    rng = np.random.default_rng(3)
    means = [
        np.mean([grid_8x8(cross_difference(rng.normal(0.5, 0.1, (side, side)).astype(np.float32))) for _ in range(12)])
        for side in (96, 128, 512)
    ]
    assert max(means) - min(means) < 0.7


def test_colour_by_hand() -> None:
    grey = np.full((32, 32, 3), 90, np.uint8)
    assert colour_facts(grey) == {"chroma": 0, "tint": 0, "corner_colour": 0}
    warm = grey + np.array([6, 0, -4], np.int16)
    assert colour_facts(warm.astype(np.uint8)) == {"chroma": 5, "tint": 10, "corner_colour": 0}
    wide = warm.astype(np.uint16) * 257
    assert colour_facts(wide)["tint"] == pytest.approx(10)
    grey[-2:, -4:] = (255, 0, 0)  # the lower right corner, 2 x 4 pixels
    assert colour_facts(grey)["corner_colour"] == pytest.approx(1 - 8 / 1024)


# Facts of the picture by hand


def test_border_frame_and_symmetry_by_hand() -> None:
    plane = np.tile(np.linspace(0, 0.9, 40, dtype=np.float32), (40, 1))
    plane[:2], plane[-1:], plane[:, :3] = 1, 1, 1
    assert frame_share(plane) == pytest.approx((2 + 1 + 3) / 80)
    ring = np.zeros((5, 5), np.float32)
    ring[0] = 1
    expected = (5 + 0 + 1 + 1) / 20
    assert border(ring) == {"border_level": pytest.approx(expected), "border_noise": pytest.approx(100 * 2 / 16)}
    left = np.zeros((32, 32), np.float32)
    left[:, :16] = 1
    assert symmetry(left) == pytest.approx(-1)
    assert symmetry((left + left[:, ::-1] + np.arange(32)[:, None]).astype(np.float32)) == pytest.approx(1)


def test_a_corner_mark_is_more_than_an_edge() -> None:
    plane = np.full((128, 128), 0.5, np.float32)
    plane[:, 120:] = 1  # the edge of a body or a frame: one step
    assert corner_mark(plane) == 0
    for number, level in enumerate((0.1, 0.9, 0.1, 0.9, 0.1)):
        plane[126:, 118 + 2 * number : 120 + 2 * number] = level
    assert corner_mark(plane) == pytest.approx(0.8)
    assert corner_mark(plane[:, :20]) is None


def test_noise_and_sharpness_by_hand() -> None:
    assert noise_floor(cross_difference(NOISE)) == pytest.approx(5, rel=0.2)  # sigma 0.05, the quietest tenth of blocks
    assert noise_floor(cross_difference(np.zeros((16, 16), np.float32))) == 0
    assert sharpness(NOISE) == pytest.approx(20 * 0.05**2 * 1e4, rel=0.05)  # 4 ones and a 4: variance x (4 + 16)
    assert sharpness(np.zeros((2, 9), np.float32)) is None


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_the_slope_of_a_known_spectrum(exponent: float) -> None:
    plane = _field(256, exponent)
    # power of a line through a field of power f^-2a falls as f^-(2a - 1)
    expected = -max(0.0, 2 * exponent - 1)
    assert spectrum_slope(plane) == pytest.approx(expected, abs=0.35)


@pytest.mark.parametrize("factor", [0.5, 0.6, 0.75, 0.9])
def test_interpolation_leaves_a_period(factor: float) -> None:
    film = Image.fromarray(_film(256))
    small = film.resize((round(256 * factor),) * 2, Image.Resampling.BICUBIC)
    again = small.resize((256, 256), Image.Resampling.BICUBIC)
    plain, twice = (np.asarray(image).astype(np.float32) / 255 for image in (film, again))
    assert resampling(plain) < 0.35
    assert resampling(twice) > resampling(plain) + 0.1


def test_blur_is_no_resampling() -> None:
    from PIL import ImageFilter

    blurred = Image.fromarray(_film(256)).filter(ImageFilter.GaussianBlur(1.5))
    assert resampling(np.asarray(blurred).astype(np.float32) / 255) < 0.35


def _film(side: int = 128, grain: float = 3) -> np.ndarray:
    """A field of power f^-2.4 with grain, never resampled, uint8."""
    field = _field(side, 1.2)
    noise = np.random.default_rng(10).normal(0, grain, (side, side))
    return np.clip(np.rint(128 + 35 * field / field.std() + noise), 0, 255).astype(np.uint8)


def _field(side: int, exponent: float) -> np.ndarray:
    """White noise whose amplitudes fall as f^-exponent."""
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    f[0, 0] = 1
    white = np.fft.fft2(np.random.default_rng(4).normal(size=(side, side)))
    white[0, 0] = 0
    return np.fft.ifft2(white * f**-exponent).real.astype(np.float32)


# Names and listings


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("person1_bacteria_12.jpeg", "aaaaaa9_aaaaaaaa_99.aaaa", "person bacteria"),
        ("0a1b2c3d4e5f60718293a4b5c6d7e8f9.png", "<h32>.aaa", "none"),
        ("123e4567-e89b-12d3-a456-426614174000.png", "<uuid>.aaa", "none"),
        ("Fake_001.PNG", "Aaaa_999.AAA", "fake"),
        ("Meyer_Anna.png", "Aaaaa_Aaaa.aaa", "#d4a8 #5557"),
        ("0012_r.png", "9999_a.aaa", "r"),
        ("0012F.png", "9999A.aaa", "f"),
        ("film_12_1.png", "aaaa_99_9.aaa", "film 1"),
        ("film_12.png", "aaaa_99.aaa", "film"),
        ("0012_0a1b2c3d.png", "9999_<h8>.aaa", "none"),
        ("<h5>.png", "_a9_.aaa", "none"),
    ],
)
def test_patterns_and_words_of_names(name: str, shape: str, told: str) -> None:
    assert (pattern(name), words(name)) == (shape, told)


def test_ranks_share_ties() -> None:
    assert ranks(["b", "a", "b", "c"]) == [0.5, 0, 0.5, 1]
    assert ranks(["a"]) == [0]


def test_order_is_told_where_files_share_a_listing(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    two = [tmp_path / "a.png", tmp_path / "b.png"]
    assert sorted(facts["order"] for facts in listing_facts(two)) == [0, 1]
    (tmp_path / "metadata.csv").write_text("file,truth\nb.png,x\na.png,y\n")
    assert [facts["order"] for facts in listing_facts(two)] == [1, 0]
    (tmp_path / "other").mkdir()
    two[1].rename(tmp_path / "other" / "b.png")
    assert [facts["order"] for facts in listing_facts([two[0], tmp_path / "other" / "b.png"])] == [1, None]
    assert listing_facts([]) == []


# Files of every format, and damaged ones


def test_facts_of_png_and_jpeg_files(tmp_path: Path) -> None:
    grey = Image.fromarray(_film())
    exif = Image.Exif()
    exif[271] = "Maker"
    grey.save(tmp_path / "a.png", dpi=(72, 72), exif=exif)
    facts = file_facts(tmp_path / "a.png")
    assert facts["header"] == "PNG"
    assert str(facts["chunks"]).split()[0] == "IHDR"
    assert {"pHYs", "eXIf"} <= set(str(facts["chunks"]).split())
    assert (facts["mode"], facts["colour_type"], facts["bit_depth"], facts["dpi"]) == ("L", "grey", "8", "72x72")
    assert facts["exif"] == "271 271=Maker"
    assert facts["quantisation"] == facts["chroma_subsampling"] == facts["icc"] == facts["transfer_syntax"] == "none"
    assert (facts["pixels"], facts["aspect"], facts["chroma"]) == (128 * 128, 1, 0)
    size = (tmp_path / "a.png").stat().st_size
    assert (facts["bytes"], facts["compression"]) == (size, 8 * size / 128**2)
    rgb = Image.fromarray(np.repeat(_film()[..., None], 3, axis=2))
    rgb.save(tmp_path / "b.jpg", quality=80, subsampling="4:2:0", progressive=True, comment="made by x")
    facts = file_facts(tmp_path / "b.jpg")
    assert (facts["header"], facts["progressive"], facts["chroma_subsampling"]) == ("JPEG", "progressive", "4:2:0")
    assert (facts["colour_type"], facts["mode"], str(facts["text_chunks"])[:5]) == ("YCbCr", "RGB", "COM #")
    assert {"APP0:JFIF", "COM", "DQT", "SOF2", "SOS"} <= set(str(facts["chunks"]).split())
    rgb.save(tmp_path / "c.jpg", quality=81, subsampling="4:4:4")
    again = file_facts(tmp_path / "c.jpg")
    assert again["chroma_subsampling"] == "4:4:4"
    assert again["quantisation"] != facts["quantisation"]


def test_facts_of_tiff_dicom_webp_and_unknown_files(tmp_path: Path) -> None:
    grey = Image.fromarray(_film())
    grey.save(tmp_path / "a.tif", compression="tiff_lzw")
    facts = file_facts(tmp_path / "a.tif")
    assert (facts["transfer_syntax"], facts["bit_depth"], facts["colour_type"]) == ("TIFF LZW", "8", "minisblack")
    grey.save(tmp_path / "a.webp", lossless=True)
    assert file_facts(tmp_path / "a.webp")["transfer_syntax"] == "WebP lossless"
    real, _ = leaky_sets.make("transfer_syntax", tmp_path / "dicom", n=1)
    facts = file_facts(real[0])
    assert (facts["header"], facts["transfer_syntax"]) == ("DICOM", "Explicit VR Little Endian")
    assert (facts["bit_depth"], facts["colour_type"], facts["pixels"]) == ("8 of 8", "MONOCHROME2", 128**2)
    series = file_facts(real[0].parent.parent / "real")  # a folder: bytes over all its files
    assert series["bytes"] == sum(path.stat().st_size for path in real[0].parent.iterdir())
    (tmp_path / "case.raw").write_bytes(_film().tobytes())
    facts = file_facts(tmp_path / "case.raw")
    assert (facts["header"], facts["mode"], facts["pixels"], facts["bytes"]) == ("unknown", "none", None, 128**2)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", "dcm", "npz", "nii", "nii.gz"])
def test_damaged_files_yield_what_can_be_told(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"whole.{ending}"
    if ending in ("png", "jpg", "tif", "webp"):
        Image.fromarray(_film()).convert("RGB").save(source)
    elif ending == "npz":
        np.savez(source, x=_film())
    elif ending == "dcm":
        source = leaky_sets.make("transfer_syntax", tmp_path / "dicom", n=1)[0][0]
    else:
        import nibabel

        nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_filename(source)
        assert (file_facts(source)["bit_depth"], file_facts(source)["pixels"]) == ("16", 20)
    whole = source.read_bytes()
    rng = np.random.default_rng(0)
    for length in (0, 3, 40, 150, len(whole) // 2, len(whole) - 1):
        path = tmp_path / f"cut.{ending}"
        path.write_bytes(whole[:length])
        assert file_facts(path)["bytes"] == path.stat().st_size
        flipped = bytearray(whole)
        for place in rng.integers(4, len(whole), 20):
            flipped[place] ^= 0xFF
        path.write_bytes(bytes(flipped))
        assert file_facts(path)["bytes"] == len(whole)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="no such file"):
        file_facts(tmp_path / "gone.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LungevalError, match="no such file"):
        file_facts(tmp_path / "empty")


# Sets that leak in one way


def _measured(real: list[Path], fake: list[Path], pixels: bool) -> tuple[list[dict], list[dict]]:
    rows = [file_facts(path) | place for path, place in zip(real + fake, listing_facts(real + fake), strict=True)]
    if pixels:
        for row, path in zip(rows, real + fake, strict=True):
            picture = images.read(path)
            row |= array_facts(picture.pixels, picture.bits)
    return rows[: len(real)], rows[len(real) :]


def _auc(real: list, fake: list) -> float:
    a, b = np.array(real, float), np.array(fake, float)[:, None]
    return float((b > a).mean() + (b == a).mean() / 2)


def _separates(name: str, real: list[dict], fake: list[dict]) -> bool:
    a, b = [row[name] for row in real], [row[name] for row in fake]
    if BY_NAME[name].kind == "category":
        return not set(a) & set(b)
    return abs(_auc(a, b) - 0.5) >= 0.45


def _differs(name: str, real: list[dict], fake: list[dict]) -> bool:
    """By a permutation test at 0.05 / number of hard facts, or by categories that do not occur in both arms."""
    a, b = [row[name] for row in real], [row[name] for row in fake]
    if BY_NAME[name].kind == "category":
        return set(a) != set(b)
    told = [value for value in a + b if value is not None]
    if len(set(told)) < 2:
        return len(told) not in (0, len(a + b))
    both = np.array(a + b, float)
    seen = abs(_auc(a, b) - 0.5)
    rank = (both[:, None] > both).sum(axis=1) + (both[:, None] == both).sum(axis=1) / 2
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.tile(rank, (2000, 1)), axis=1)[:, : len(b)].sum(axis=1) - len(b) * rank.mean()
    return float(np.mean(np.abs(drawn) >= seen * len(a) * len(b) - 1e-9)) < 0.05 / len(HARD)


@pytest.fixture(scope="module")
def films() -> np.ndarray | None:
    """Films of children without a finding where they are at hand; else drawn ones."""
    folder = Path(os.environ.get("LUNGEVAL_LUNGS") or Path(__file__).parents[2] / "shared" / "lungs")
    if not (folder / "training" / "labelled128.npz").is_file():
        return None
    return leaky_sets.films(folder, 60, np.random.default_rng(0))


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_leak_in_the_file_is_found_by_name(kind: str, tmp_path: Path, films: np.ndarray | None) -> None:
    real, fake = _measured(*leaky_sets.make(kind, tmp_path, n=12, source=films), pixels=False)
    assert _separates(kind, real, fake)
    others = {fact.name for fact in HARD} - {kind} - leaky_sets.SPILLS.get(kind, frozenset())
    assert [name for name in sorted(others) if _differs(name, real, fake)] == []


@pytest.mark.parametrize("kind", PIXEL_KINDS)
def test_a_leak_in_the_pixels_is_found_by_name(kind: str, tmp_path: Path, films: np.ndarray | None) -> None:
    real, fake = _measured(*leaky_sets.make(kind, tmp_path, n=12, source=films), pixels=True)
    assert _separates(kind, real, fake)
    others = {fact.name for fact in HARD} - leaky_sets.FROM_PIXELS
    assert [name for name in sorted(others) if _differs(name, real, fake)] == []


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("dalle_mark", {"corner_colour", "chroma"}),
        ("rgb_tint", {"tint"}),
        ("resampled", {"resampling"}),
        ("scanner", {"noise_floor"}),
    ],
)
def test_other_leaks_are_found(kind: str, found: set[str], tmp_path: Path, films: np.ndarray | None) -> None:
    real, fake = _measured(*leaky_sets.make(kind, tmp_path, n=12, source=films), pixels=True)
    assert {name for name in found if _separates(name, real, fake)} == found


@pytest.mark.parametrize("kind", ["none", "duplicated_patient", "source_is_condition", "unlisted"])
def test_what_no_fact_tells(kind: str, tmp_path: Path, films: np.ndarray | None) -> None:
    """No fact of a file or its pixels: for the confounds and the machine classifier."""
    real, fake = _measured(*leaky_sets.make(kind, tmp_path, n=12, source=films), pixels=True)
    assert [fact.name for fact in FACTS if _differs(fact.name, real, fake)] == []


def test_the_kit_splits_one_source_without_a_patient_in_both_arms(tmp_path: Path) -> None:
    real, fake = leaky_sets.make("none", tmp_path / "a", n=6)
    again, _ = leaky_sets.make("none", tmp_path / "b", n=6)
    assert [path.read_bytes() for path in real] == [path.read_bytes() for path in again]
    patients = [_patients(arm[0].parent) for arm in (real, fake)]
    assert len(patients[0] | patients[1]) == 12
    doubled = leaky_sets.make("duplicated_patient", tmp_path / "c", n=6)
    assert len(_patients(doubled[0][0].parent) & _patients(doubled[1][0].parent)) == 1


def _patients(folder: Path) -> set[str]:
    import csv

    with (folder / "metadata.csv").open(newline="") as handle:
        return {row["patient"] for row in csv.DictReader(handle)}


@pytest.mark.slow
def test_facts_cost_milliseconds() -> None:
    for side, most in ((256, 0.05), (1024, 0.3)):  # seen: 8 and 59 ms, of which text 3 and 27
        frames = _film(side)[None]
        took = []
        for _ in range(5):
            start = time.perf_counter()
            array_facts(frames, 8)
            took.append(time.perf_counter() - start)
        assert min(took) < most
