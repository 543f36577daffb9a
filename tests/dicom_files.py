"""Small DICOM files for tests, written by pydicom."""

from __future__ import annotations

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def write_dicom(path, array, *, modality="DX", photometric="MONOCHROME2", bits=None, syntax=None, **tags):
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
    if syntax:
        ds.compress(syntax)
    ds.save_as(path, enforce_file_format=True)
    return path
