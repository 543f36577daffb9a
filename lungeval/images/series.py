"""A CT series as one stack: slices in the order they lie in the body, from head to foot, whatever their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.images.headers import Header
from lungeval.images.picture import HU_OFFSET, Picture, check_size, fault

SAME_PLACE = 0.01
"""Slices nearer than this, mm, lie at one position."""
SAME_DIRECTION = 1e-3
"""Most that a component of two slices' directions may differ by."""
MISSING = 1.5
"""A gap above this many times the median one lacks a slice."""
SLICE_BY_SLICE = "options: {series: slices} takes them one by one"


def order_of(
    positions: Sequence[Sequence[float]], orientations: Sequence[Sequence[float]], what: str = "slices"
) -> tuple[list[int], list[str]]:
    """Indices of slices in reading order, and notices of gaps.

    Each position is projected on the slices' normal, whose sign is chosen so that axial slices run from head to foot,
    coronal ones from front to back, and sagittal ones from right to left.

    Args:
        positions: ImagePositionPatient of each slice, mm.
        orientations: ImageOrientationPatient of each slice.
        what: the word for slices in errors.

    Raises:
        LungevalError: `image` where slices have several directions, or share a position (several acquisitions).
    """
    directions = np.asarray(orientations, float)
    if np.abs(directions - directions[0]).max() > SAME_DIRECTION:
        raise fault(f"the {what} of one series have several directions", remedy=SLICE_BY_SLICE)
    normal = np.cross(directions[0][:3], directions[0][3:])
    length = float(np.linalg.norm(normal))
    if length < 0.5:
        raise fault(f"the {what} of a series have no direction", remedy=SLICE_BY_SLICE)
    axis = int(np.abs(normal).argmax())
    # Patient axes point to the left, the back and the head: against the head, along the back, along the left.
    sign = np.sign(normal[axis]) * (-1.0 if axis == 2 else 1.0)
    along = np.asarray(positions, float) @ normal / length * sign
    order = [int(index) for index in np.argsort(along, kind="stable")]
    gaps = np.diff(along[order])
    shared = int((gaps < SAME_PLACE).sum())
    if shared:
        raise fault(
            f"{shared} of the {len(order)} {what} of one series lie where another one lies: several acquisitions?",
            remedy=f"give each acquisition a folder of its own; {SLICE_BY_SLICE}",
        )
    return order, _gaps(gaps, what)


def order_slices(headers: Sequence[Header]) -> tuple[list[int], list[str]]:
    """As `order_of`, of the slices of one series.

    Raises:
        LungevalError: `image` where slices differ in size or patient, or do not say where they lie.
    """
    sizes = {(header.rows, header.cols) for header in headers}
    if len(sizes) > 1:
        raise fault(f"the slices of one series have {len(sizes)} sizes", remedy=SLICE_BY_SLICE)
    if len({header.patient for header in headers}) > 1:
        raise fault("the slices of one series name several patients", remedy="export the series anew")
    placed = [(h.position, h.orientation) for h in headers if h.position is not None and h.orientation is not None]
    if len(placed) < len(headers):
        raise fault(
            f"{len(headers) - len(placed)} of the {len(headers)} slices of one series do not say where they lie",
            remedy=SLICE_BY_SLICE,
        )
    return order_of([position for position, _ in placed], [orientation for _, orientation in placed])


def stack(slices: Sequence[Path], shape: tuple[int, int], picture_of: Callable[[Path], Picture]) -> Picture:
    """One picture of many slices, read one after another into an array of the whole size.

    Args:
        slices: the file of each slice, in order.
        shape: rows and columns of each.
        picture_of: reads one.

    Raises:
        LungevalError: `image` where the whole is too large (before anything is read), a slice cannot be read, or one is
            no CT slice of that shape.
    """
    check_size(len(slices), *shape)
    pixels = np.empty((len(slices), *shape), np.uint16)
    for index, each in enumerate(slices):
        place = f"slice {index + 1} of {len(slices)}"
        try:
            picture = picture_of(each)
        except LungevalError as error:
            raise LungevalError(error.code, f"{place}: {error.what}", where=error.where, remedy=error.remedy) from error
        if picture.pixels.shape != (1, *shape) or picture.offset != HU_OFFSET:
            raise fault(f"{place} is not one CT slice of {shape[0]} x {shape[1]} pixels")
        pixels[index] = picture.pixels[0]
    return Picture(pixels, 16, HU_OFFSET, stated=True)


def _gaps(gaps: npt.NDArray[np.float64], what: str) -> list[str]:
    """What is uneven about the distances between neighbours."""
    if len(gaps) < 2:
        return []
    usual = float(np.median(gaps))
    wide = gaps[gaps > MISSING * usual]
    if len(wide):
        lost = int(np.rint(wide / usual - 1).sum())
        return [f"{lost} {what} seem to be missing: {len(wide)} gaps are wider than {MISSING:g} times the usual one"]
    if float(gaps.max() - gaps.min()) > 0.1 * usual:
        return [f"the {what} lie unevenly: gaps of {gaps.min():.2f} to {gaps.max():.2f} mm"]
    return []
