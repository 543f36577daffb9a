"""TIFF, DICOM, NIfTI and .npz: what their headers declare, pixels left alone."""

from __future__ import annotations

import gzip
import struct
import zipfile
from pathlib import Path
from typing import Any

from lungeval.auditing.containers import Facts, digest


def tiff_facts(path: Path) -> Facts:
    """Tags, compression, depth and photometric interpretation of a TIFF file's first page."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages.first
        tags = [int(tag.code) for tag in page.tags]
        told = {code: str(page.tags[code].value) for code in (270, 305) if code in page.tags}
        facts: Facts = {
            "chunks": " ".join(str(code) for code in tags),
            "transfer_syntax": f"TIFF {_name(page.compression)}",
            "bit_depth": str(page.bitspersample),
            "colour_type": _name(page.photometric).lower(),
            "rows": int(page.imagelength),
            "cols": int(page.imagewidth),
        }
    texts = [f"ImageDescription #{digest(told[270].encode())}"] if 270 in told else []
    texts += [f"Software={told[305][:40]}"] if 305 in told else []
    return facts | {"text_chunks": " | ".join(texts) or "none"}


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def dicom_facts(path: Path) -> Facts:
    """Elements, transfer syntax, depth and photometric interpretation of a DICOM file; nothing that identifies."""
    import pydicom

    ds = pydicom.dcmread(path, stop_before_pixels=True, force=path.suffix.lower() in (".dcm", ".dicom"))
    tags = " ".join(f"{element.tag:08X}" for element in ds)
    stated = ds.file_meta.get("TransferSyntaxUID") if getattr(ds, "file_meta", None) else None
    syntax = str(stated.name) if stated else "none"
    lossy = " after lossy compression" if str(ds.get("LossyImageCompression", "00")) == "01" else ""
    spacing = ds.get("PixelSpacing") or ds.get("ImagerPixelSpacing")
    return {
        "chunks": f"{len(ds)} elements {digest(tags.encode())}",
        "transfer_syntax": syntax + lossy,
        "bit_depth": f"{ds.get('BitsStored', '?')} of {ds.get('BitsAllocated', '?')}",
        "colour_type": str(ds.get("PhotometricInterpretation", "none")),
        "mode": f"{ds.get('SamplesPerPixel', 1)} x {ds.get('BitsAllocated', '?')} bits",
        "dpi": f"{float(spacing[0]):.3f} mm" if spacing else "none",
        "text_chunks": "ImageComments" if "ImageComments" in ds else "none",
        "rows": int(ds.get("Rows", 0)) or None,
        "cols": int(ds.get("Columns", 0)) or None,
    }


def nifti_facts(path: Path) -> Facts:
    """Depth, data type and size of a NIfTI-1 file, compressed by gzip or not.

    Source: NIfTI-1 header (nifti1.h): dim at byte 40, datatype at 70, bitpix at 72, magic at 344.
    """
    with path.open("rb") as raw:
        data = raw.read(352)
    if data[:2] == b"\x1f\x8b":
        with gzip.open(path) as handle:
            data = handle.read(352)
    if len(data) < 348 or data[344:347] not in (b"n+1", b"ni1"):
        return {}
    order = "<" if struct.unpack("<i", data[:4])[0] == 348 else ">"
    dim = struct.unpack(f"{order}8h", data[40:56])
    kind, bits = struct.unpack(f"{order}2h", data[70:74])
    return {"bit_depth": str(bits), "mode": f"NIfTI type {kind}", "rows": int(dim[2]), "cols": int(dim[1])}


def npz_facts(path: Path) -> Facts:
    """Names of an .npz archive's arrays."""
    with zipfile.ZipFile(path) as archive:
        return {"chunks": " ".join(archive.namelist())}
