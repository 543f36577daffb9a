"""The catalogue of facts that the leak audit compares between real and fake: what each is, what it stops, its remedy.

Where they are measured: `files.file_facts` (a file as it lies, colour included), `files.listing_facts` (its place among
the others) and `pixels.array_facts` (a canonical array). The union of their keys is the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["transport", "encoding", "pixels"]
Kind = Literal["number", "category"]
Gate = Literal["hard", "acceptable", "reported"]


@dataclass(frozen=True)
class Fact:
    """One measurable fact of an image, in which real and fake may differ."""

    name: str
    """Its key in what the measuring functions return, and its name in `blinding.accept`."""
    group: Group
    """transport: of the file on its way; encoding: of how levels were stored; pixels: of what is shown."""
    kind: Kind
    """number: ordered; category: a text, `none` where a file has no such thing."""
    gate: Gate
    """hard: a difference stops a study; acceptable: stops it unless accepted with a reason; reported: never stops."""
    what: str
    """What is measured, in one sentence."""
    remedy: str
    """What removes a difference."""


_CASES = "show the images as cases of a run: `lungeval blind` stores each as an array of one length under an opaque id"
_SIZE = "`blinding.size` brings every image to one side"
_CONTAINER = "show the images as cases of a run: `lungeval blind` keeps grey levels alone, without the file around them"
_GREY = "`lungeval blind` keeps one channel; for files shown elsewhere, convert all arms to grey in the same way"
_JPEG = (
    "pass every arm through one JPEG with `blinding.jpeg` and its `declared_effect`, or take reals that were never JPEG"
)
_LEVELS = (
    "bring all arms to one range with `blinding.grey: stretch` or `match` and its `declared_effect`, or accept it with "
    "a reason"
)
_SMALLER = "choose a smaller `blinding.size`, so that every arm is resampled alike, or accept it with a reason"
_SHOWN = "part of the picture: judge whether it is the generator's doing or the source's; take reals of one source"


def _transport(name: str, kind: Kind, what: str, remedy: str = _CASES) -> Fact:
    return Fact(name, "transport", kind, "hard", what, remedy)


def _container(name: str, kind: Kind, what: str, remedy: str = _CONTAINER) -> Fact:
    return Fact(name, "encoding", kind, "hard", what, remedy)


def _levels(name: str, what: str, remedy: str) -> Fact:
    return Fact(name, "encoding", "number", "acceptable", what, remedy)


def _shown(name: str, what: str, remedy: str = _SHOWN) -> Fact:
    return Fact(name, "pixels", "number", "reported", what, remedy)


FACTS: tuple[Fact, ...] = (
    _transport("bytes", "number", "Size of the file, bytes."),
    _transport("compression", "number", "Bits of the file for each pixel."),
    _transport("name", "category", "Pattern of the name: digits as 9, letters as a or A, identifiers by length."),
    _transport("name_words", "category", "Words in the file's name, numbers left out."),
    _transport("name_order", "number", "Rank of the file's name among all names, 0 to 1."),
    _transport("time", "number", "Time of the file's last change, seconds since 1970."),
    _transport("order", "number", "Position in the listing that real and fake share, 0 to 1."),
    _transport("header", "category", "File format, by its first bytes."),
    _transport(
        "chunks", "category", "Parts of the file in order: PNG chunks, JPEG segments, TIFF tags, DICOM elements."
    ),
    _transport("exif", "category", "Exif tags that the file carries, with maker, model and software."),
    _transport("text_chunks", "category", "Comments and text entries that the file carries, with the software named."),
    _transport("mode", "category", "How a decoder presents the pixels: grey, palette, RGB, 16 bits.", _GREY),
    _container("pixels", "number", "Number of pixels of a frame.", _SIZE),
    _container("size", "category", "Rows and columns of a frame, as a category.", _SIZE),
    _container("aspect", "number", "Columns over rows.", "every case is a square: `lungeval blind` crops the centre"),
    _container("bit_depth", "category", "Bits of a level as the file declares them."),
    _container("colour_type", "category", "Colour model of the file.", _GREY),
    _container("quantisation", "category", "Quantisation tables of a JPEG file, by their hash."),
    _container("chroma_subsampling", "category", "Resolution of a JPEG file's colour against its brightness."),
    _container("progressive", "category", "Whether the file is stored in passes (progressive JPEG, interlaced PNG)."),
    _container("icc", "category", "Colour profile of the file, by its hash."),
    _container("dpi", "category", "Resolution that the file states: dots per inch, or millimetres a pixel in DICOM."),
    _container("transfer_syntax", "category", "How pixel data are compressed inside DICOM, TIFF or WebP."),
    _levels("distinct_values", "Number of different grey levels that occur.", _LEVELS),
    _levels("comb", "Raggedness of the histogram: 0 where smooth, 1 where every other level is empty.", _LEVELS),
    _levels("levels_min", "Lowest level, share of the full range.", _LEVELS),
    _levels("levels_max", "Highest level, share of the full range.", _LEVELS),
    _levels("grid_8x8", "Strength of lines every 8 pixels, which JPEG's blocks leave, in standard errors.", _JPEG),
    _levels("chroma", "Mean difference between colour channels, |R-G| and |G-B|, in 255ths of the range.", _GREY),
    _levels("tint", "Mean of red minus blue, in 255ths of the range: warm above 0, cold below.", _GREY),
    _shown("border_level", "Mean level of the outermost ring, share of the range.", "`blinding.trim` cuts borders"),
    _shown("border_noise", "Mean step between neighbours along the outermost ring, percent of the full range."),
    _shown("frame", "Share of outer rows and columns that hold one level.", "`blinding.trim` cuts frames away"),
    _shown("mean", "Mean level, share of the full range."),
    _shown("contrast", "Standard deviation of levels, share of the full range."),
    _shown("dark_share", "Share of pixels in the lowest 2% of the image's own range."),
    _shown("bright_share", "Share of pixels in the highest 2% of the image's own range."),
    _shown("noise_floor", "Noise in the quietest tenth of the image's blocks, percent of the full range."),
    _shown("sharpness", "Variance of the Laplacian, in 10,000ths of the squared full range.", _SMALLER),
    _shown("spectrum_slope", "Slope of log power against log spatial frequency, 0.03 to 0.5 cycles a pixel.", _SMALLER),
    _shown("resampling", "Strongest periodicity of pixel differences, which interpolation leaves, log10.", _SMALLER),
    _shown(
        "corner_mark",
        "Third-largest step between neighbouring squares along an edge at any corner: coloured squares or a label.",
        "`blinding.field_of_view` below 1 cuts corner marks off, from every arm alike",
    ),
    _shown(
        "corner_colour",
        "Saturation of the most colourful corner above that of the whole image, share of the full range.",
        "`blinding.field_of_view` below 1 cuts corner marks off, from every arm alike",
    ),
    _shown(
        "text",
        "Lines of burned-in text of four or more characters.",
        "`blinding.text: refuse` leaves such images out, `mask` paints the text over",
    ),
    _shown("symmetry", "Correlation of a coarse thumbnail with its mirror image."),
)  # fmt: skip
"""Every fact, in the order in which reports list them."""

ACCEPTABLE: frozenset[str] = frozenset(fact.name for fact in FACTS if fact.gate == "acceptable")
"""Names that `blinding.accept` may hold: encoding facts read from pixels."""
