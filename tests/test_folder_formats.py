"""The folder backend over CT series, NIfTI and DICOM radiographs; and folders made to confuse it."""

from __future__ import annotations

import csv

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom, write_series

from lungeval.backends.base import Context
from lungeval.backends.folder import FolderBackend
from lungeval.errors import LungevalError
from lungeval.images import picture as limits
from lungeval.images import read
from lungeval.protocol import Arm, Cell

CT = Cell(modality="ct", condition="covid_19")
XRAY = Cell(modality="xray", condition="covid_19")
DEEP = np.linspace(0, 4095, 64).round().astype(np.uint16).reshape(8, 8)


def volume(n=4, seed=0):
    return np.random.default_rng(seed).integers(0, 4096, (n, 8, 8)).astype(np.uint16)


def backend(path, *, makes=("ct",), **settings):
    made = [{"modality": m, "condition": "covid_19"} for m in makes]
    arm = Arm(backend="folder", path=str(path), makes=made, **settings)
    return FolderBackend(Context(name="real", arm=arm, folder=path.parent, seed=1, where="study.yaml:4"))


def made(found, cell=CT):
    return list(found.make(found.offer(cell, 99)))


def hu(one):
    return one.pixels.astype(int) - one.offset


# --- series ----------------------------------------------------------------------------------------------------------


def test_a_series_is_one_image_from_head_to_foot_whatever_its_files_are_called(tmp_path):
    stored = volume(5)
    paths = write_series(tmp_path / "s", stored, names=["c.dcm", "a.dcm", "e.dcm", "b.dcm", "IM0"], patient="P7",
                         InstanceNumber=1)  # fmt: skip
    found = backend(tmp_path)
    (item,) = found.offer(CT, 99)
    (one,) = found.make([item])
    np.testing.assert_array_equal(hu(one), stored.astype(int) - 1024)
    assert item.cluster == "P7"
    assert item.private == str(paths[0])
    assert found.notices == ["all 1 ct images count as 'covid_19', whatever their metadata say"]


def test_the_key_of_a_series_is_its_bytes_in_order_never_its_names(tmp_path):
    stored = volume()
    write_series(tmp_path / "a", stored)
    first = backend(tmp_path / "a")
    for path in (tmp_path / "a").iterdir():
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "b" / f"{9 - int(path.stem)}.dcm").write_bytes(path.read_bytes())
    keys = [{item.key for item in found.offer(CT, 9)} for found in (first, backend(tmp_path / "b"))]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


def test_slice_by_slice_on_request(tmp_path):
    stored = volume()
    write_series(tmp_path, stored)
    each = made(backend(tmp_path, options={"series": "slices"}))
    assert len(each) == 4
    assert sorted(hu(one)[0].tolist() for one in each) == sorted((stored.astype(int) - 1024).tolist())


def test_two_series_in_one_folder_and_one_in_two(tmp_path):
    one, two = volume(4, seed=1), volume(3, seed=2)
    write_series(tmp_path / "x", one, names=[f"{i}a.dcm" for i in range(4)])
    write_series(tmp_path / "x", two, names=[f"{i}b.dcm" for i in range(3)], series="1.2.3.5")
    assert sorted(len(m.pixels) for m in made(backend(tmp_path))) == [3, 4]
    write_series(tmp_path / "y", one)
    found = backend(tmp_path)
    found.offer(CT, 9)
    assert len(found.offer(CT, 9)) == 3  # other bytes (each file has its own UID), so another image


def test_films_of_one_series_and_lone_slices_stay_one_image_each(tmp_path):
    for i in range(3):
        write_dicom(tmp_path / f"{i}.dcm", DEEP + i, bits=13, SeriesInstanceUID="1.2.3", patient="P1")
    write_series(tmp_path / "ct", volume(1), series="1.2.4")
    found = backend(tmp_path, makes=("ct", "xray"))
    assert [len(found.offer(cell, 9)) for cell in (CT, XRAY)] == [1, 3]
    assert "[" not in found.offer(CT, 9)[0].private


def test_overviews_copies_reports_directories_and_texts_among_the_slices(tmp_path):
    stored = volume(4)
    paths = write_series(tmp_path, stored)
    write_series(tmp_path, volume(1, 9), names=["scout"], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
                 ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    (tmp_path / "copy of 001.dcm").write_bytes(paths[1].read_bytes())
    report = pydicom.dcmread(paths[0])
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    report.Modality = "SR"
    report.save_as(tmp_path / "report.dcm")
    report.save_as(tmp_path / "DICOMDIR")
    (tmp_path / "notes.txt").write_text("hello")
    found = backend(tmp_path)
    (one,) = made(found)
    np.testing.assert_array_equal(hu(one), stored.astype(int) - 1024)
    assert found.notices == [
        "1 DICOM files hold no image and are left out (first: report.dcm)",
        "000.dcm: 1 overview images of its series are left out",
        "000.dcm: 1 copies of slices of its series are left out",
    ]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"positions": [(0, 0, 0), (0, 0, 5), (0, 0, 5), (0, 0, 10)]}, "lie where another one lies"),
        ({"ImagePositionPatient": ""}, "do not say where they lie"),
    ],
)
def test_a_series_that_makes_no_stack_is_rejected_with_the_reason_and_the_others_made(tmp_path, tags, words):
    write_series(tmp_path / "bad", volume(), series="1.2.9", patient="DOE12345", **tags)
    write_series(tmp_path / "good", volume(3))
    found = backend(tmp_path)
    outcomes = {one.outcome: one for one in made(found)}
    assert words in outcomes["rejected"].reason
    assert "DOE" not in outcomes["rejected"].reason
    assert len(outcomes["made"].pixels) == 3
    assert any("options: {series: slices} takes them one by one" in notice for notice in found.notices)
    assert len(made(backend(tmp_path, options={"series": "slices"}))) == 7


def test_mixed_sizes_and_missing_slices(tmp_path):
    write_series(tmp_path, volume(3))
    write_series(tmp_path, np.zeros((1, 4, 4), np.uint16), names=["z.dcm"], positions=[(0, 0, -99.0)])
    assert made(backend(tmp_path))[0].reason == "the slices of one series have 2 sizes"
    (tmp_path / "z.dcm").unlink()
    write_series(tmp_path, volume(2, 5), names=["y", "z.dcm"], positions=[(0, 0, -15.0), (0, 0, -30.0)])
    found = backend(tmp_path)
    assert made(found)[0].outcome == "made"
    assert found.notices == ["000.dcm: 2 slices seem to be missing: 1 gaps are wider than 1.5 times the usual one"]


def test_a_damaged_slice_rejects_its_series_without_its_name(tmp_path):
    paths = write_series(tmp_path, volume(), names=[f"DOE_JANE_{i}.dcm" for i in range(4)])
    paths[2].write_bytes(paths[2].read_bytes()[:-20])
    (one,) = made(backend(tmp_path))
    assert (one.outcome, one.reason) == (
        "rejected", "slice 3 of 4: the image is damaged or cut short (ValueError)"
    )  # fmt: skip


def test_a_series_that_is_too_large_is_rejected_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TOTAL", 150)
    write_series(tmp_path, volume())
    monkeypatch.setattr("lungeval.images.reading.read_dicom", lambda *_, **__: 1 / 0)
    assert made(backend(tmp_path))[0].reason == "the image is too large: 4 x 8 x 8 pixels"


def test_a_row_of_the_metadata_may_name_the_folder_of_a_series(tmp_path):
    write_series(tmp_path / "s/1", volume(4, 1))
    write_series(tmp_path / "s/2", volume(3, 2), series="1.2.5", patient="P2")
    rows = [["file", "condition", "patient"], ["s/1", "covid_19", "A"], ["s/2/000.dcm", "no_finding", "B"],
            ["s/2", "no_finding", "B"]]  # fmt: skip
    with (tmp_path / "metadata.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    found = backend(tmp_path, makes=())
    assert found.conditions() == {"ct": {"covid_19", "no_finding"}}
    (first,), (second,) = found.offer(CT, 9), found.offer(Cell(modality="ct", condition="no_finding"), 9)
    assert (first.cluster, second.cluster) == ("A", "B")
    assert [len(one.pixels) for one in found.make([first, second])] == [4, 3]


def test_metadata_that_split_a_series_are_refused(tmp_path):
    write_series(tmp_path, volume(2))
    (tmp_path / "metadata.csv").write_text("file,condition\n000.dcm,covid_19\n001.dcm,no_finding\n")
    with pytest.raises(LungevalError, match="one series have several values of `condition`") as caught:
        backend(tmp_path, makes=())
    assert caught.value.where.endswith("metadata.csv:2")
    assert len(made(backend(tmp_path, makes=(), options={"series": "slices"}))) == 1


# --- other formats ---------------------------------------------------------------------------------------------------


def test_nifti_volumes_are_ct_unless_something_says_else(tmp_path):
    nibabel.save(nibabel.Nifti1Image(volume(4).astype(np.int16) - 1024, np.eye(4)), tmp_path / "a.nii.gz")
    arm = Arm(backend="folder", path=str(tmp_path), options={"condition": "covid_19"})
    found = FolderBackend(Context("real", arm, tmp_path.parent, 1))
    assert found.conditions() == {"ct": {"covid_19"}}
    (one,) = made(found)
    np.testing.assert_array_equal(one.pixels, read(tmp_path / "a.nii.gz").pixels)
    assert one.offset == 32768


def test_nifti_films_and_grey_volumes(tmp_path):
    grey = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    nibabel.save(nibabel.Nifti1Image(grey, np.eye(4)), tmp_path / "a.nii")
    (film,) = made(backend(tmp_path, makes=("xray",)), XRAY)
    assert (film.offset, film.bits, film.pixels.shape) == (None, 8, (3, 4, 5))
    assert made(backend(tmp_path))[0].outcome == "rejected"
    (ct,) = made(backend(tmp_path, options={"levels": "grey"}))
    assert (ct.outcome, ct.offset) == ("made", None)


def test_voi_is_an_option(tmp_path):
    write_dicom(tmp_path / "a.dcm", DEEP, bits=12, WindowCenter=2048, WindowWidth=1000)
    plain = made(backend(tmp_path, makes=("xray",), options={"voi": "none"}), XRAY)[0]
    shown = made(backend(tmp_path, makes=("xray",)), XRAY)[0]
    np.testing.assert_array_equal(plain.pixels[0], DEEP)
    assert (plain.bits, shown.bits) == (12, 16)
    assert {int(shown.pixels.min()), int(shown.pixels.max())} == {0, 65535}
    stated = made(backend(tmp_path, makes=("xray",), options={"bits": 10}), XRAY)[0]
    assert (stated.outcome, stated.bits) == ("made", 16)  # DICOM states its depth


def test_faulty_options(tmp_path):
    write_dicom(tmp_path / "a.dcm", DEEP)
    with pytest.raises(LungevalError) as caught:
        backend(tmp_path, options={"voi": "auto", "series": 3, "levels": "HU"})
    assert [str(f) for f in caught.value.faults()] == [
        "study.yaml:4: options.voi: 'auto'; choose file or none",
        "study.yaml:4: options.series: 3; choose stack or slices",
        "study.yaml:4: options.levels: 'HU'; choose hu or grey",
    ]


@pytest.mark.parametrize(
    "folder", ["2007-04-04", "study_20070404", "1.2.840.99.1234567", "doe_jane", "Jane", "ACC-777123"]
)
def test_a_folder_called_after_the_patient_or_study_is_no_condition(tmp_path, folder):
    (tmp_path / folder).mkdir()
    write_dicom(tmp_path / folder / "a.dcm", DEEP, PatientName="DOE^JANE", StudyDate="20070404",
                StudyInstanceUID="1.2.840.99.1234567", AccessionNumber="ACC777123")  # fmt: skip
    (tmp_path / "covid_19").mkdir()
    write_dicom(tmp_path / "covid_19/a.dcm", DEEP, PatientName="DOE^JANE", StudyDate="20070404")
    assert backend(tmp_path, makes=()).conditions() == {"xray": {"covid_19"}}
