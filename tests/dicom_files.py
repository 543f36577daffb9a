"""Small DICOM files for tests, written by pydicom."""

from __future__ import annotations

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_dicom(path, array, *, modality="DX", photometric="MONOCHROME2", bits=None, syntax=None, frame=None, **tags):
    """One file of an array; `frame`: its code stream, made elsewhere, of the transfer syntax `syntax`."""
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.Modality, ds.PatientID = modality, tags.pop("patient", "P1")
    colour = array.ndim == 3 and array.shape[-1] == 3
    frames = array.shape[0] if array.ndim == 3 and not colour else 1
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.Rows, ds.Columns = array.shape[:2] if colour else array.shape[-2:]
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = array.dtype.itemsize * 8
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(array.dtype.kind == "i")
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.PixelData = array.tobytes() + (b"\0" if array.nbytes % 2 else b"")
    ds["PixelData"].VR = "OW"
    if frame is not None:
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
    elif syntax:
        ds.compress(syntax)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_series(folder, volume, *, names=None, positions=None, series="1.2.3.4", **tags):
    """A CT series, one file a slice of `volume` (slices x rows x cols, HU + 1024 as stored); 5 mm apart, head first."""
    folder.mkdir(parents=True, exist_ok=True)
    places = positions or [(-100.0, -120.0, -5.0 * index) for index in range(len(volume))]
    paths = []
    for index, (plane, place) in enumerate(zip(volume, places, strict=True)):
        name = names[index] if names else f"{index:03d}.dcm"
        own = {
            "SOPClassUID": CTImageStorage, "SeriesInstanceUID": series, "RescaleSlope": 1, "RescaleIntercept": -1024,
            "ImagePositionPatient": list(place), "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "bits": 12, **tags,
        }  # fmt: skip
        paths.append(write_dicom(folder / name, plane, modality="CT", **own))
    return paths
