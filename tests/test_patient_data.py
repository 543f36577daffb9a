"""Nothing that a DICOM header says of a patient leaves ingest: every byte of a run is searched for every such value."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import tifffile
from dicom_files import write_dicom, write_series
from identifying import identifying, leaks
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from studies import lungeval

from lungeval.backends.base import Context
from lungeval.backends.folder import FolderBackend
from lungeval.generation import generate
from lungeval.images import load, save
from lungeval.progress import Progress
from lungeval.protocol import Arm, Cell, Located, LockedProtocol, Protocol
from lungeval.runs import open_run

CELL = {"modality": "ct", "condition": "covid_19"}
PERSON = {
    "PatientName": "Mustermann^Erika", "patient": "PID-00998877", "PatientBirthDate": "19640812",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.1", "StudyDate": "20200317", "StudyTime": "101112.123",
    "AccessionNumber": "ACC-5544332", "InstitutionName": "Universitaetsklinikum", "DeviceSerialNumber": "SN-1234567",
    "ReferringPhysicianName": "Hausarzt^Hans", "PatientComments": "a comment about the patient",
    "OtherPatientIDs": "OTHER-12345", "StationName": "CTSTATION9", "ProtocolName": "Thorax nativ 5mm",
    "SeriesDescription": "secret description",
}  # fmt: skip


def run_of(tmp_path, folder, **options):
    """0-images/ of a study whose reals are a folder of DICOM files."""
    real = {"backend": "folder", "path": "reals", "options": options, "makes": [CELL, {**CELL, "modality": "xray"}]}
    cells = [CELL, {**CELL, "modality": "xray"}]
    if not list(folder.glob("film*")):
        real["makes"], cells = [CELL], [CELL]
    content = {"version": 1, "name": "p", "real": real, "cells": cells, "generators": ["ghost"],
               "readers": [{"id": "s", "kind": "simulated"}]}  # fmt: skip
    protocol = Protocol.model_validate(content)
    ghost = {"name": "ghost", "backend": "phantom", "makes": [CELL], "options": {"size": 64}}
    locked = LockedProtocol.model_validate({"protocol": protocol.model_dump(), "generators": [ghost]})
    arm = Arm.model_validate(real | {"path": str(folder)})
    run = open_run(tmp_path / "reports", locked, tmp_path / "p.yaml")
    generate(run, locked, [Located(name="real", arm=arm, folder=tmp_path, where="p.yaml:3")], Progress(quiet=True))
    return run


@pytest.fixture
def named(tmp_path):
    """A folder of a series, a film and files that are rejected, full of what identifies, its own name included."""
    folder = tmp_path / "Mustermann Erika 19640812"
    stored = np.random.default_rng(0).integers(0, 4096, (4, 16, 16)).astype(np.uint16)
    nested = Dataset()
    nested.add_new((0x0008, 0x1155), "UI", "1.2.276.0.7230010.3.1.4.777")
    more = {**PERSON, "ReferencedStudySequence": Sequence([nested])}
    write_series(folder / "PID-00998877", stored, series="1.2.276.0.7230010.3.1.3.1", **more)
    twins = [(0, 0, 0), (0, 0, 0)]
    write_series(folder / "twice", stored[:2], series="1.2.276.0.7230010.3.1.3.2", positions=twins, **more)
    flat = folder / "flat"
    write_series(flat, np.full((1, 16, 16), 1000, np.uint16), series="1.2.276.0.7230010.3.1.3.3", **more)
    film = (stored[0] % 4096).astype(np.uint16)
    write_dicom(folder / "film Mustermann.dcm", film, bits=12, **more)
    write_dicom(folder / "film bad window.dcm", film, bits=12, WindowCenter=1, WindowWidth=0, **more)
    odd = write_dicom(folder / "film odd.dcm", film, bits=12, **more)
    odd.write_bytes(odd.read_bytes().replace(b"MONOCHROME2 ", b"Mustermann^E"))
    cut = write_dicom(folder / "film cut Mustermann.dcm", film + np.uint16(1), bits=13, **more)
    cut.write_bytes(cut.read_bytes()[:-99])
    return folder


@pytest.mark.parametrize("series", ["stack", "slices"])
def test_no_value_of_a_header_is_in_a_run(tmp_path, named, series):
    run = run_of(tmp_path, named, series=series)
    manifest = run.manifest()
    assert {image.outcome for image in manifest} == {"made", "rejected"}
    assert sum(image.outcome == "rejected" for image in manifest if image.modality == "xray") == 3
    words = identifying(named.rglob("*.dcm")) | {"Mustermann", "PID-00998877", str(tmp_path / "Mustermann")}
    assert {"Universitaetsklinikum", "1.2.276.0.7230010.3.1.4.777", "20200317", "101112.123"} <= words
    assert leaks(run.folder, words) == []
    private = (run.path("generate") / "private.csv").read_text()
    assert "PID-00998877" in private
    assert "Mustermann Erika" in private


def test_the_search_finds_what_is_hidden_in_a_file(tmp_path):
    """The search can fail: plain, in capitals, in a name, in the pixels of a compressed page."""
    (tmp_path / "a.json").write_text('{"x": "mustermann"}')
    (tmp_path / "Mustermann.txt").write_text("")
    pixels = np.frombuffer(b"MUSTERMANN" * 100, np.uint8).reshape(1, 20, 50)
    tifffile.imwrite(tmp_path / "b.tif", pixels, compression="zlib", metadata=None)
    Image.fromarray(pixels[0]).save(tmp_path / "c.png")
    (tmp_path / "private.csv").write_text("Mustermann")
    assert [name for name, _ in leaks(tmp_path, {"Mustermann"})] == ["Mustermann.txt", "a.json", "b.tif", "c.png"]


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stored_pixels_carry_nothing_but_pixels(tmp_path, frames, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (frames, 9, 7)).astype(dtype)
    path = tmp_path / save(pixels, tmp_path)
    np.testing.assert_array_equal(load(path), pixels)
    if frames == 1:
        raw = path.read_bytes()
        assert [raw[at : at + 4] for at in (12, raw.index(b"IDAT"), len(raw) - 8)] == [b"IHDR", b"IDAT", b"IEND"]
        assert raw.index(b"IDAT") == 37  # nothing between the header and the pixels
        return
    layout = set(range(256, 260)) | {254, 262, 273, 277, 278, 279, 282, 283, 296, 284, 317, 339}
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            assert {tag.code for tag in page.tags} <= layout, page.tags


# --- the real series -------------------------------------------------------------------------------------------------


def test_the_real_series_as_one_stack_and_as_slices_has_pydicoms_hounsfield_units(lungs):
    truth = {}
    for path in sorted((lungs / "ct-dicom").rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        truth[float(ds.ImagePositionPatient[2])] = pydicom.pixels.apply_rescale(ds.pixel_array, ds)
    expected = [truth[height].astype(int) for height in sorted(truth, reverse=True)]
    for series in ("stack", "slices"):
        arm = Arm(backend="folder", path=str(lungs / "ct-dicom"), options={"series": series}, makes=[CELL])
        found = FolderBackend(Context("real", arm, lungs, 1))
        made = list(found.make(found.offer(Cell(**CELL), 99)))
        assert {(one.outcome, one.offset) for one in made} == {("made", 32768)}
        if series == "stack":
            np.testing.assert_array_equal(made[0].pixels.astype(int) - 32768, expected)
        hu = [plane.astype(int) - 32768 for one in made for plane in one.pixels]
        assert sorted(plane.tobytes() for plane in hu) == sorted(plane.tobytes() for plane in expected)


@pytest.mark.parametrize("series", ["stack", "slices"])
def test_no_value_of_the_real_headers_is_in_a_run(tmp_path, lungs, series):
    files = sorted((lungs / "ct-dicom").rglob("*.dcm"))[:10]
    (tmp_path / "reals").mkdir()
    for path in files:
        (tmp_path / "reals" / path.name).symlink_to(path)
    words = identifying(files)
    assert len(words) > 20
    run = run_of(tmp_path, tmp_path / "reals", series=series)
    assert len(run.manifest()) == (1 if series == "stack" else 10)
    assert leaks(run.folder, words | {str(lungs)}) == []


@pytest.mark.slow
@pytest.mark.parametrize("series", ["stack", "slices"])
def test_a_whole_run_on_the_real_series_tells_nobody(tmp_path, lungs, series):
    import yaml

    (tmp_path / "protocols").mkdir()
    real = {"backend": "folder", "path": str(lungs / "ct-dicom"), "options": {"series": series}, "makes": [dict(CELL)]}
    ghost = {"name": "ghost", "backend": "phantom", "options": {"size": 64}}
    if series == "stack":  # phantoms are single slices, and a modality is of stacks or of slices, not of both
        stored = np.random.default_rng(0).integers(0, 4096, (20, 64, 64)).astype(np.uint16)
        write_series(tmp_path / "fakes", stored, patient="nobody")
        ghost = {"name": "ghost", "backend": "folder", "path": str(tmp_path / "fakes"), "makes": [dict(CELL)]}
    content = {
        "version": 1, "name": "ct", "real": real, "generators": [ghost], "cells": [CELL], "metrics": [],
        "set": {"per_generator": 1, "pool": 64, "repeats": 0}, "readers": [{"id": "s", "kind": "simulated"}],
    }  # fmt: skip
    (tmp_path / "protocols/ct.yaml").write_text(yaml.safe_dump(content))
    done = lungeval("run", tmp_path / "protocols/ct.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = [path for path in (tmp_path / "reports").iterdir() if (path / "protocol.lock.json").exists()]
    assert json.loads((run / "4-scores/results.json").read_text())["schema"] == 1
    assert leaks(run, identifying((lungs / "ct-dicom").rglob("*.dcm"))) == []
