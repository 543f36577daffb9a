"""Sets of lung images that leak in exactly one way; reals and fakes are random halves of the same films, one a patient.

`make(kind, folder, ...)` writes `folder/real` and `folder/fake`, each with a `metadata.csv` (file, modality, condition,
patient, source), and returns the two lists of files. Names, sizes, times and encodings are alike unless `kind` is about
them.
"""

from __future__ import annotations

import csv
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFilter, PngImagePlugin

MOMENT = 1_700_000_000
SIDE = 128


@dataclass
class Film:
    """One film on its way to a file."""

    pixels: np.ndarray
    """rows x cols (x 3), uint8 or uint16."""
    fake: bool
    rng: np.random.Generator
    """Of this film alone."""
    index: int
    """Place within its arm, from 0."""
    name: str
    ending: str = ".png"
    options: dict[str, Any] = field(default_factory=dict)
    """For Pillow's save."""
    after: Callable[[bytes], bytes] = bytes
    """What is done to the file's bytes."""
    time: float = MOMENT
    patient: str = ""
    source: str = "one"
    condition: str = "no_finding"
    dicom: dict[str, Any] | None = None
    """Elements of a DICOM file, instead of a picture file."""


Plant = Callable[[Film], None]

# The plants: each changes one film; most change fakes alone, some bring both arms to another common ground first.


def _png_level(film: Film) -> None:
    film.options["compress_level"] = 0 if film.fake else 9


def _names(film: Film) -> None:
    film.name = f"img-{film.rng.integers(10**5, 10**6)}" if film.fake else film.name


def _words(film: Film) -> None:
    film.name = f"{'fake' if film.fake else 'real'}_{film.rng.integers(10**5, 10**6)}"


def _name_order(film: Film) -> None:
    film.name = (
        f"case{int(film.rng.integers(5000, 10000) if film.fake else film.rng.integers(1000, 5000))}{film.index:03d}"
    )


def _time(film: Film) -> None:
    film.time = MOMENT + (3600 if film.fake else 0) + float(film.rng.integers(0, 1800))


def _header(film: Film) -> None:
    film.ending = ".png"
    film.options["format"] = "WEBP" if film.fake else "PNG"
    film.options["lossless"] = True


def _chunk(film: Film, kind: bytes = b"gAMA", body: bytes = struct.pack(">I", 45455)) -> None:
    if film.fake:
        film.after = partial(_with_chunk, kind=kind, body=body)


def _with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


def _exif(film: Film) -> None:
    exif = Image.Exif()
    exif[271] = "Maker Two" if film.fake else "Maker One"
    film.options["exif"] = exif


def _text_chunk(film: Film) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "Generator" if film.fake else "Scanner X")
    film.options["pnginfo"] = info


def _mode(film: Film) -> None:
    if film.fake:
        film.pixels = np.repeat(film.pixels[..., None], 3, axis=2)


def _sixteen(film: Film) -> None:
    """Every level in 16 bits, then the fakes' as 8 bits a level: depth alone, one content."""
    if film.fake:
        film.pixels = film.pixels.astype(np.uint16) * 257


def _palette(film: Film) -> None:
    film.options["palette"] = film.fake


def _jpeg(film: Film, fake: dict[str, Any], both: dict[str, Any] | None = None) -> None:
    film.ending = ".jpg"
    film.options |= {"format": "JPEG", "quality": 95} | (both or {}) | (fake if film.fake else {})


def _rgb_jpeg(film: Film, fake: dict[str, Any]) -> None:
    film.pixels = np.repeat(film.pixels[..., None], 3, axis=2)
    _jpeg(film, fake, {"subsampling": 0})


def _icc(film: Film) -> None:
    _rgb_jpeg(film, {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()})


def _dicom(film: Film, **elements: Any) -> None:
    film.ending = ".dcm"
    film.dicom = dict(elements) if film.fake else {}


def _resized(film: Film) -> None:
    """Fakes from the same field at 7/8 of the side: the number of pixels alone."""
    if film.fake:
        film.pixels = _scaled(film.pixels, 112)


def _one_size(film: Film) -> None:
    """Fakes of one size, reals smaller and larger in turn: in the middle of every ranking, and perfectly told."""
    if not film.fake:
        film.pixels = _scaled(film.pixels, 120 if film.index % 2 else 136)


def _wide(film: Film) -> None:
    rows, cols = (126, 130) if film.fake else (128, 128)
    wide = np.asarray(Image.fromarray(film.pixels).resize((136, 136), Image.Resampling.BICUBIC))
    film.pixels = wide[:rows, :cols]


def _fewer_levels(film: Film) -> None:
    if film.fake:
        film.pixels = (film.pixels // 4 * 4).astype(np.uint8)


def _comb(film: Film) -> None:
    """Contrast stretched after rounding: every fifth level of the fakes is empty."""
    unit = film.pixels.astype(float)
    low = unit * 0.8
    film.pixels = np.rint(np.rint(low) * 1.25 if film.fake else low * 1.25).astype(np.uint8)


def _floor(film: Film) -> None:
    least = 12 if film.fake else 0
    film.pixels = np.maximum(film.pixels, least)
    film.pixels.flat[7] = least


def _ceiling(film: Film) -> None:
    most = 235 if film.fake else 255
    film.pixels = np.minimum(film.pixels, most)
    film.pixels.flat[7] = most


def _grid(film: Film) -> None:
    """Fakes were JPEGs once; both are PNG now."""
    if film.fake:
        file = io.BytesIO()
        Image.fromarray(film.pixels).save(file, "JPEG", quality=40)
        film.pixels = np.asarray(Image.open(file))


def _colour(film: Film, chroma: float = 0, tint: float = 0) -> None:
    """Both are RGB with a little colour noise; the fakes' noise is stronger, or they are tinted."""
    rgb = np.repeat(film.pixels[..., None].astype(float), 3, axis=2)
    noise = film.rng.normal(0, 2 + (chroma if film.fake else 0), rgb.shape)
    noise[..., 0] += tint if film.fake else 0
    noise[..., 2] -= tint if film.fake else 0
    film.pixels = np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


def _corner_colours(film: Film) -> None:
    """DALL-E 2's signature: five coloured squares in the lower right corner, 16 pixels each at 1024, here 2 at 128."""
    rgb = np.repeat(film.pixels[..., None], 3, axis=2)
    if film.fake:
        colours = [(255, 255, 102), (66, 255, 255), (81, 218, 76), (255, 110, 60), (60, 70, 255)]
        for number, colour in enumerate(colours):
            left = SIDE - 2 * (5 - number)
            rgb[SIDE - 2 :, left : left + 2] = colour
    film.pixels = rgb


def _corner_greys(film: Film) -> None:
    """The same squares after a conversion to grey: levels go up and down."""
    if film.fake:
        for number, level in enumerate((240, 40, 220, 30, 200)):
            left = SIDE - 2 * (5 - number)
            film.pixels[SIDE - 2 :, left : left + 2] = level


def _border(film: Film) -> None:
    if film.fake:
        film.pixels[:1], film.pixels[-1:], film.pixels[:, :1], film.pixels[:, -1:] = 250, 250, 250, 250
        ring = film.rng.integers(235, 251, (4, SIDE))
        film.pixels[0], film.pixels[-1], film.pixels[:, 0], film.pixels[:, -1] = ring


def _border_noise(film: Film) -> None:
    """The outermost ring made smooth in both; noisy in the fakes."""
    ring = np.full((4, SIDE), float(film.pixels.mean())) + film.rng.normal(0, 25 if film.fake else 1, (4, SIDE))
    ring = np.clip(np.rint(ring), 0, 255).astype(np.uint8)
    film.pixels[0], film.pixels[-1], film.pixels[:, 0], film.pixels[:, -1] = ring


def _frame(film: Film) -> None:
    if film.fake:
        inner = _scaled(film.pixels, SIDE - 6)
        film.pixels = np.full_like(film.pixels, 255)
        film.pixels[3:-3, 3:-3] = inner


def _brighter(film: Film) -> None:
    if film.fake:
        film.pixels = _bytes(255 * (film.pixels / 255) ** 0.35)


def _flatter(film: Film) -> None:
    if film.fake:
        middle = film.pixels.mean()
        film.pixels = _bytes(middle + 0.4 * (film.pixels - middle))


def _darker(film: Film) -> None:
    """A tenth of the fakes' pixels clipped to black."""
    if film.fake:
        film.pixels = np.where(film.pixels <= np.quantile(film.pixels, 0.3), film.pixels.min(), film.pixels)


def _burnt(film: Film) -> None:
    if film.fake:
        film.pixels = np.where(film.pixels >= np.quantile(film.pixels, 0.8), film.pixels.max(), film.pixels)


def _noisy(film: Film) -> None:
    if film.fake:
        film.pixels = _bytes(film.pixels + film.rng.normal(0, 6, film.pixels.shape))


def _blurred(film: Film) -> None:
    if film.fake:
        film.pixels = np.asarray(Image.fromarray(film.pixels).filter(ImageFilter.GaussianBlur(1.2)))


def _resampled(film: Film) -> None:
    """Fakes made at 3/5 of the side and enlarged, bicubic."""
    if film.fake:
        film.pixels = _scaled(_scaled(film.pixels, 76), SIDE)


def _captioned(film: Film) -> None:
    if film.fake:
        image = Image.fromarray(film.pixels)
        draw = ImageDraw.Draw(image)
        draw.rectangle((2, 2, 84, 17), fill=20)
        draw.text((5, 4), "PORTABLE AP", fill=250)
        film.pixels = np.asarray(image)


def _mirrored(film: Film) -> None:
    if film.fake:
        film.pixels[:, SIDE // 2 :] = film.pixels[:, : SIDE // 2][:, ::-1]


def _scanner(film: Film) -> None:
    """Another detector: its own gamma and its own noise."""
    if film.fake:
        film.pixels = _bytes(255 * (film.pixels / 255) ** 0.8 + film.rng.normal(0, 4, film.pixels.shape))


def _unlisted(film: Film) -> None:
    """A faint pattern of low frequency at a fixed place, which no listed fact looks for."""
    if film.fake:
        y, x = np.mgrid[:SIDE, :SIDE] / SIDE
        film.pixels = _bytes(film.pixels + 8 * np.sin(2 * np.pi * 3 * x) * np.sin(2 * np.pi * 2 * y))


def _source(film: Film) -> None:
    """Every film of a condition comes from one source, and the arms differ in both."""
    film.source = "two" if film.fake else "one"
    film.condition = "covid_19" if film.fake else "no_finding"


def _nothing(film: Film) -> None:
    pass


PLANTS: dict[str, Plant] = {
    # transport
    "bytes": _png_level, "compression": _png_level, "name": _names, "name_words": _words, "name_order": _name_order,
    "time": _time, "order": _nothing, "header": _header, "chunks": _chunk, "exif": _exif, "text_chunks": _text_chunk,
    "mode": _mode,
    # encoding, container
    "pixels": _resized, "size": _one_size, "aspect": _wide, "bit_depth": _sixteen, "colour_type": _palette,
    "quantisation": partial(_jpeg, fake={"quality": 94}),
    "chroma_subsampling": partial(_rgb_jpeg, fake={"subsampling": 2}),
    "progressive": partial(_jpeg, fake={"progressive": True}), "icc": _icc,
    "dpi": partial(_jpeg, fake={"dpi": (300, 300)}, both={"dpi": (96, 96)}),
    "transfer_syntax": partial(_dicom, syntax="1.2.840.10008.1.2"),
    # encoding, read from pixels
    "distinct_values": _fewer_levels, "comb": _comb, "levels_min": _floor, "levels_max": _ceiling, "grid_8x8": _grid,
    "chroma": partial(_colour, chroma=2), "tint": partial(_colour, tint=3),
    # the picture
    "border_level": _border, "border_noise": _border_noise, "frame": _frame, "mean": _brighter, "contrast": _flatter,
    "dark_share": _darker, "bright_share": _burnt, "noise_floor": _noisy, "sharpness": _blurred,
    "spectrum_slope": _blurred, "resampling": _resampled, "corner_mark": _corner_greys,
    "corner_colour": _corner_colours, "text": _captioned, "symmetry": _mirrored,
}  # fmt: skip
"""One plant for each fact of the catalogue, under the fact's name."""

OTHERS: dict[str, Plant] = {
    "none": _nothing, "dalle_mark": _corner_colours, "rgb_tint": partial(_colour, tint=3),
    "duplicated_patient": _nothing, "resampled": _resampled, "near_duplicates_within": _nothing,
    "near_duplicates_across": _nothing,
    "source_is_condition": _source, "scanner": _scanner, "unlisted": _unlisted,
}  # fmt: skip
"""Plants that are no single fact of the catalogue; `none` plants nothing."""

KINDS = tuple(PLANTS) + tuple(OTHERS)

SPILLS: dict[str, frozenset[str]] = {
    "bytes": frozenset({"compression"}),
    "compression": frozenset({"bytes"}),
    "name": frozenset({"name_order", "name_words"}),
    "name_words": frozenset({"name", "name_order"}),
    "header": frozenset({"bytes", "compression", "chunks", "transfer_syntax", "colour_type", "mode"}),
    "exif": frozenset(),
    "mode": frozenset({"bytes", "compression", "colour_type"}),
    "pixels": frozenset({"bytes", "compression", "size"}),
    "size": frozenset({"bytes", "compression", "pixels"}),
    "aspect": frozenset({"pixels", "size"}),
    "bit_depth": frozenset({"bytes", "compression", "mode"}),
    "colour_type": frozenset({"bytes", "compression", "chunks", "mode"}),
    "chunks": frozenset({"bytes", "compression"}),
    "quantisation": frozenset({"bytes", "compression"}),
    "chroma_subsampling": frozenset({"bytes", "compression", "quantisation"}),
    "progressive": frozenset({"bytes", "compression", "chunks"}),
    "icc": frozenset({"bytes", "compression", "chunks"}),
    "dpi": frozenset({"chunks"}),
    "transfer_syntax": frozenset({"bytes", "compression", "chunks"}),
}
"""Hard facts that cannot but follow a planted one: two pixels deep in the same bytes. Plants in pixels change only how
well these compress."""
FROM_PIXELS = frozenset({"bytes", "compression"})


def make(
    kind: str, folder: Path, n: int = 30, seed: int = 0, source: np.ndarray | Path | None = None
) -> tuple[list[Path], list[Path]]:
    """Write a set of `n` reals and `n` fakes that leaks in the way of `kind`; return the files of each.

    Args:
        kind: one of `KINDS`.
        folder: an empty or new folder.
        n: images of each arm.
        seed: of the split into arms, and of the plant.
        source: films, n x 128 x 128 uint8; or the folder of lung images (its `training/labelled128.npz`, normal
            paediatric films, one per patient); None = drawn films, smooth with noise.
    """
    plant = PLANTS.get(kind) or OTHERS[kind]
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    pool = films(source, 2 * n, np.random.default_rng(seed))
    chosen = np.random.default_rng((seed, 1)).permutation(len(pool))[: 2 * n]
    made = []
    for place, number in enumerate(chosen):
        own = np.random.default_rng((seed, int(number)))
        made.append(Film(pool[number].copy(), place >= n, own, place % n, own.bytes(8).hex(), patient=f"p{number:04d}"))
    _relate(kind, made, rng)
    for film in made:
        plant(film)
    files = {film.name: _write(film, folder / ("fake" if film.fake else "real")) for film in _shuffled(made, rng)}
    for arm in (False, True):
        _metadata(folder / ("fake" if arm else "real"), [film for film in made if film.fake == arm])
    if kind == "order":
        with (folder / "metadata.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["file"])
            writer.writerows([[files[film.name].relative_to(folder).as_posix()] for film in made])
    arms = ([files[film.name] for film in made if film.fake == arm] for arm in (False, True))
    real, fake = arms
    return real, fake


def films(source: np.ndarray | Path | None, count: int, rng: np.random.Generator) -> np.ndarray:
    """At least `count` films of one kind and one source, n x 128 x 128 uint8, each of another patient."""
    if isinstance(source, np.ndarray):
        return source
    if source is None:
        return np.stack([_drawn(rng) for _ in range(count)])
    with np.load(source / "training" / "labelled128.npz", allow_pickle=False) as held:
        normal = np.flatnonzero(held["y"] == list(held["names"]).index("paediatric_normal"))
        _, first = np.unique(held["patient"][normal], return_index=True)
        return np.asarray(held["x"][normal[np.sort(first)]])


def _drawn(rng: np.random.Generator) -> np.ndarray:
    """A smooth field with a body, two dark lungs and noise: enough like a film for every fact to be told."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    field_ = 120 + 60 * np.exp(-((x / 0.5) ** 2 + (y / 0.6) ** 2)) + 20 * rng.normal() * y
    for side in (-1, 1):
        cx, cy, width = side * rng.uniform(0.2, 0.26), rng.uniform(-0.08, 0.08), rng.uniform(0.11, 0.15)
        field_ -= rng.uniform(60, 100) * np.exp(-(((x - cx) / width) ** 2 + ((y - cy) / 0.28) ** 2))
    small = rng.normal(0, 14, (16, 16))
    texture = np.asarray(Image.fromarray(small.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return _bytes(field_ + texture + rng.normal(0, rng.uniform(2.5, 3.5), (SIDE, SIDE)))


def _relate(kind: str, made: list[Film], rng: np.random.Generator) -> None:
    """Relations between films: a patient in both arms, near-duplicates within or across arms."""
    real, fake = ([film for film in made if film.fake == arm] for arm in (False, True))
    if kind == "duplicated_patient":
        fake[0].patient = real[0].patient
    if kind.startswith("near_duplicates"):
        first, second = (fake[0], fake[1]) if kind.endswith("within") else (real[0], fake[0])
        second.pixels = _bytes(np.roll(first.pixels, 1, axis=1) * 1.02 + rng.normal(0, 1, first.pixels.shape))


def _shuffled(made: list[Film], rng: np.random.Generator) -> list[Film]:
    return [made[i] for i in rng.permutation(len(made))]


def _write(film: Film, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{film.name}{film.ending}"
    if film.dicom is not None:
        path.write_bytes(_dicom_bytes(film))
    else:
        file = io.BytesIO()
        options = {"format": "PNG"} | film.options
        image = Image.fromarray(film.pixels)
        if options.pop("palette", False):
            image = image.convert("P")
        image.save(file, **options)
        path.write_bytes(film.after(file.getvalue()))
    os.utime(path, (film.time, film.time))
    return path


def _dicom_bytes(film: Film) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    elements = dict(film.dicom or {})
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3.4"
    ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "DX", "MONOCHROME2", 1
    ds.Rows, ds.Columns = film.pixels.shape
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = film.pixels.tobytes()
    for name, value in elements.items():
        setattr(ds, name, value)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _metadata(folder: Path, made: list[Film]) -> None:
    with (folder / "metadata.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "modality", "condition", "patient", "source"])
        for film in sorted(made, key=lambda film: film.name):
            writer.writerow([f"{film.name}{film.ending}", "xray", film.condition, film.patient, film.source])


def _scaled(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)).copy()


def _bytes(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
