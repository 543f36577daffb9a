"""NIfTI: nibabel's own orientation, every way of storing one volume, its scale, and what is refused."""

from __future__ import annotations

import gzip
import itertools

import nibabel
import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.images import is_image, read

RIGHT, FRONT, HEAD = 5, 4, 3


def body():
    """HU along left -> right, back -> front, foot -> head: air, with every voxel's own level."""
    return np.arange(RIGHT * FRONT * HEAD, dtype=np.int16).reshape(RIGHT, FRONT, HEAD) - 1000


def expected(ras):
    """Frames from head to foot, rows from front to back, the right on the left."""
    return np.stack([ras[::-1, ::-1, z].T for z in reversed(range(ras.shape[2]))])


def write(path, array, affine=None, **header):
    image = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def what(path, **options):
    with pytest.raises(LungevalError) as caught:
        read(path, **options)
    assert caught.value.code == "image"
    assert caught.value.where == str(path)
    return f"{caught.value.what}; {caught.value.remedy}"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_is_a_stack_of_hounsfield_units(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", body())
    assert is_image(path)
    picture = read(path)
    assert (picture.pixels.dtype, picture.bits, picture.offset) == (np.uint16, 16, 32768)
    np.testing.assert_array_equal(picture.pixels.astype(int) - 32768, expected(body()))


def test_a_voxel_is_where_anatomy_has_it(tmp_path):
    ras = np.full((RIGHT, FRONT, HEAD), -1000, np.int16)
    ras[RIGHT - 1, FRONT - 1, HEAD - 1] = 500  # right, front, head
    picture = read(write(tmp_path / "a.nii", ras))
    assert np.argwhere(picture.pixels == 33268).tolist() == [[0, 0, 0]]  # first frame, top row, left column


@pytest.mark.parametrize(
    ("order", "signs"), list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))
)
def test_however_it_is_stored_it_is_shown_the_same_way(tmp_path, order, signs):
    """All 48 ways; nibabel's as_closest_canonical says what each is."""
    stored = body().transpose(order)[tuple(slice(None, None, s) for s in signs)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (anatomical, sign) in enumerate(zip(order, signs, strict=True)):
        affine[anatomical, axis] = sign
        affine[anatomical, 3] += 0 if sign > 0 else stored.shape[axis] - 1
    path = write(tmp_path / "a.nii", stored, affine)
    canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)
    np.testing.assert_array_equal(canonical, body())
    np.testing.assert_array_equal(read(path).pixels.astype(int) - 32768, expected(canonical))


def test_an_oblique_affine_goes_to_the_nearest_axes(tmp_path):
    turn = np.deg2rad(20)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    path = write(tmp_path / "a.nii", body(), tilt @ affine)
    canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)
    np.testing.assert_array_equal(read(path).pixels.astype(int) - 32768, expected(canonical))


@pytest.mark.parametrize(("slope", "inter"), [(1, 0), (0.5, -1000), (2, -1024), (0, 7), (1, -1024)])
def test_the_scale_is_nibabels(tmp_path, slope, inter):
    stored = (body().astype(int) + 1000).astype(np.uint16)
    path = tmp_path / "a.nii"
    image = nibabel.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope or np.nan, inter if slope else np.nan)
    nibabel.save(image, path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, inter], "<f4").tobytes()  # scl_slope, scl_inter: a slope of 0 means no scale
    path.write_bytes(raw)
    hu = np.rint(nibabel.load(path).get_fdata())
    if hu.min() < 0:
        np.testing.assert_array_equal(read(path).pixels.astype(int) - 32768, expected(hu))
    else:
        assert "not Hounsfield units" in what(path)
        np.testing.assert_array_equal(read(path, levels="grey").pixels, expected(hu))


def test_floating_point_hounsfield_units_are_rounded_half_to_even(tmp_path):
    floats = body().astype(np.float32) + 0.5
    np.testing.assert_array_equal(
        read(write(tmp_path / "a.nii", floats)).pixels.astype(int) - 32768, expected(np.rint(floats))
    )


def test_sixteen_bits_are_not_saturated(tmp_path):
    deep = np.linspace(0, 65535, 60).round().astype(np.uint16).reshape(5, 4, 3)
    picture = read(write(tmp_path / "a.nii", deep), levels="grey")
    np.testing.assert_array_equal(picture.pixels, expected(deep))
    assert (picture.bits, picture.offset) == (16, None)
    whole = np.linspace(-32768, 32767, 60).round().astype(np.int16).reshape(5, 4, 3)
    np.testing.assert_array_equal(read(write(tmp_path / "b.nii", whole)).pixels.astype(int) - 32768, expected(whole))


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 1, 1)])
def test_a_plane_is_one_frame(tmp_path, shape):
    plane = body()[:, :, 0]
    picture = read(write(tmp_path / "a.nii", plane.reshape(shape)))
    np.testing.assert_array_equal(picture.pixels[0].astype(int) - 32768, plane[::-1, ::-1].T)
    assert len(picture.pixels) == 1


def test_a_coronal_plane_has_its_head_at_the_top_and_the_right_on_the_left(tmp_path):
    film = np.arange(20, dtype=np.uint8).reshape(5, 1, 4)  # right, -, head
    picture = read(write(tmp_path / "a.nii", film), levels="grey")
    np.testing.assert_array_equal(picture.pixels[0], film[::-1, 0, ::-1].T)
    side = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)  # -, front, head
    np.testing.assert_array_equal(read(write(tmp_path / "b.nii", side), levels="grey").pixels[0], side[0, ::-1, ::-1].T)


def test_a_grey_8_bit_film_stays_8_bit(tmp_path):
    film = np.arange(20, dtype=np.uint8).reshape(5, 4)
    picture = read(write(tmp_path / "a.nii.gz", film), levels="grey")
    assert (picture.pixels.dtype, picture.bits, picture.offset) == (np.uint8, 8, None)


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (np.full((5, 4, 3), np.nan, np.float32), {}, "NaN or infinite levels; set them to -1024"),
        (np.full((5, 4, 3), 0.5, np.float32), {"levels": "grey"}, "broken numbers for grey levels"),
        (np.full((5, 4, 3), -1, np.int16), {"levels": "grey"}, "levels -1 .. -1 do not fit"),
        (np.full((5, 4, 3), np.inf, np.float64), {"levels": "grey"}, "NaN or infinite"),
        (np.full((5, 4, 3), 40000, np.int32), {}, "Hounsfield units 40000 .. 40000 do not fit"),
        (np.zeros((5, 4, 3, 2), np.int16), {}, "has shape (5, 4, 3, 2); store one plane or one volume"),
        (np.zeros((5,), np.int16), {}, "has shape (5,)"),
        (np.zeros((5, 4, 3), np.complex64), {}, "no plain numbers"),
        (np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")]), {}, "no plain numbers"),
        (np.full((5, 4, 3), -1000, np.int16), {}, "one colour"),
        (np.arange(60, dtype=np.int16).reshape(5, 4, 3), {}, "not Hounsfield units; options: {levels: grey}"),
    ],
)
def test_numbers_that_are_refused(tmp_path, array, options, words):
    assert words in what(write(tmp_path / "a.nii", array), **options)


def test_affines_that_are_refused(tmp_path):
    path = write(tmp_path / "a.nii", body())
    raw = bytearray(path.read_bytes())
    for at in (280, 296, 312):  # the three rows of the sform
        raw[at : at + 16] = np.zeros(4, "<f4").tobytes()
    path.write_bytes(raw)
    assert "affine gives no directions" in what(path)
    assert "pixels of 5.00 x 1.00 mm are not square" in what(
        write(tmp_path / "b.nii", body(), np.diag([1.0, 5.0, 1.0, 1.0]))
    )


def test_a_huge_header_is_refused_before_anything_is_decoded(tmp_path):
    path = write(tmp_path / "a.nii", body())
    raw = bytearray(path.read_bytes())
    raw[40:48] = np.array([3, 20000, 20000, 30000], "<i2").tobytes()
    path.write_bytes(raw)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw))
    assert "too large" in what(path)
    assert "too large" in what(tmp_path / "b.nii.gz")


def test_damage_is_a_clear_refusal_without_the_headers_words(tmp_path):
    path = write(tmp_path / "DOE_JANE.nii.gz", body(), descrip=b"DOE JANE 1970-01-01")
    whole, rng = gzip.decompress(path.read_bytes()), np.random.default_rng(3)
    outcomes = {"read": 0, "refused": 0, "wrongly refused": 0}
    for turn in range(120):
        hurt = bytearray(whole)
        for at in rng.integers(0, 352, rng.integers(1, 6)):
            hurt[at] = rng.integers(0, 256)
        hurt = hurt[: rng.integers(1, len(hurt))] if turn % 4 == 0 else hurt
        packed = gzip.compress(hurt)
        path.write_bytes(packed[: len(packed) // 2] if turn % 10 == 1 else packed)
        try:
            read(path)
            outcomes["read"] += 1
        except LungevalError as error:
            told = error.code == "image" and "DOE" not in error.what
            outcomes["refused" if told else "wrongly refused"] += 1
    assert outcomes["wrongly refused"] == 0
    assert outcomes["refused"] > 20
    assert outcomes["read"] > 5


def test_other_files_with_its_name(tmp_path):
    (tmp_path / "a.nii").write_text("no image")
    (tmp_path / "b.nii.gz").write_bytes(b"")
    assert "damaged or cut short" in what(tmp_path / "a.nii")
    assert "the file is empty" in what(tmp_path / "b.nii.gz")
