"""How a radiograph's own header wants it shown: Modality LUT, then VOI LUT or window, then MONOCHROME1 or INVERSE.

Source: DICOM PS3.3, C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.11.6 (softcopy presentation LUT).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import fault

Voi = Literal["file", "none"]
"""file = the look-up tables and windows of the file are applied; none = its stored levels alone."""
VOIS: tuple[Voi, ...] = ("file", "none")
FULL = 65535
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def is_inverse(ds: Any, *, voi: Voi) -> bool:
    """Whether small levels are bright: MONOCHROME1, or (with `file`) a presentation LUT shape INVERSE, or both."""
    shape = str(ds.get("PresentationLUTShape", "")) if voi == "file" else ""
    return str(ds.get("PhotometricInterpretation", "")) == "MONOCHROME1" or shape == "INVERSE"


def shown(ds: Any, stored: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint16], int] | None:
    """Levels after the file's Modality LUT and VOI LUT or first window, with their bits; None where it has none.

    A window gives 16 bits (so that no two levels merge that it keeps apart), a table as many as its descriptor says.
    Where a file has both a VOI LUT and windows, the table is taken.

    Args:
        ds: the data set.
        stored: stored values, frames x rows x cols, signed where the file says so.

    Raises:
        LungevalError: `image` for a table or a window that cannot be applied.
    """
    window = _window(ds)
    table = _first_table(ds, "VOILUTSequence")
    first = _first_table(ds, "ModalityLUTSequence")
    slope, intercept = _rescale(ds)
    if table is None and window is None and first is None:
        return None
    levels: npt.NDArray[Any] = stored.astype(np.float64) * slope + intercept
    bits = 0
    if first is not None:
        levels, bits = _looked_up(stored, first, signed=_signed(ds, stored))
    if table is not None:
        signed = first is None and float(levels.min()) < 0
        return _looked_up(np.rint(levels).astype(np.int64), table, signed=signed)
    if window is not None:
        return np.rint(windowed(levels, *window) * FULL).astype(np.uint16), 16
    return levels.astype(np.uint16), bits


def windowed(x: npt.NDArray[Any], centre: float, width: float, function: str = "LINEAR") -> npt.NDArray[np.float64]:
    """A VOI window, 0 .. 1.

    LINEAR: 0 at or under c - 0.5 - (w - 1) / 2, 1 above c - 0.5 + (w - 1) / 2, (x - (c - 0.5)) / (w - 1) + 0.5 between.
    LINEAR_EXACT: (x - c) / w + 0.5, clipped. SIGMOID: 1 / (1 + exp(-4 (x - c) / w)).

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.
    """
    x = x.astype(np.float64)
    if function == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (x - centre) / width, -700.0, 700.0))))
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0.0, 1.0)
    if width == 1:
        return (x > centre - 0.5).astype(np.float64)
    return np.clip((x - (centre - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def falls(ds: Any) -> bool:
    """Whether the file's rescaling turns larger stored values into smaller ones."""
    return _first_table(ds, "ModalityLUTSequence") is None and _rescale(ds)[0] < 0


def _rescale(ds: Any) -> tuple[float, float]:
    slope, intercept = ds.get("RescaleSlope"), ds.get("RescaleIntercept")
    if slope is None or intercept is None:
        return 1.0, 0.0
    if not np.isfinite([float(slope), float(intercept)]).all() or float(slope) == 0:
        raise fault("RescaleSlope and RescaleIntercept make no levels", remedy="options: {voi: none} leaves them out")
    return float(slope), float(intercept)


def _window(ds: Any) -> tuple[float, float, str] | None:
    """Centre, width and function of the file's first window."""
    pair = [_first(ds.get(name)) for name in ("WindowCenter", "WindowWidth")]
    if pair[0] is None or pair[1] is None:
        return None
    centre, width = float(pair[0]), float(pair[1])
    function = str(ds.get("VOILUTFunction", "") or "LINEAR").strip().upper()
    least = width >= 1 if function == "LINEAR" else width > 0
    if function not in FUNCTIONS or not np.isfinite([centre, width]).all() or not least:
        raise fault("the DICOM file's window cannot be applied", remedy="options: {voi: none} leaves it out")
    return centre, width, function


def _first(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value if value not in (None, "") else None
    values = list(value) if hasattr(value, "__iter__") else [value]
    return values[0] if values else None


def _first_table(ds: Any, name: str) -> Any:
    """The first item of a sequence of tables that holds one."""
    return next((item for item in (ds.get(name) or []) if "LUTDescriptor" in item and "LUTData" in item), None)


def _signed(ds: Any, stored: npt.NDArray[Any]) -> bool:
    return int(ds.get("PixelRepresentation", 0)) == 1 and stored.dtype.kind == "i"


def _looked_up(levels: npt.NDArray[Any], item: Any, *, signed: bool) -> tuple[npt.NDArray[np.uint16], int]:
    """Levels through a look-up table: entry level - first, held at both ends; and the bits of an entry."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries or 65536
    first = first - 65536 if signed and first > 32767 else first
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if getattr(item, "is_little_endian", True) is not False else ">"
        words = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else np.dtype(f"{order}u2"))
    else:
        words = np.atleast_1d(np.asarray(data)).astype(np.int64) & FULL
    if bits <= 8 and len(words) * 2 in (entries, entries + 1):  # two entries of 8 bits in a word
        words = np.stack([words & 255, words >> 8], -1).ravel()
    if len(words) < entries or not 8 <= bits <= 16 or int(words[:entries].max()) >= 2**bits:
        raise fault("the DICOM file's look-up table cannot be applied", remedy="options: {voi: none} leaves it out")
    table = words[:entries].astype(np.uint16)
    return table[np.clip(levels.astype(np.int64) - first, 0, entries - 1)], bits
