"""Every format, written here and read back: one channel, full depth, upright; and what is refused, with its words."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pydicom
import pytest
import tifffile
from dicom_files import write_dicom
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from lungeval.errors import LungevalError
from lungeval.images import is_image, read
from lungeval.images.picture import luma, on_black, upright


def ramp(rows=6, cols=9, top=255, dtype=np.uint8):
    return np.linspace(0, top, rows * cols).round().astype(dtype).reshape(rows, cols)


def refusal(path):
    with pytest.raises(LungevalError) as caught:
        read(path)
    assert caught.value.code == "image"
    assert caught.value.where == str(path)
    return str(caught.value)


# --- rasters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("webp", {"lossless": True}), ("tif", {})])
def test_8_bit_grey_is_read_as_written(tmp_path, suffix, options):
    path, grey = tmp_path / f"a.{suffix}", ramp()
    Image.fromarray(grey).save(path, **options)
    picture = read(path)
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, grey[None])
    assert (picture.bits, picture.offset) == (8, None)


def test_jpeg_is_close_to_what_was_written(tmp_path):
    path, grey = tmp_path / "a.jpg", ramp(64, 64)
    Image.fromarray(grey).save(path, quality=95)
    assert np.abs(read(path).pixels[0].astype(int) - grey).max() <= 3


@pytest.mark.parametrize("kind", ["png", "tif", "big-endian tif"])
def test_a_16_bit_gradient_is_not_saturated(tmp_path, kind):
    path, deep = tmp_path / f"a.{kind[-3:]}", ramp(64, 64, 65535, np.uint16)
    if kind == "png":
        Image.fromarray(deep).save(path)
    else:
        tifffile.imwrite(path, deep, byteorder=">" if "big" in kind else "<")
    picture = read(path)
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.dtype.isnative
    np.testing.assert_array_equal(picture.pixels[0], deep)
    assert picture.bits == 16


@pytest.mark.parametrize(("top", "bits"), [(255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (16384, 16)])
def test_bits_are_the_smallest_depth_that_holds_the_largest_level(tmp_path, top, bits):
    path = tmp_path / "a.png"
    Image.fromarray(ramp(top=top, dtype=np.uint16)).save(path)
    assert read(path).bits == bits


def test_equal_channels_pass_unchanged_in_every_colour_mode(tmp_path):
    grey = Image.fromarray(ramp(16, 16))
    for mode in ("RGB", "RGBA", "LA", "P"):
        path = tmp_path / f"{mode}.png"
        grey.convert(mode).save(path)
        np.testing.assert_array_equal(read(path).pixels[0], np.asarray(grey), err_msg=mode)


def test_luma_has_the_weights_of_bt_601():
    primaries = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    assert luma(primaries).tolist() == [round(255 * w) for w in (0.299, 0.587, 0.114)]
    every = np.repeat(np.arange(65536, dtype=np.uint16)[:, None], 3, axis=1)
    np.testing.assert_array_equal(luma(every), every[:, 0])


def test_luma_agrees_with_pillow(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(rgb).save(path)
    np.testing.assert_array_equal(read(path).pixels[0], np.asarray(Image.fromarray(rgb).convert("L")))


def test_alpha_is_composited_on_black(tmp_path):
    grey, alpha = ramp(8, 8), ramp(8, 8)[::-1].copy()
    path = tmp_path / "a.png"
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(path)
    expected = np.rint(grey.astype(float) * alpha / 255)
    np.testing.assert_array_equal(read(path).pixels[0], expected)
    assert on_black(np.uint8([200]), np.uint8([0])).tolist() == [0]


def test_one_bit_images_become_black_and_white(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(ramp() > 100).save(path)
    np.testing.assert_array_equal(np.unique(read(path).pixels), [0, 255])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "lzw.tif"])
def test_orientation_is_applied(tmp_path, orientation, suffix):
    from PIL import ImageOps

    path, plain = tmp_path / f"a.{suffix}", tmp_path / "plain.png"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(ramp(16, 24)).save(path, exif=exif, **({"compression": "tiff_lzw"} if "lzw" in suffix else {}))
    Image.fromarray(ramp(16, 24)).save(plain, exif=exif)
    with Image.open(plain) as image:
        turned = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert read(path).pixels[0].shape == turned.shape
    assert np.abs(read(path).pixels[0] - turned).max() <= (3 if suffix == "jpg" else 0)


def test_orientation_keeps_16_bits():
    deep = ramp(4, 6, 65535, np.uint16)
    assert upright(deep, 6).shape == (6, 4)
    assert upright(deep, 6).dtype == np.uint16
    np.testing.assert_array_equal(upright(upright(deep, 6), 8), deep)
    np.testing.assert_array_equal(upright(deep, 99), deep)


def test_the_format_is_told_by_the_bytes_not_by_the_name(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(ramp()).save(path, format="TIFF")
    np.testing.assert_array_equal(read(path).pixels[0], ramp())


def test_16_bit_colour_png_is_refused_rather_than_halved(tmp_path):
    path = tmp_path / "a.png"
    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(range(12)))
    chunks = [(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert "16-bit PNG with colour or alpha would lose its lower 8 bits; store it as 16-bit greyscale" in refusal(path)


# --- TIFF ------------------------------------------------------------------------------------------------------------


def test_tiff_pages_are_frames(tmp_path):
    stack = np.stack([ramp(top=4000, dtype=np.uint16), ramp(top=3000, dtype=np.uint16)[::-1]])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, stack)
    assert picture.bits == 12


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_compressions(tmp_path, compression, dtype):
    first, second = ramp(top=np.iinfo(dtype).max, dtype=dtype), ramp(top=200, dtype=dtype)
    path = tmp_path / "a.tif"
    Image.fromarray(first).save(path, compression=compression, save_all=True, append_images=[Image.fromarray(second)])
    np.testing.assert_array_equal(read(path).pixels, np.stack([first, second]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_where_white_is_zero_is_inverted(tmp_path, dtype):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(top=200, dtype=dtype), photometric="miniswhite")
    np.testing.assert_array_equal(read(path).pixels[0], np.iinfo(dtype).max - ramp(top=200, dtype=dtype))


def test_tiff_colour_palette_and_planes(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "contig.tif", rgb, photometric="rgb")
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate")
    Image.fromarray(ramp()).convert("P").save(tmp_path / "palette.tif")
    np.testing.assert_array_equal(read(tmp_path / "contig.tif").pixels[0], luma(rgb))
    np.testing.assert_array_equal(read(tmp_path / "planes.tif").pixels[0], luma(rgb))
    np.testing.assert_array_equal(read(tmp_path / "palette.tif").pixels[0], ramp())


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4), np.nan, np.float32), "floating-point levels"),
        (ramp().astype(np.float64), "floating-point levels; store unsigned 8- or 16-bit levels"),
        (ramp().astype(np.int16), "signed levels"),
        (ramp().astype(np.uint32), "32 bits a level"),
    ],
)
def test_tiff_levels_that_are_refused(tmp_path, array, words):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array)
    assert words in refusal(path)


def test_tiff_pages_of_several_sizes_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(ramp())
        writer.write(ramp(7, 7))
    assert "pages have 2 sizes" in refusal(path)


# --- DICOM -----------------------------------------------------------------------------------------------------------


def test_dicom_radiograph_keeps_its_levels(tmp_path):
    levels = ramp(top=4095, dtype=np.uint16)
    picture = read(write_dicom(tmp_path / "a.dcm", levels, bits=12))
    np.testing.assert_array_equal(picture.pixels[0], levels)
    assert (picture.bits, picture.offset) == (12, None)


def test_dicom_bits_are_those_stored_not_those_used(tmp_path):
    assert read(write_dicom(tmp_path / "a.dcm", ramp(top=900, dtype=np.uint16), bits=14)).bits == 14


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
def test_dicom_monochrome1_is_inverted(tmp_path, dtype, bits):
    levels = ramp(top=200, dtype=dtype)
    picture = read(write_dicom(tmp_path / "a.dcm", levels, photometric="MONOCHROME1", bits=bits))
    np.testing.assert_array_equal(picture.pixels[0], (2**bits - 1) - levels.astype(int))


def test_dicom_signed_radiograph_starts_at_zero(tmp_path):
    levels = ramp(top=4000, dtype=np.int16) - 2000
    picture = read(write_dicom(tmp_path / "a.dcm", levels.astype(np.int16), bits=12))
    np.testing.assert_array_equal(picture.pixels[0], levels + 2048)


@pytest.mark.parametrize(
    ("array", "slope", "intercept"),
    [
        (ramp(top=4095, dtype=np.uint16), 1, -1024),
        ((ramp(top=4000, dtype=np.int16) - 2000).astype(np.int16), 1, 0),
        (ramp(top=4095, dtype=np.uint16), 0.5, -1000),
    ],
)
def test_ct_is_in_hounsfield_units_whatever_its_display_window(tmp_path, array, slope, intercept):
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept, "WindowCenter": 40, "WindowWidth": 80}
    path = write_dicom(tmp_path / "a.dcm", array, modality="CT", bits=16, **tags)
    picture = read(path)
    assert (picture.bits, picture.offset) == (16, 32768)
    ds = pydicom.dcmread(path)
    hu = pydicom.pixels.apply_rescale(ds.pixel_array, ds)
    np.testing.assert_array_equal(picture.pixels[0].astype(int) - picture.offset, np.rint(hu))


def test_ct_beyond_16_bits_or_without_rescale_is_refused(tmp_path):
    levels = ramp(top=4000, dtype=np.uint16)
    far = write_dicom(tmp_path / "a.dcm", levels, modality="CT", RescaleSlope=10, RescaleIntercept=0)
    assert "Hounsfield units 0 .. 40000 do not fit -32768 .. 32767; check RescaleSlope" in refusal(far)
    assert "without RescaleSlope" in refusal(write_dicom(tmp_path / "b.dcm", levels, modality="CT"))


def test_dicom_of_many_frames_and_of_colour(tmp_path):
    stack = np.stack([ramp(), ramp()[::-1], ramp()])
    np.testing.assert_array_equal(read(write_dicom(tmp_path / "a.dcm", stack)).pixels, stack)
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(write_dicom(tmp_path / "b.dcm", rgb, photometric="RGB")).pixels[0], luma(rgb))


def test_compressed_dicom_is_read_where_a_decoder_is_there(tmp_path):
    levels = ramp(16, 16, 4095, np.uint16)
    path = write_dicom(tmp_path / "a.dcm", levels, bits=12, syntax=RLELossless)
    np.testing.assert_array_equal(read(path).pixels[0], levels)


def test_compressed_dicom_without_decoder_names_its_syntax_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("lungeval.images.dicom._decodable", lambda *_: False)
    path = write_dicom(tmp_path / "a.dcm", ramp(16, 16), syntax=RLELossless)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    ds.save_as(path)
    words = refusal(path)
    assert f"compressed as {JPEGLosslessSV1.name} ({JPEGLosslessSV1})" in words
    assert "pip install 'lungeval[dicom]', or decompress it first" in words


def test_damaged_compressed_dicom_is_called_damaged(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", ramp(16, 16), syntax=RLELossless)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.save_as(path)
    assert "damaged or cut short" in refusal(path)


def test_dicom_without_image_and_dicom_that_is_none(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", ramp())
    ds = pydicom.dcmread(path)
    del ds.PixelData
    ds.save_as(path)
    assert "holds no image" in refusal(path)
    (tmp_path / "b.dcm").write_text("not DICOM at all, just some text of a certain length" * 10)
    assert refusal(tmp_path / "b.dcm")


def test_dicom_cut_short(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", ramp(32, 32))
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged or cut short" in refusal(path)


def test_dicom_without_ending_is_known_by_its_mark(tmp_path):
    for name in ("IM0001", "1.2.840.113"):
        path = write_dicom(tmp_path / name, ramp())
        assert is_image(path)
        assert read(path).pixels.shape == (1, 6, 9)
    (tmp_path / "README").write_text("hello")
    assert not is_image(tmp_path / "README")
    assert not is_image(tmp_path / "notes.txt")


# --- npz -------------------------------------------------------------------------------------------------------------


def test_npz_of_one_image(tmp_path):
    np.savez(tmp_path / "x.npz", x=ramp(), y=np.arange(3))
    np.savez(tmp_path / "only.npz", slices=np.stack([ramp(top=900, dtype=np.int32)] * 2))
    np.testing.assert_array_equal(read(tmp_path / "x.npz").pixels[0], ramp())
    picture = read(tmp_path / "only.npz")
    assert (picture.pixels.shape, picture.pixels.dtype, picture.bits) == ((2, 6, 9), np.uint16, 10)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": ramp(), "b": ramp()}, "holds a, b; name the images' array `x`"),
        ({"x": np.zeros((2, 2, 2, 2), np.uint8)}, "has shape (2, 2, 2, 2)"),
        ({"x": np.array([[0.0, np.nan]])}, "contains NaN"),
        ({"x": np.array([[0.0, 1.0]])}, "floating-point levels"),
        ({"x": np.array([[-1, 5]])}, "levels -1 .. 5 do not fit"),
        ({"x": np.array([["a", "b"]])}, "levels of type"),
        ({"x": np.array([[{}, 1]], dtype=object)}, "cannot be read"),
        ({"x": np.zeros((0, 5), np.uint8)}, "the image is empty"),
    ],
)
def test_npz_that_is_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in refusal(tmp_path / "a.npz")


def test_npz_bomb_is_refused_by_its_header(tmp_path):
    import io
    import zipfile

    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (100_000, 1000, 1000)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", out.getvalue())
    assert "too large" in refusal(tmp_path / "a.npz")


# --- what is no image ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_an_image_cut_short_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    for share in (0.02, 0.5, 0.9):
        (tmp_path / f"cut.{suffix}").write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        assert refusal(tmp_path / f"cut.{suffix}")


def test_libraries_do_not_speak_on_stderr(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "a.tif", ramp())
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    whole[8] = 0  # a directory without entries
    (tmp_path / "a.tif").write_bytes(whole)
    refusal(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_text_called_png_empty_file_and_missing_file(tmp_path):
    (tmp_path / "text.png").write_text("hello, I am no image")
    (tmp_path / "empty.png").touch()
    assert "not an image, or damaged at its start; kinds read: PNG, JPEG" in refusal(tmp_path / "text.png")
    assert "the file is empty" in refusal(tmp_path / "empty.png")
    assert "no such file" in refusal(tmp_path / "absent.png")


@pytest.mark.parametrize("array", [np.zeros((8, 8), np.uint8), np.full((8, 8), 40000, np.uint16)])
def test_one_colour_is_refused(tmp_path, array):
    Image.fromarray(array).save(tmp_path / "a.png")
    assert f"one colour: every level is {array[0, 0]}; leave it out" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize(("cols", "rows"), [(20_001, 10), (65_000, 65_000), (15_000, 15_000)])
def test_a_huge_header_is_refused_before_anything_is_decoded(tmp_path, cols, rows):
    path = tmp_path / "a.png"
    head = struct.pack(">IIBBBBB", cols, rows, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert "too large" in refusal(path)


def test_a_single_pixel_column_is_still_an_image(tmp_path):
    Image.fromarray(ramp(5, 1)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels.shape == (1, 5, 1)


# --- real files ------------------------------------------------------------------------------------------------------


def test_every_real_image_is_read(lungs):
    files = sorted((lungs / "real").rglob("*.png")) + sorted((lungs / "synthetic").rglob("*.png"))
    pictures = [read(path) for path in files]
    assert len(pictures) == 292 + 46
    assert {(p.pixels.dtype.name, p.bits, p.offset, len(p.pixels)) for p in pictures} == {("uint8", 8, None, 1)}


def test_a_real_ct_series_has_the_hounsfield_units_of_pydicom(lungs):
    files = sorted((lungs / "ct-dicom").rglob("*.dcm"))
    assert len(files) == 64
    for path in files[::9]:
        picture, ds = read(path), pydicom.dcmread(path)
        hu = pydicom.pixels.apply_rescale(ds.pixel_array, ds)
        np.testing.assert_array_equal(picture.pixels[0].astype(int) - picture.offset, hu)
        assert hu.min() == -1024


def test_damage_is_always_a_clear_refusal(tmp_path):
    """Random bytes of files of every format overwritten or cut: a picture or an `image` error, never anything else."""
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 4096, (24, 24)).astype(np.uint16)
    small = (noise >> 4).astype(np.uint8)
    Image.fromarray(small).save(tmp_path / "a.png")
    Image.fromarray(small).save(tmp_path / "a.jpg")
    Image.fromarray(small).save(tmp_path / "a.webp")
    Image.fromarray(noise).save(tmp_path / "b.png")
    Image.fromarray(noise).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([noise, noise]), photometric="minisblack")
    np.savez_compressed(tmp_path / "a.npz", x=noise)
    write_dicom(tmp_path / "a.dcm", noise, bits=12)
    write_dicom(tmp_path / "rle.dcm", noise, bits=12, syntax=RLELossless)
    outcomes = {"read": 0, "refused": 0, "wrongly refused": 0}
    for path in sorted(tmp_path.glob("*.*")):
        whole = bytearray(path.read_bytes())
        for _ in range(40):
            hurt = bytearray(whole)
            for at in rng.integers(0, len(hurt), rng.integers(1, 8)):
                hurt[at] = rng.integers(0, 256)
            if rng.random() < 0.2:
                hurt = hurt[: rng.integers(1, len(hurt))]
            target = tmp_path / f"hurt{path.suffix}"
            target.write_bytes(hurt)
            try:
                picture = read(target)
            except LungevalError as error:
                told = error.code == "image" and str(tmp_path) not in error.what  # `what` goes into the manifest
                outcomes["refused" if told else "wrongly refused"] += 1
                continue
            assert picture.pixels.dtype in (np.uint8, np.uint16)
            assert int(picture.pixels.max()) < 2**picture.bits
            outcomes["read"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 30
    assert outcomes["wrongly refused"] == 0
