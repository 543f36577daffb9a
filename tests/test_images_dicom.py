"""DICOM: every compression against the array that was encoded, odd bit layouts, and how files want to be shown."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from dicom_files import write_dicom
from encoded_frames import frame, levels
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.sequence import Sequence

from lungeval.errors import LungevalError
from lungeval.images import read
from lungeval.images.voi import windowed

DEEP = np.linspace(0, 4095, 64 * 64).round().astype(np.uint16).reshape(64, 64)


def what(path, **options):
    with pytest.raises(LungevalError) as caught:
        read(path, **options)
    return caught.value


# --- compressed transfer syntaxes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "syntax", "bits"),
    [
        ("sv1_12", uid.JPEGLosslessSV1, 12), ("sv1_16", uid.JPEGLosslessSV1, 16),
        ("sv1_16", uid.JPEGLossless, 16),
        ("jls_12", uid.JPEGLSLossless, 12), ("jls_16", uid.JPEGLSLossless, 16),
        ("htj2k_12", uid.HTJ2KLossless, 12), ("htj2k_16", uid.HTJ2K, 16),
    ],
)  # fmt: skip
def test_lossless_frames_come_back_to_the_level(tmp_path, name, syntax, bits):
    path = write_dicom(tmp_path / "a.dcm", levels(bits), bits=bits, syntax=syntax, frame=frame(name))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels[0], levels(bits))
    assert (picture.bits, picture.stated) == (bits, True)


@pytest.mark.parametrize(
    ("name", "syntax", "bits"), [("jpeg8_8", uid.JPEGBaseline8Bit, 8), ("jpeg8_12", uid.JPEGExtended12Bit, 12)]
)
def test_lossy_frames_are_close_and_keep_their_depth(tmp_path, name, syntax, bits):
    path = write_dicom(tmp_path / "a.dcm", levels(bits), bits=bits, syntax=syntax, frame=frame(name))
    picture = read(path)
    assert np.abs(picture.pixels[0].astype(int) - levels(bits)).max() <= 2
    assert picture.bits == bits


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize(
    "array",
    [DEEP, DEEP * 16, (DEEP // 16).astype(np.uint8), (DEEP.astype(int) - 2048).astype(np.int16), np.stack([DEEP] * 3)],
    ids=["12", "16", "8", "signed", "frames"],
)
def test_frames_that_pydicom_encodes_come_back(tmp_path, syntax, array):
    bits = 8 if array.dtype == np.uint8 else 12 if int(array.max()) < 4096 else 16
    plain = read(write_dicom(tmp_path / "a.dcm", array, bits=bits))
    packed = read(write_dicom(tmp_path / "b.dcm", array, bits=bits, syntax=syntax))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)
    expected = array.astype(int) + (2 ** (bits - 1) if array.dtype == np.int16 else 0)
    np.testing.assert_array_equal(plain.pixels, expected.reshape(plain.pixels.shape))


def test_compressed_ct_keeps_its_hounsfield_units(tmp_path):
    tags = {"modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024, "bits": 16}
    signed = (DEEP.astype(int) - 1000).astype(np.int16)
    for syntax in (None, uid.RLELossless, uid.JPEG2000Lossless):
        path = write_dicom(tmp_path / "a.dcm", signed, syntax=syntax, **tags)
        np.testing.assert_array_equal(read(path).pixels[0].astype(int) - 32768, signed.astype(int) - 1024)


def test_an_unknown_syntax_is_refused_without_its_words(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", levels(8), syntax=uid.RLELossless)
    path.write_bytes(path.read_bytes().replace(uid.RLELossless.encode(), b"1.2.99.20070404.1.2"))
    error = what(path)
    assert "a syntax that DICOM does not know" in error.what
    assert "20070404" not in str(error.what + error.remedy)


@pytest.mark.parametrize("kind", ["png", "tif", "npz", "dcm", "rle.dcm", "j2k.dcm", "nii", "nii.gz"])
def test_sixteen_bits_reach_the_canonical_array_in_every_format(tmp_path, kind):
    """Every level of 16 bits, the highest among them: none is clipped, halved or merged."""
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        Image.fromarray(every).save(path)
    elif kind == "tif":
        tifffile.imwrite(path, every)
    elif kind == "npz":
        np.savez(path, x=every)
    elif kind.startswith("nii"):
        nibabel.save(nibabel.Nifti1Image(every.T[::-1, ::-1], np.eye(4)), path)
    else:
        write_dicom(path, every, syntax={"rle.dcm": uid.RLELossless, "j2k.dcm": uid.JPEG2000Lossless}.get(kind))
    picture = read(path, levels="grey")
    np.testing.assert_array_equal(picture.pixels[0], every)
    assert (picture.pixels.dtype, picture.bits) == (np.uint16, 16)


# --- bit layouts -----------------------------------------------------------------------------------------------------


def test_levels_in_the_upper_bits_of_their_words(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", DEEP << 4, bits=12, HighBit=15)
    picture = read(path)
    assert picture.bits == 12
    np.testing.assert_array_equal(picture.pixels[0], DEEP)


def test_signed_levels_in_the_upper_bits(tmp_path):
    signed = (DEEP.astype(int) - 2048).astype(np.int16)
    tags = {"modality": "CT", "RescaleSlope": 1, "RescaleIntercept": 0, "bits": 12, "HighBit": 15}
    picture = read(write_dicom(tmp_path / "a.dcm", signed << 4, **tags))
    np.testing.assert_array_equal(picture.pixels[0].astype(int) - 32768, signed)


def test_what_lies_in_unused_bits_is_no_level(tmp_path):
    noisy = DEEP | 0x8000  # an overlay bit of old files
    np.testing.assert_array_equal(read(write_dicom(tmp_path / "a.dcm", noisy, bits=12)).pixels[0], DEEP)


def test_a_high_bit_that_does_not_fit(tmp_path):
    assert "HighBit 9 does not fit 12 bits" in what(write_dicom(tmp_path / "a.dcm", DEEP, bits=12, HighBit=9)).what


# --- how a radiograph wants to be shown ------------------------------------------------------------------------------


def to_unit(ds):
    """What pydicom makes of a file, 0 .. 1."""
    out = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(float)
    top = 2.0**ds.BitsStored - 1
    return out / top if ds.PhotometricInterpretation == "MONOCHROME2" else 1 - out / top


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_windows_are_pydicoms(tmp_path, function, photometric):
    tags = {"WindowCenter": [2000, 99], "WindowWidth": [1501, 7], **({"VOILUTFunction": function} if function else {})}
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, photometric=photometric, **tags)
    picture = read(path)
    assert picture.bits == 16
    np.testing.assert_allclose(picture.pixels[0] / 65535, to_unit(pydicom.dcmread(path)), atol=1e-5)
    assert len(np.unique(picture.pixels)) > 1400  # no levels merge inside the window


def test_a_window_of_rescaled_levels(tmp_path):
    """By hand: pydicom scales such a window's output to the rescaled range, which a picture has not."""
    for slope in (2.0, -2.0):
        tags = {"RescaleSlope": slope, "RescaleIntercept": 100, "WindowCenter": slope * 2000 + 100, "WindowWidth": 4001}
        picture = read(write_dicom(tmp_path / "a.dcm", DEEP, bits=12, **tags))
        x = DEEP * slope + 100
        by_hand = np.clip((x - (slope * 2000 + 100 - 0.5)) / 4000 + 0.5, 0, 1)
        np.testing.assert_allclose(picture.pixels[0] / 65535, by_hand, atol=1e-5)


def test_a_falling_rescale_inverts_without_a_window(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, RescaleSlope=-1, RescaleIntercept=4095)
    np.testing.assert_array_equal(read(path).pixels[0], 4095 - DEEP)
    np.testing.assert_array_equal(read(path, voi="none").pixels[0], DEEP)


def table(first, entries, bits=16, vr="US"):
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "US", [int(value) for value in entries])
    return Sequence([item])


def test_a_voi_table_is_pydicoms_and_comes_before_windows(tmp_path):
    curve = (65535 * np.linspace(0, 1, 3000) ** 2).astype(np.uint16)
    tags = {"VOILUTSequence": table(500, curve), "WindowCenter": 40, "WindowWidth": 80}
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, **tags)
    ds = pydicom.dcmread(path)
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels[0], apply_voi_lut(ds.pixel_array, ds))
    np.testing.assert_array_equal(picture.pixels[0], curve[np.clip(DEEP.astype(int) - 500, 0, 2999)])
    assert picture.bits == 16


def test_a_modality_table_then_a_voi_table(tmp_path):
    first = (np.arange(4096) // 4).astype(np.uint16)[::-1]
    second = (np.arange(1024) // 4).astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, ModalityLUTSequence=table(0, first, 10))
    np.testing.assert_array_equal(read(path).pixels[0], first[DEEP])
    assert read(path).bits == 10
    both = {"ModalityLUTSequence": table(0, first, 10), "VOILUTSequence": table(0, second, 8)}
    path = write_dicom(tmp_path / "b.dcm", DEEP, bits=12, **both)
    np.testing.assert_array_equal(read(path).pixels[0], second[first[DEEP]])
    wide = {"ModalityLUTSequence": table(0, first, 16), "VOILUTSequence": table(0, second, 16)}
    ds = pydicom.dcmread(write_dicom(path, DEEP, bits=12, **wide))  # pydicom knows tables of 8 and 16 bits alone
    np.testing.assert_array_equal(read(path).pixels[0], apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds))


def test_signed_levels_through_a_voi_table(tmp_path):
    signed = (DEEP.astype(int) - 2048).astype(np.int16)
    curve = np.arange(4096, dtype=np.uint16)
    path = write_dicom(tmp_path / "a.dcm", signed, bits=12, VOILUTSequence=table(-2048, curve, 12, vr="SS"))
    np.testing.assert_array_equal(read(path).pixels[0], DEEP)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", "INVERSE", True), ("MONOCHROME1", "", True), ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True), ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "", False),
    ],
)  # fmt: skip
def test_an_inverse_is_applied_once(tmp_path, photometric, shape, inverted):
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, photometric=photometric, PresentationLUTShape=shape)
    np.testing.assert_array_equal(read(path).pixels[0], 4095 - DEEP.astype(int) if inverted else DEEP)
    stored = 4095 - DEEP.astype(int) if photometric == "MONOCHROME1" else DEEP
    np.testing.assert_array_equal(read(path, voi="none").pixels[0], stored)


def test_none_applies_nothing(tmp_path):
    tags = {"WindowCenter": 40, "WindowWidth": 80, "VOILUTSequence": table(0, np.arange(9))}
    picture = read(write_dicom(tmp_path / "a.dcm", DEEP, bits=12, **tags), voi="none")
    np.testing.assert_array_equal(picture.pixels[0], DEEP)
    assert picture.bits == 12


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 40, "WindowWidth": 0}, {"WindowCenter": 40, "WindowWidth": 80, "VOILUTFunction": "DOE_JANE"},
        {"VOILUTSequence": table(0, [1, 2, 300], 8)},
    ],
)  # fmt: skip
def test_what_cannot_be_applied_is_refused_with_the_way_out(tmp_path, tags):
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12, **tags)
    error = what(path)
    assert "cannot be applied" in error.what
    assert "options: {voi: none}" in error.remedy
    assert "DOE" not in error.what
    assert read(path, voi="none").bits == 12


def test_the_formulas_of_windows_at_their_edges():
    """DICOM PS3.3 C.11.2.1.2, note 1: c = 2048, w = 4096 and c = 2048, w = 1."""
    x = np.array([0, 1, 2047, 2048, 4095])
    np.testing.assert_allclose(windowed(x, 2048, 4096), x / 4095)
    assert windowed(x, 2048, 1).tolist() == [0, 0, 0, 1, 1]
    assert windowed(np.array([1.0]), 1, 5, "SIGMOID").tolist() == [0.5]
    exact = apply_windowing_of(x, 2048.0, 4096.0)
    np.testing.assert_allclose(windowed(x, 2048, 4096), exact, atol=1e-9)


def apply_windowing_of(x, centre, width):
    ds = Dataset()
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 12, 0
    ds.WindowCenter, ds.WindowWidth = centre, width
    return apply_windowing(x.astype(np.uint16), ds) / 4095


# --- several frames --------------------------------------------------------------------------------------------------


def enhanced(path, volume, heights, intercepts):
    """An enhanced CT of a file, its frames where `heights` say, each with its own intercept."""
    groups = []
    for height, intercept in zip(heights, intercepts, strict=True):
        group, place, plane, scale = (Dataset() for _ in range(4))
        place.ImagePositionPatient = [0.0, 0.0, height]
        plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        scale.RescaleSlope, scale.RescaleIntercept = 1, intercept
        group.PlanePositionSequence, group.PlaneOrientationSequence = Sequence([place]), Sequence([plane])
        group.PixelValueTransformationSequence = Sequence([scale])
        groups.append(group)
    tags = {"SOPClassUID": uid.EnhancedCTImageStorage, "PerFrameFunctionalGroupsSequence": Sequence(groups)}
    return write_dicom(path, volume, modality="CT", bits=12, **tags)


def test_frames_of_an_enhanced_ct_run_from_head_to_foot_each_by_its_own_scale(tmp_path):
    volume = np.stack([DEEP, DEEP[::-1], DEEP.T])
    picture = read(enhanced(tmp_path / "a.dcm", volume, [10.0, 30.0, 20.0], [-1000, -1010, -1020]))
    hu = volume.astype(int) + np.array([-1000, -1010, -1020])[:, None, None]
    np.testing.assert_array_equal(picture.pixels.astype(int) - 32768, hu[[1, 2, 0]])
    assert "lie where another one lies" in what(enhanced(tmp_path / "a.dcm", volume, [1.0, 1.0, 2.0], [0, 0, 0])).what


def test_no_exception_of_a_reader_is_quoted(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", DEEP, bits=12)
    path.write_bytes(path.read_bytes().replace(b"MONOCHROME2 ", b"DOE^JANE1970"))
    error = what(path)
    assert "DOE" not in error.what + error.remedy
    path = write_dicom(tmp_path / "DOE^JANE.dcm", DEEP, modality="CT", RescaleSlope="1", RescaleIntercept="12345678")
    path.write_bytes(path.read_bytes().replace(b"12345678", b"DOE^JANE"))
    error = what(path)
    assert "damaged or cut short (" in error.what
    assert "DOE" not in error.what + error.remedy
