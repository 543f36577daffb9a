"""The order of slices, and what makes no stack."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import write_series

from lungeval.errors import LungevalError
from lungeval.images import picture as limits
from lungeval.images.headers import Header, read_header
from lungeval.images.reading import read_stack
from lungeval.images.series import order_of, order_slices

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)
UPSIDE_DOWN = (1, 0, 0, 0, -1, 0)


def volume(n=4, side=8):
    return np.random.default_rng(n).integers(0, 4096, (n, side, side)).astype(np.uint16)


@pytest.mark.parametrize(
    ("orientation", "axis", "first"),
    [(AXIAL, 2, "highest"), (UPSIDE_DOWN, 2, "highest"), (CORONAL, 1, "lowest"), (SAGITTAL, 0, "lowest")],
)
def test_head_to_foot_front_to_back_right_to_left(orientation, axis, first):
    """Patient axes grow towards the left, the back and the head (DICOM PS3.3 C.7.6.2.1.1)."""
    places = np.zeros((9, 3))
    places[:, axis] = np.random.default_rng(0).permutation(9) * 2.5
    order, notices = order_of(places, [orientation] * 9)
    assert notices == []
    along = places[order, axis]
    assert (along == sorted(along, reverse=first == "highest")).all()


def test_a_tilted_gantry_is_projected_on_the_normal():
    turn = np.deg2rad(25)
    orientation = (1, 0, 0, 0, np.cos(turn), np.sin(turn))
    places = [(0, 100 - 3.0 * i, 50 + 1.0 * i) for i in range(6)]  # moves in y and z; the normal is (0, -sin, cos)
    order, _ = order_of(places, [orientation] * 6)
    along = np.asarray(places) @ np.cross(orientation[:3], orientation[3:])
    assert order == list(np.argsort(-along))


def test_gaps_are_noticed():
    heights = [0, 5, 10, 20, 25, 40]
    order, notices = order_of([(0, 0, h) for h in heights], [AXIAL] * 6)
    assert order == [5, 4, 3, 2, 1, 0]
    assert notices == ["3 slices seem to be missing: 2 gaps are wider than 1.5 times the usual one"]
    _, uneven = order_of([(0, 0, h) for h in (0, 5, 10.8, 15, 20)], [AXIAL] * 5)
    assert uneven == ["the slices lie unevenly: gaps of 4.20 to 5.80 mm"]
    assert order_of([(0, 0, h) for h in (0, 5, 10.1, 15, 20)], [AXIAL] * 5)[1] == []


def slices(n=4, **differences):
    """Headers of n slices; the last one differs."""
    made = [Header("ct", "P1", rows=8, cols=8, position=(0, 0, -5.0 * i), orientation=AXIAL) for i in range(n)]
    return [*made[:-1], Header(**{**vars(made[-1]), **differences})]


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ({"rows": 9}, "have 2 sizes"),
        ({"patient": "P2"}, "name several patients"),
        ({"position": None}, "1 of the 4 slices of one series do not say where they lie"),
        ({"orientation": None}, "do not say where they lie"),
        ({"orientation": CORONAL}, "have several directions"),
        ({"position": (0, 0, -5.0)}, "1 of the 4 slices of one series lie where another one lies: several acquisit"),
    ],
)
def test_what_makes_no_stack(differences, words):
    with pytest.raises(LungevalError) as caught:
        order_slices(slices(**differences))
    assert words in caught.value.what
    assert "P1" not in str(caught.value)
    assert "P2" not in str(caught.value)


def test_directions_of_nothing():
    with pytest.raises(LungevalError, match="have no direction"):
        order_of([(0, 0, 0), (0, 0, 1)], [(1, 0, 0, 1, 0, 0)] * 2)


def test_a_stack_has_every_slices_hounsfield_units(tmp_path):
    stored = volume()
    paths = write_series(tmp_path, stored)
    picture = read_stack(paths, 8, 8)
    np.testing.assert_array_equal(picture.pixels.astype(int) - picture.offset, stored.astype(int) - 1024)
    assert (picture.bits, picture.offset) == (16, 32768)


def test_each_slice_has_its_own_scale(tmp_path):
    stored = volume(2)
    first = write_series(tmp_path / "a", stored[:1])
    second = write_series(tmp_path / "b", stored[1:], RescaleIntercept=-2000, RescaleSlope=2)
    hu = read_stack([*first, *second], 8, 8).pixels.astype(int) - 32768
    np.testing.assert_array_equal(hu, [stored[0].astype(int) - 1024, stored[1].astype(int) * 2 - 2000])


def test_a_damaged_slice_is_named_by_its_number_in_the_reason_and_its_path_in_the_place(tmp_path):
    paths = write_series(tmp_path, volume())
    paths[2].write_bytes(paths[2].read_bytes()[:-20])
    with pytest.raises(LungevalError) as caught:
        read_stack(paths, 8, 8)
    assert caught.value.what == "slice 3 of 4: the image is damaged or cut short (ValueError)"
    assert caught.value.where == str(paths[2])


def test_a_slice_of_another_shape_or_kind(tmp_path):
    paths = write_series(tmp_path, volume())
    with pytest.raises(LungevalError, match="slice 1 of 4 is not one CT slice of 9 x 8 pixels"):
        read_stack(paths, 9, 8)


def test_a_stack_that_is_too_large_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TOTAL", 100)
    absent = [tmp_path / f"{i}.dcm" for i in range(5000)]
    with pytest.raises(LungevalError, match="the image is too large: 5000 x 8 x 8 pixels"):
        read_stack(absent, 8, 8)


def test_a_header_says_where_a_slice_lies(tmp_path):
    header = read_header(write_series(tmp_path, volume(1), patient="P7", AccessionNumber="ACC12345")[0])
    assert (header.modality, header.patient, header.series) == ("ct", "P7", "1.2.3.4")
    assert (header.rows, header.cols, header.frames, header.image) == (8, 8, 1, True)
    assert (header.position, header.orientation) == ((-100.0, -120.0, 0.0), AXIAL)
    assert "ACC12345" in header.identifiers
    assert "ACC12345" not in repr(header)
