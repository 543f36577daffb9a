"""NIfTI (.nii, .nii.gz): CT as Hounsfield units, turned to the way that radiologists look at axial slices.

NIfTI does not say whether it holds a CT or a radiograph, nor whether its numbers are Hounsfield units: what is known of
the image (metadata, options) decides, and CT in Hounsfield units is taken for granted where nothing is said. Nothing of
the header but shape, scale and affine is looked at; its free texts go nowhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import HU_OFFSET, Picture, bits_needed, canonical, check_size, fault, hounsfield

ENDINGS = (".nii", ".nii.gz")
Levels = Literal["hu", "grey"]
"""hu = Hounsfield units; grey = levels 0 .. 65535 of an unstated depth."""
SQUARE = 1.05
"""Most that the sides of a pixel may differ by."""


def is_nifti(path: Path) -> bool:
    """Whether a file's name ends as NIfTI's does."""
    return path.name.lower().endswith(ENDINGS)


def read_nifti(path: Path, *, levels: Levels = "hu") -> Picture:
    """A NIfTI image: a volume is a stack of axial slices, a plane (one slice) one frame.

    Stored numbers are scaled by `scl_slope` and `scl_inter`. Axes are exchanged and flipped to the nearest anatomical
    ones (nothing is resampled): frames run from head to foot, rows from front to back, and the patient's right is on
    the left. A plane that is coronal or sagittal by its affine has the head at the top, and the right or the front on
    the left. Without `sform` and `qform`, NIfTI's method 1 applies (stored from the patient's right, back and foot).

    Args:
        path: the file.
        levels: `hu`: rounded half to even, kept as HU + 32768; `grey`: whole numbers 0 .. 65535, kept as they are.

    Raises:
        LungevalError: `image` for several volumes, colour, NaN, numbers that do not fit, an affine without directions,
            pixels that are not square, and a volume that cannot be Hounsfield units (no number below 0).
    """
    import nibabel

    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 is a kind of it
        raise fault("not a NIfTI image", remedy="give .nii or .nii.gz")
    shape = tuple(int(side) for side in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 3:
        raise fault(f"the NIfTI image has shape {shape}", remedy="store one plane or one volume a file")
    shape = (*shape, 1)[:3]
    _check_shape(shape)
    if image.get_data_dtype().kind not in "iuf":
        raise fault("the NIfTI image has no plain numbers (colour or complex)", remedy="store grey levels or HU")
    affine = np.asarray(image.affine, float)
    axes = _axes(affine)
    raw = np.asanyarray(image.dataobj.get_unscaled()).reshape(shape, order="F")
    slope, inter = float(image.dataobj.slope), float(image.dataobj.inter)
    frames = _as_shown(raw, axes, _sides(affine, axes, shape))
    return _hu(frames, slope, inter) if levels == "hu" else _grey(frames, slope, inter)


def _check_shape(shape: tuple[int, ...]) -> None:
    """Whatever the axes turn out to be, no frame may be too large."""
    low, middle, high = sorted(shape)
    check_size(low, middle, high)


def _axes(affine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """For each stored axis: the anatomical axis (0 right, 1 front, 2 head) and its sign."""
    from nibabel.orientations import io_orientation

    if not np.isfinite(affine).all() or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-12:
        raise fault("the NIfTI image's affine gives no directions", remedy="mend its sform or qform")
    axes: npt.NDArray[Any] = io_orientation(affine)
    if np.isnan(axes).any():
        raise fault("the NIfTI image's affine gives no directions", remedy="mend its sform or qform")
    return axes


def _sides(affine: npt.NDArray[Any], axes: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Size of a voxel along right, front and head, mm; 0 where there is but one."""
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    sides = np.zeros(3)
    for stored, (axis, _) in enumerate(axes):
        sides[int(axis)] = sizes[stored] if shape[stored] > 1 else 0.0
    return sides


def _as_shown(raw: npt.NDArray[Any], axes: npt.NDArray[Any], sides: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Frames x rows x cols: the volume along left-to-right, back-to-front, foot-to-head, then seen as a radiologist."""
    order = [int(np.flatnonzero(axes[:, 0] == axis)[0]) for axis in range(3)]
    volume = raw.transpose(order)
    flips = tuple(slice(None, None, -1 if axes[stored, 1] < 0 else 1) for stored in order)
    right, front, head = volume[flips].shape
    volume = volume[flips][::-1, ::-1, ::-1]  # now from right to left, front to back, head to foot
    if head > 1 and front == 1:  # a coronal plane: head to foot, right to left
        frames, pixel = volume.transpose(1, 2, 0), (sides[2], sides[0])
    elif head > 1 and right == 1:  # a sagittal plane: head to foot, front to back
        frames, pixel = volume.transpose(0, 2, 1), (sides[2], sides[1])
    else:
        frames, pixel = volume.transpose(2, 1, 0), (sides[1], sides[0])
    if min(pixel) > 0 and max(pixel) / min(pixel) > SQUARE:
        raise fault(
            f"pixels of {pixel[0]:.2f} x {pixel[1]:.2f} mm are not square", remedy="resample the image to square pixels"
        )
    return frames


def _hu(frames: npt.NDArray[Any], slope: float, inter: float) -> Picture:
    pixels = np.empty(frames.shape, np.uint16)
    for index, frame in enumerate(frames):
        pixels[index] = hounsfield(frame.astype(np.float64) * slope + inter)
    if int(pixels.min()) >= HU_OFFSET:
        raise fault(
            "a CT without any number below 0: not Hounsfield units",
            remedy="options: {levels: grey} takes its numbers as grey levels",
        )
    return Picture(canonical(pixels), 16, HU_OFFSET, stated=True)


def _grey(frames: npt.NDArray[Any], slope: float, inter: float) -> Picture:
    pixels = np.empty(frames.shape, np.uint8 if frames.dtype == np.uint8 and (slope, inter) == (1, 0) else np.uint16)
    for index, frame in enumerate(frames):
        scaled = frame.astype(np.float64) * slope + inter
        if not np.isfinite(scaled).all():
            raise fault("the image contains NaN or infinite levels", remedy="store whole numbers 0 .. 65535")
        whole = np.rint(scaled)
        if float(np.abs(scaled - whole).max()) > 1e-3:
            raise fault("the NIfTI image has broken numbers for grey levels", remedy="store whole numbers 0 .. 65535")
        if whole.min() < 0 or whole.max() > 65535:
            raise fault(f"levels {whole.min():.0f} .. {whole.max():.0f} do not fit 0 .. 65535")
        pixels[index] = whole.astype(pixels.dtype)
    pixels = canonical(pixels)
    return Picture(pixels, bits_needed(pixels))
