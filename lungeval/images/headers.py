"""What a DICOM file says of itself, pixels left alone: kind, patient, series, and where its slice lies in the body."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CT_IMAGE = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""SOP classes: CT, enhanced CT and legacy converted enhanced CT image storage."""
RADIOGRAPHS = ("CR", "DX", "RG")
PREAMBLE = 128
IDENTIFYING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "OtherPatientIDs",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "InstitutionName",
    "ReferringPhysicianName",
    "DeviceSerialNumber",
)
"""Tags whose values are compared with names of sub-folders, so that none of them passes for a condition."""
PLACE = ("Rows", "Columns", "NumberOfFrames", "ImageType", "ImagePositionPatient", "ImageOrientationPatient")


@dataclass(frozen=True)
class Header:
    """What a DICOM file says of itself. It stays in memory: nothing of it but modality and patient goes any further."""

    modality: str
    """xray, ct, or empty where it is neither."""
    patient: str
    """PatientID, or empty."""
    image: bool = True
    """False where it is a DICOM file without a picture: a report, a plan, a directory."""
    series: str = ""
    """SeriesInstanceUID, or empty."""
    localizer: bool = False
    """Whether it is the overview that a scan is planned on, not one of its slices."""
    frames: int = 1
    """Frames of the file."""
    rows: int = 0
    """Rows of a frame."""
    cols: int = 0
    """Columns of a frame."""
    position: tuple[float, ...] | None = None
    """Centre of the first pixel, mm: towards the patient's left, back and head; None where it is not told."""
    orientation: tuple[float, ...] | None = None
    """Direction of the rows, then of the columns; None where it is not told."""
    identifiers: frozenset[str] = field(default=frozenset(), repr=False)
    """Values that identify the patient, the study or the place."""


def has_dicom_mark(path: Path) -> bool:
    """Whether the file carries DICOM's mark behind its preamble."""
    with path.open("rb") as handle:
        return handle.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


def read_header(path: Path) -> Header:
    """The header of a DICOM file; empty where the file is damaged."""
    import warnings

    import pydicom
    from pydicom.errors import InvalidDicomError

    tags = ["Modality", "SOPClassUID", *PLACE, *IDENTIFYING]
    forced = path.suffix.lower() in (".dcm", ".dicom") and not has_dicom_mark(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = _header(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=forced))
            return header if header.image or not forced else Header("", "")
    except (InvalidDicomError, OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, OverflowError):
        return Header("", "")  # `read` reports the damage, image by image


def is_ct(ds: Any) -> bool:
    """Whether a data set is a CT image."""
    return str(ds.get("Modality", "")) == "CT" or str(ds.get("SOPClassUID", "")) in CT_IMAGE


def numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers of a tag, or None."""
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and np.isfinite(found).all() else None


def _header(ds: Any) -> Header:
    modality = "ct" if is_ct(ds) else "xray" if str(ds.get("Modality", "")) in RADIOGRAPHS else ""
    kind = _text(ds, "SOPClassUID") or _text(ds, "Modality")  # a file that says neither is damaged
    rows, cols = (int(ds.get(name, 0) or 0) for name in ("Rows", "Columns"))
    return Header(
        modality=modality, patient=_text(ds, "PatientID"), image=(rows > 0 and cols > 0) or not kind,
        series=_text(ds, "SeriesInstanceUID"), localizer="LOCALIZER" in str(ds.get("ImageType", "")).upper(),
        frames=int(ds.get("NumberOfFrames", 1) or 1), rows=rows, cols=cols,
        position=numbers(ds.get("ImagePositionPatient"), 3),
        orientation=numbers(ds.get("ImageOrientationPatient"), 6),
        identifiers=frozenset(_text(ds, name) for name in IDENTIFYING) - {""},
    )  # fmt: skip


def _text(ds: Any, name: str) -> str:
    return str(ds.get(name, "") or "").strip()
