"""DICOM: CT as Hounsfield units; radiographs with larger = brighter, as their file wants them shown, or as stored.

A CT's levels are HU + 32768 (so every 16-bit HU fits and nothing is clipped); the harmoniser's declared window turns
them into grey, whatever window the file names. Radiographs (CR, DX, ...) are shown through the look-up tables and the
window of their file (`voi.py`), or, on request, keep their stored levels over the full range of BitsStored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.headers import has_dicom_mark, is_ct, numbers, read_header
from lungeval.images.picture import HU_OFFSET, Picture, canonical, check_size, fault, hounsfield, luma
from lungeval.images.series import order_of
from lungeval.images.voi import Voi, falls, is_inverse, shown

__all__ = ["HU_OFFSET", "has_dicom_mark", "read_dicom", "read_header"]

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


def read_dicom(path: Path, *, voi: Voi = "file") -> Picture:
    """A DICOM image, single or multi-frame; frames of a multi-frame CT from head to foot where it says where they lie.

    Args:
        path: the file.
        voi: of radiographs: apply the file's look-up tables and window (`file`), or nothing (`none`).

    Raises:
        LungevalError: `image` for a file without pixels, a compression that cannot be decoded here (named), levels that
            are neither grey nor RGB, a look-up table or window that cannot be applied, or Hounsfield units outside
            -32768 .. 32767. No word of it holds a value of an identifying tag.
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
    return _ct(ds, stored) if is_ct(ds) else _radiograph(ds, stored, voi)


def _decoded(ds: Any) -> npt.NDArray[Any]:
    """Stored values: frames x rows x cols (x 3)."""
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import ImplicitVRLittleEndian, RLELossless

    ds.ensure_file_meta()
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if syntax is None:  # files of the time before Part 10 have none: DICOM's default applies
        ds.file_meta.TransferSyntaxUID = syntax = ImplicitVRLittleEndian
    if not syntax.is_transfer_syntax or (syntax.is_encapsulated and not _decodable(get_decoder, syntax)):
        known = f"{syntax.name} ({syntax})" if syntax.is_transfer_syntax else "a syntax that DICOM does not know"
        raise fault(
            f"the DICOM image is compressed as {known}, for which no decoder is installed",
            remedy="pip install 'lungeval[dicom]', or decompress it first (gdcmconv --raw, dcmdjpeg)",
        )
    bits, high = int(ds.BitsStored), int(ds.get("HighBit", ds.BitsStored - 1))
    above = high + 1 - bits  # unused bits under the lowest one: an old way to store 12 bits at the top of 16
    if not 0 <= above <= int(ds.BitsAllocated) - bits:
        raise fault(f"HighBit {high} does not fit {bits} bits stored")
    if above:
        ds.BitsStored = high + 1
    # Of damaged RLE data pylibjpeg's decoder says so in a way that passes for an interruption; pydicom's own does not.
    array = np.asarray(pixel_array(ds, decoding_plugin="pydicom" if syntax == RLELossless else ""))
    if above:
        ds.BitsStored, array = bits, array >> above
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
    if interpretation in COLOURS and array.shape[-1] == 3 and array.dtype in (np.dtype(np.uint8), np.dtype(np.uint16)):
        return luma(array)  # pydicom has turned YBR into RGB
    kind = f"of kind {interpretation}" if interpretation in COLOURS else "of an unknown kind"
    raise fault(f"the DICOM image has colours {kind}", remedy="export it as MONOCHROME2")


def _ct(ds: Any, stored: npt.NDArray[Any]) -> Picture:
    """HU = slope x stored + intercept, frame by frame, from head to foot."""
    pixels = np.empty(stored.shape, np.uint16)
    for index, frame in enumerate(stored):
        slope, intercept = _rescale(ds, index)
        pixels[index] = hounsfield(frame.astype(np.float64) * slope + intercept)
    order = _frame_order(ds, len(stored))
    return Picture(canonical(pixels[order] if order else pixels), 16, HU_OFFSET, stated=True)


def _rescale(ds: Any, index: int) -> tuple[float, float]:
    """Slope and intercept of a frame: of the data set or (enhanced CT) of its own or the shared functional group."""
    source = ds if "RescaleSlope" in ds else _group(ds, index, "PixelValueTransformationSequence")
    if source is None or "RescaleSlope" not in source or "RescaleIntercept" not in source:
        raise fault("a CT without RescaleSlope and RescaleIntercept", remedy="its levels are not Hounsfield units")
    slope, intercept = float(source.RescaleSlope), float(source.RescaleIntercept)
    if not np.isfinite([slope, intercept]).all() or slope <= 0:
        raise fault("RescaleSlope and RescaleIntercept make no Hounsfield units", remedy="the slope must be above 0")
    return slope, intercept


def _frame_order(ds: Any, frames: int) -> list[int] | None:
    """Frames from head to foot, or None where the file does not say where each of them lies."""
    if frames == 1:
        return None
    places, directions = [], []
    for index in range(frames):
        place, plane = (_group(ds, index, f"Plane{name}Sequence") for name in ("Position", "Orientation"))
        position = numbers(place.get("ImagePositionPatient"), 3) if place is not None else None
        orientation = numbers(plane.get("ImageOrientationPatient"), 6) if plane is not None else None
        if position is None or orientation is None:
            return None
        places.append(position)
        directions.append(orientation)
    return order_of(places, directions, "frames")[0]


def _group(ds: Any, index: int, name: str) -> Any:
    """The item of a frame's functional group, its own before the shared one; None where neither is there."""
    own = list(ds.get("PerFrameFunctionalGroupsSequence", []) or [])
    groups = [*own[index : index + 1], *(ds.get("SharedFunctionalGroupsSequence", []) or [])]
    return next((item for group in groups for item in (group.get(name, []) or [])), None)


def _radiograph(ds: Any, stored: npt.NDArray[Any], voi: Voi) -> Picture:
    """Levels with larger = brighter: as the file wants them shown, else 0 .. 2**BitsStored - 1."""
    bits = int(ds.get("BitsStored", 16)) if stored.dtype.itemsize > 1 else 8
    if not 8 <= bits <= 16:
        raise fault(f"the DICOM image stores {bits} bits a level", remedy="8 to 16 are read")
    inverse, levels = is_inverse(ds, voi=voi), None
    if voi == "file" and stored.dtype.kind in "ui" and int(ds.get("SamplesPerPixel", 1)) == 1:
        displayed = shown(ds, stored)
        if displayed is not None:
            levels, bits = displayed[0].astype(np.int64), displayed[1]
        elif falls(ds):
            inverse = not inverse
    if levels is None:
        levels = stored.astype(np.int64)
        if int(ds.get("PixelRepresentation", 0)) == 1 and stored.dtype.kind == "i":
            levels += 2 ** (bits - 1)
    top = 2**bits - 1
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > top:
        raise fault(f"levels {low} .. {high} do not fit the {bits} bits that the DICOM file declares")
    if inverse:
        levels = top - levels
    return Picture(canonical(levels.astype(np.uint8 if bits == 8 else np.uint16)), bits, stated=True)
