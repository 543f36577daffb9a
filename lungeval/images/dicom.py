"""DICOM: CT as Hounsfield units, radiographs as stored levels with larger = brighter; no display window applied.

A CT's levels are HU + 32768 (so every 16-bit HU fits and nothing is clipped); the harmoniser's declared window turns
them into grey. Radiographs (CR, DX, ...) keep their stored levels over the full range of BitsStored, MONOCHROME1
inverted; neither a VOI window nor a presentation look-up table is applied, as that choice differs from maker to maker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import Picture, canonical, check_size, fault, luma

HU_OFFSET = 32768
"""HU = level - HU_OFFSET."""
CT_IMAGE = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""SOP classes: CT, enhanced CT and legacy converted enhanced CT image storage."""
PREAMBLE = 128


@dataclass(frozen=True)
class Header:
    """What a DICOM file says of itself."""

    modality: str
    """xray, ct, or empty where it is neither."""
    patient: str
    """PatientID, or empty."""


def has_dicom_mark(path: Path) -> bool:
    """Whether the file carries DICOM's mark behind its preamble."""
    with path.open("rb") as handle:
        return handle.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


def read_header(path: Path) -> Header:
    """Modality and patient of a DICOM file; empty where they are not given or the file is damaged."""
    import warnings

    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality", "PatientID", "SOPClassUID"])
            modality = "ct" if is_ct(ds) else "xray" if str(ds.get("Modality", "")) in ("CR", "DX", "RG") else ""
            return Header(modality, str(ds.get("PatientID", "") or "").strip())
    except (InvalidDicomError, OSError, ValueError, EOFError, KeyError, AttributeError):
        return Header("", "")  # `read` reports the damage, image by image


def is_ct(ds: Any) -> bool:
    """Whether a data set is a CT image."""
    return str(ds.get("Modality", "")) == "CT" or str(ds.get("SOPClassUID", "")) in CT_IMAGE


def read_dicom(path: Path) -> Picture:
    """A DICOM image, single or multi-frame.

    Raises:
        LungevalError: `image` for a file without pixels, a compression that cannot be decoded here (named), levels that
            are neither grey nor RGB, or Hounsfield units outside -32768 .. 32767.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        ds = pydicom.dcmread(path, force=path.suffix.lower() in (".dcm", ".dicom"))
    except InvalidDicomError:
        raise fault("not a DICOM file, or damaged at its start") from None
    if "PixelData" not in ds or "Rows" not in ds or "Columns" not in ds:
        raise fault("the DICOM file holds no image", remedy="leave reports, plans and directories out")
    check_size(int(ds.get("NumberOfFrames", 1) or 1), int(ds.Rows), int(ds.Columns))
    stored = _grey(ds, _decoded(ds))
    if is_ct(ds):
        return _hounsfield(ds, stored)
    return _radiograph(ds, stored)


def _decoded(ds: Any) -> npt.NDArray[Any]:
    """Stored values: frames x rows x cols (x 3)."""
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import ImplicitVRLittleEndian

    ds.ensure_file_meta()
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if syntax is None:  # files of the time before Part 10 have none: DICOM's default applies
        ds.file_meta.TransferSyntaxUID = syntax = ImplicitVRLittleEndian
    if syntax.is_encapsulated and not _decodable(get_decoder, syntax):
        raise fault(
            f"the DICOM image is compressed as {syntax.name} ({syntax}), for which no decoder is installed",
            remedy="pip install 'pylibjpeg[all]', or decompress it first (gdcmconv --raw, dcmdjpeg)",
        )
    array = np.asarray(pixel_array(ds))
    colour = int(ds.get("SamplesPerPixel", 1)) > 1
    return array if array.ndim == (4 if colour else 3) else array[None]


def _decodable(get_decoder: Any, syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # pydicom's word for a syntax it does not know
        return False


def _grey(ds: Any, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stored grey values, frames x rows x cols; colour by its luma."""
    interpretation = str(ds.get("PhotometricInterpretation", "MONOCHROME2"))
    if interpretation in ("MONOCHROME1", "MONOCHROME2"):
        return array
    if interpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        array = apply_color_lut(array, ds)
        interpretation = "RGB"
    if array.shape[-1] == 3 and array.dtype in (np.dtype(np.uint8), np.dtype(np.uint16)):
        return luma(array)  # pydicom has turned YBR into RGB
    raise fault(f"the DICOM image has colours of kind {interpretation}", remedy="export it as MONOCHROME2")


def _hounsfield(ds: Any, stored: npt.NDArray[Any]) -> Picture:
    """HU = slope x stored + intercept, rounded half to even, kept as HU + 32768."""
    slope, intercept = _rescale(ds)
    hu = np.rint(stored.astype(np.float64) * slope + intercept)
    low, high = float(hu.min()), float(hu.max())
    if low < -HU_OFFSET or high > HU_OFFSET - 1:
        raise fault(
            f"Hounsfield units {low:.0f} .. {high:.0f} do not fit -32768 .. 32767",
            remedy="check RescaleSlope and RescaleIntercept",
        )
    return Picture(canonical((hu + HU_OFFSET).astype(np.uint16)), 16, HU_OFFSET)


def _rescale(ds: Any) -> tuple[float, float]:
    """Slope and intercept, of the data set or (enhanced CT) of its shared functional group."""
    source = ds
    if "RescaleSlope" not in ds:
        groups = list(ds.get("SharedFunctionalGroupsSequence", []) or [])
        inner = [t for g in groups for t in (g.get("PixelValueTransformationSequence", []) or [])]
        if not inner:
            raise fault("a CT without RescaleSlope and RescaleIntercept", remedy="its levels are not Hounsfield units")
        source = inner[0]
    slope, intercept = float(source.RescaleSlope), float(source.RescaleIntercept)
    if not np.isfinite([slope, intercept]).all() or slope <= 0:
        raise fault(f"RescaleSlope {slope} and RescaleIntercept {intercept} make no Hounsfield units")
    return slope, intercept


def _radiograph(ds: Any, stored: npt.NDArray[Any]) -> Picture:
    """Levels 0 .. 2**BitsStored - 1, larger = brighter."""
    bits = int(ds.get("BitsStored", 16)) if stored.dtype.itemsize > 1 else 8
    if not 8 <= bits <= 16:
        raise fault(f"the DICOM image stores {bits} bits a level", remedy="8 to 16 are read")
    levels = stored.astype(np.int64)
    if int(ds.get("PixelRepresentation", 0)) == 1 and stored.dtype.kind == "i":
        levels += 2 ** (bits - 1)
    top = 2**bits - 1
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > top:
        raise fault(f"levels {low} .. {high} do not fit the {bits} bits that the DICOM file declares")
    if str(ds.get("PhotometricInterpretation", "")) == "MONOCHROME1":
        levels = top - levels
    return Picture(canonical(levels.astype(np.uint8 if bits == 8 else np.uint16)), bits)
