"""The folder backend: what is found, what it is said to show, how it is drawn, and what is refused in which words."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from dicom_files import write_dicom
from PIL import Image

from lungeval.backends.base import Context
from lungeval.backends.folder import FolderBackend
from lungeval.backends.metadata import condition_word, modality_word, read_metadata
from lungeval.errors import LungevalError
from lungeval.keys import content_key, sha256_file
from lungeval.protocol import Arm, Cell, Generator
from lungeval.records import ANY_CONDITION

COVID = Cell(modality="xray", condition="covid_19")
NORMAL = Cell(modality="xray", condition="no_finding")
ANY = Cell(modality="xray", condition=ANY_CONDITION)


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return path


def metadata(folder, rows, name="metadata.csv"):
    with (folder / name).open("w", newline="", encoding="utf-8") as handle:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def backend(path, *, seed=1, name="real", **settings):
    arm = Arm(backend="folder", path=str(path), **settings)
    return FolderBackend(Context(name=name, arm=arm, folder=path.parent, seed=seed, where="study.yaml:4"))


def makes(condition, modality="xray"):
    return [{"modality": modality, "condition": condition}]


def fault(path, **settings):
    with pytest.raises(LungevalError) as caught:
        backend(path, **settings)
    return caught.value


@pytest.fixture
def study(tmp_path):
    """Six radiographs with metadata: four covid_19 of two patients and two sources, two no_finding."""
    rows = []
    for i in range(6):
        picture(tmp_path / f"images/{i}.png", i)
        rows.append({
            "file": f"images/{i}.png", "modality": ["CXR", "CR", "DX", "x-ray", "xray", "cxr"][i],
            "condition": "COVID 19" if i < 4 else "no finding", "patient_id": f"p{i // 2}",
            "source_dataset": "NIH" if i % 2 else "Hannover", "license": "CC0" if i else "",
            "view": "PA" if i < 5 else "AP",
        })  # fmt: skip
    metadata(tmp_path, rows)
    return tmp_path


def test_metadata_words_are_brought_to_the_protocols(study):
    found = backend(study, licence="CC-BY")
    assert found.conditions() == {"xray": {"covid_19", "no_finding"}}
    items = found.offer(COVID, 99)
    assert {item.cluster for item in items} == {"p0", "p1"}
    assert {item.source for item in items} == {"NIH", "Hannover"}
    assert sorted(item.licence for item in items) == ["CC-BY", "CC0", "CC0", "CC0"]
    assert {item.private for item in items} == {str(study / f"images/{i}.png") for i in range(4)}


def test_images_are_made_as_they_are_read(study):
    found = backend(study)
    made = list(found.make(found.offer(COVID, 2)))
    assert [m.outcome for m in made] == ["made", "made"]
    for one in made:
        with Image.open(one.item.private) as image:
            np.testing.assert_array_equal(one.pixels[0], np.asarray(image))
        assert (one.bits, one.offset) == (8, None)


def test_the_key_is_the_content_and_the_cell_never_the_path(study):
    item = backend(study).offer(NORMAL, 1)[0]
    digest = sha256_file(study / item.private)
    assert item.key == content_key(kind="file", sha256=digest, modality="xray", condition="no_finding")
    moved = study.rename(study.parent / "elsewhere")
    assert {i.key for i in backend(moved).offer(NORMAL, 9)} == {
        content_key(kind="file", sha256=sha256_file(moved / f"images/{i}.png"), modality="xray", condition="no_finding")
        for i in (4, 5)
    }


def test_a_draw_is_seeded_and_a_larger_one_starts_with_the_smaller(tmp_path):
    for i in range(30):
        picture(tmp_path / f"{i}.png", i)
    many = [i.key for i in backend(tmp_path, makes=makes("covid_19")).offer(COVID, 30)]
    for count in (0, 1, 7, 29):
        assert [i.key for i in backend(tmp_path, makes=makes("covid_19")).offer(COVID, count)] == many[:count]
    assert len(set(many)) == 30
    assert [i.key for i in backend(tmp_path, makes=makes("covid_19"), seed=2).offer(COVID, 30)] != many
    assert [i.key for i in backend(tmp_path, makes=makes("covid_19"), name="sd").offer(COVID, 30)] != many


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"source": "NIH"}, 3), ({"source_dataset": "NIH"}, 3), ({"source": ["NIH", "Hannover"]}, 6),
        ({"view": "AP"}, 1),
        ({"condition": "COVID 19"}, 4), ({"modality": "CXR"}, 6), ({"source": "NIH", "condition": "no_finding"}, 1),
        ({"patient": ["p0", "p9"]}, 2), ({"File": "images/3.png"}, 1), ({"license": "CC0"}, 5),
    ],
)  # fmt: skip
def test_where_selects_by_any_column(study, where, count):
    found = backend(study, where=where)
    assert sum(len(found.offer(cell, 99)) for cell in (COVID, NORMAL)) == count


def test_where_without_a_match_lists_what_there_is(study):
    error = fault(study, where={"source": "nih", "view": "PA"})
    assert error.code == "protocol"
    assert str(error).startswith("study.yaml:4: where: no image matches {source: nih, view: PA}; there are source: ")
    assert "'NIH' (3)" in str(error)
    assert "view: 'PA' (5), 'AP' (1)" in str(error)


def test_where_with_an_unknown_column_suggests_one(study):
    assert "no image has a column 'sourc'; did you mean 'source'?" in str(fault(study, where={"sourc": "NIH"}))
    both = fault(study, where={"sourc": "NIH", "veiw": "PA"})
    assert len(both.faults()) == 2


def test_sub_folders_are_conditions(tmp_path):
    for i, name in enumerate(["covid_19/a.png", "xray/No Finding/b.png", "CT/covid_19/c.png", "deep/covid_19/d.png"]):
        picture(tmp_path / name, i)
    picture(tmp_path / ".hidden/e.png", 9)
    picture(tmp_path / "covid_19/.f.png", 10)
    (tmp_path / "notes.txt").write_text("not an image")
    found = backend(tmp_path)
    assert found.conditions() == {"xray": {"covid_19", "no_finding"}, "ct": {"covid_19"}}
    assert len(found.offer(COVID, 9)) == 2


def test_one_condition_for_all(tmp_path):
    picture(tmp_path / "a.png", 1)
    assert backend(tmp_path, makes=makes("covid_19")).conditions() == {"xray": {"covid_19"}}
    assert backend(tmp_path, makes=makes("covid_19", "ct")).conditions() == {"ct": {"covid_19"}}
    options = {"condition": "COVID 19", "modality": "ct"}
    assert backend(tmp_path, options=options).conditions() == {"ct": {"covid_19"}}
    assert backend(tmp_path, makes=makes(ANY_CONDITION)).conditions() == {"xray": {ANY_CONDITION}}


def test_nothing_says_what_the_images_show(tmp_path):
    picture(tmp_path / "a.png", 1)
    error = fault(tmp_path)
    assert error.code == "protocol"
    assert "nothing says what the images show; set `makes:`" in str(error)


def test_makes_overrides_selects_and_maps(study):
    assert len(backend(study, makes=makes("covid_19")).offer(COVID, 9)) == 4  # images carry it: selected
    other = Cell(modality="xray", condition="tuberculosis")
    found = backend(study, makes=makes("tuberculosis"))
    assert len(found.offer(other, 9)) == 6  # none carries it: all
    assert found.notices == ["all 6 xray images count as 'tuberculosis', whatever their metadata say"]
    mapped = backend(study, makes=makes({"no_finding": "tuberculosis", "covid_19": "covid_19"}))
    assert mapped.conditions() == {"xray": {"tuberculosis", "covid_19"}}
    assert len(mapped.offer(other, 9)) == 2
    assert mapped.offer(NORMAL, 9) == []


def test_any_takes_every_image_beside_other_words(study):
    found = backend(study, makes=[*makes(ANY_CONDITION), *makes("covid_19")])
    assert (len(found.offer(ANY, 9)), len(found.offer(COVID, 9))) == (6, 4)
    assert not {i.key for i in found.offer(ANY, 9)} & {i.key for i in found.offer(COVID, 9)}


def test_makes_that_no_image_fits(study):
    error = fault(study, makes=[*makes({"covid_91": "covid_19"}), *makes("covid_19", "ct")])
    assert [str(f).split(": ", 1)[1] for f in error.faults()] == [
        "makes: no xray image carries the condition 'covid_91'; did you mean 'covid_19'?",
        "makes: no image is of modality ct; there are 'xray' (6)",
    ]


def test_images_without_a_condition_are_counted(study):
    rows = [{"file": f"images/{i}.png", "condition": "covid_19" if i else ""} for i in range(6)]
    (study / "images").rename(study / "renamed")
    for row in rows:
        row["file"] = row["file"].replace("images", "renamed")
    metadata(study, rows)
    # The sub-folder's name stands in where the metadata say nothing.
    assert backend(study).conditions() == {"xray": {"covid_19", "renamed"}}


def test_metadata_beside_the_folder_is_used(study):
    found = backend(study / "images", where={"source": "NIH"})
    assert found.conditions() == {"xray": {"covid_19", "no_finding"}}
    assert len(found.offer(COVID, 9)) == 2
    metadata(study, [{"file": "other/1.png", "condition": "covid_19"}])
    assert fault(study / "images").what == "nothing says what the images show"


def test_files_without_a_row_are_left_out_and_counted(study):
    picture(study / "images/extra.png", 77)
    found = backend(study)
    assert found.notices == ["1 image files have no row in metadata.csv and are left out (first: images/extra.png)"]
    assert len(found.offer(COVID, 99)) == 4


def test_every_fault_of_the_metadata_at_once(tmp_path):
    picture(tmp_path / "a.png", 1)
    (tmp_path / "metadata.csv").write_text(
        "file,condition\na.png,x\n./a.png,y\n../secret.png,x\n/etc/passwd,x\nC:\\b.png,x\n,x\nb.png,x,too,many\n\n"
    )
    error = fault(tmp_path)
    assert error.code == "image"
    place = tmp_path / "metadata.csv"
    assert [f"{f.where}: {f.what}" for f in error.faults()] == [
        f"{place}:3: duplicate id: 'a.png' is in lines 2 and 3",
        f"{place}:4: the file name '../secret.png' leads out of the folder",
        f"{place}:5: the file name '/etc/passwd' leads out of the folder",
        f"{place}:6: the file name 'C:/b.png' leads out of the folder",
        f"{place}:7: the row names no file",
        f"{place}:8: the row has 4 cells, the header 2",
    ]


def test_rows_without_file_are_reported_unless_left_out_by_where(study):
    (study / "images/0.png").unlink()
    (study / "images/5.png").unlink()
    error = fault(study)
    assert [f.what for f in error.faults()] == [
        "the file 'images/0.png' is not there",
        "the file 'images/5.png' is not there",
    ]
    assert error.faults()[0].where.endswith("metadata.csv:2")
    assert len(backend(study, where={"source": "NIH", "condition": "covid_19"}).offer(COVID, 9)) == 2


def test_many_faults_are_shortened(tmp_path):
    picture(tmp_path / "a.png", 1)
    metadata(tmp_path, [{"file": f"{i}.png", "condition": "x"} for i in range(500)])
    assert len(fault(tmp_path).faults()) < 60


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"filename,condition\na.png,x\n", "no column `file`; did you mean 'filename'?"),
        (b"", "no column `file`"),
        (b"file,condition,condition\na.png,x,y\n", "the column 'condition' is there twice"),
        (b"file,condition\na.png,\xff\xfe\n", "cannot be read"),
        (b'file,condition\n"a.png,x\n', "cannot be read"),
        (b"file,modality,condition\na.png,MR,x\n", "unknown modality 'mr'; known: xray, ct"),
    ],
)
def test_metadata_that_are_refused(tmp_path, content, words):
    picture(tmp_path / "a.png", 1)
    (tmp_path / "metadata.csv").write_bytes(content)
    error = fault(tmp_path)
    assert error.code == "image"
    assert words in str(error)


def test_metadata_of_windows_are_read(tmp_path):
    picture(tmp_path / "images/a.png", 1)
    (tmp_path / "metadata.csv").write_bytes(b"\xef\xbb\xbfFile,Condition\r\nimages\\a.png,Covid-19\r\n")
    assert backend(tmp_path).conditions() == {"xray": {"covid-19"}}
    assert read_metadata(tmp_path / "metadata.csv")[0].line == 2


def test_missing_and_empty_folders(tmp_path):
    absent = fault(tmp_path / "absent")
    assert (absent.code, absent.exit) == ("backend", 6)
    assert "no folder" in absent.what
    empty = fault(tmp_path)
    assert empty.code == "image"
    assert "no images found; kinds looked for: .png, .jpg" in str(empty)
    (tmp_path / "a.txt").write_text("x")
    assert "neither a folder nor an image" in fault(tmp_path / "a.txt").what
    with pytest.raises(LungevalError, match="the folder backend needs one"):
        FolderBackend(Context("real", Arm(backend="folder"), tmp_path, 1, "study.yaml:4"))


def test_every_faulty_option_at_once(tmp_path):
    picture(tmp_path / "a.png", 1)
    error = fault(tmp_path, options={"bit": 12, "bits": 12.0, "modality": "mr", "condition": 3})
    assert [f.what for f in error.faults()] == [
        "options.bit: unknown key", "options.bits: 12.0", "options.modality: 'mr' is no modality",
        "options.condition: 3 is no word",
    ]  # fmt: skip
    assert error.faults()[0].remedy == "did you mean 'bits'?"


def test_images_that_cannot_be_used_are_rejected_and_the_others_made(tmp_path):
    picture(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_text("no image")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    Image.new("L", (8, 8), 7).save(tmp_path / "d.png")
    found = backend(tmp_path, makes=makes("covid_19"))
    outcomes = {m.item.private[-5]: (m.outcome, m.reason) for m in found.make(found.offer(COVID, 9))}
    assert outcomes["a"] == ("made", "")
    assert {outcomes[name][0] for name in "bcd"} == {"rejected"}
    assert outcomes["d"][1] == "the image is one colour: every level is 7"
    assert not any(str(tmp_path) in reason for _, reason in outcomes.values())


def test_copies_are_offered_once_and_named(tmp_path):
    first = picture(tmp_path / "covid_19/a.png", 1)
    (tmp_path / "covid_19/b.png").write_bytes(first.read_bytes())
    (tmp_path / "no_finding").mkdir()
    (tmp_path / "no_finding/c.png").write_bytes(first.read_bytes())
    found = backend(tmp_path)
    assert [i.private for i in found.offer(COVID, 9)] == [str(first)]
    assert len(found.offer(COVID, 9)) == len(found.offer(NORMAL, 9)) == 1
    assert found.notices == ["covid_19/b.png is left out: duplicate of covid_19/a.png"]
    assert found.offer(COVID, 1)[0].key != found.offer(NORMAL, 1)[0].key
    assert found.offer(COVID, 1)[0].cluster == found.offer(NORMAL, 1)[0].cluster == sha256_file(first)


def test_an_image_without_patient_is_its_own_cluster(tmp_path):
    path = picture(tmp_path / "a.png", 1)
    assert backend(tmp_path, makes=makes("covid_19")).offer(COVID, 1)[0].cluster == sha256_file(path)


def test_the_stated_depth_wins_over_the_guess(tmp_path):
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 12
    Image.fromarray(levels).save(tmp_path / "a.png")
    guessed = backend(tmp_path, makes=makes("covid_19"))
    stated = backend(tmp_path, makes=makes("covid_19"), options={"bits": 12})
    small = backend(tmp_path, makes=makes("covid_19"), options={"bits": 9})
    one = [next(iter(b.make(b.offer(COVID, 1)))) for b in (guessed, stated, small)]
    assert [m.bits for m in one[:2]] == [10, 12]
    assert (one[2].outcome, one[2].reason) == ("rejected", "level 756 does not fit the 9 bits of `options.bits`")


def test_dicom_says_its_modality_and_patient(tmp_path):
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8)
    (tmp_path / "covid_19").mkdir()
    write_dicom(tmp_path / "covid_19/a.dcm", deep, modality="CT", patient="P7", RescaleSlope=1, RescaleIntercept=-1024)
    write_dicom(tmp_path / "covid_19/IM1", deep, modality="DX", patient="P8", bits=12)
    found = backend(tmp_path)
    ct = found.offer(Cell(modality="ct", condition="covid_19"), 9)
    assert [i.cluster for i in ct] == ["P7"]
    assert [i.cluster for i in found.offer(COVID, 9)] == ["P8"]
    made = next(iter(found.make(ct)))
    assert (made.bits, made.offset) == (16, 32768)
    np.testing.assert_array_equal(made.pixels[0].astype(int) - made.offset, deep.astype(int) - 1024)


def test_a_folder_named_after_the_patient_is_no_condition(tmp_path):
    (tmp_path / "A0001").mkdir()
    write_dicom(
        tmp_path / "A0001/1.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8), modality="CT", patient="Dx-A0001"
    )
    words = backend(tmp_path, makes=[{"modality": "ct", "condition": "covid_19"}])
    assert words.conditions() == {"ct": {"covid_19"}}
    assert len(words.offer(Cell(modality="ct", condition="covid_19"), 9)) == 1


def test_a_damaged_dicom_is_rejected_not_fatal(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    found = backend(tmp_path, makes=makes("covid_19"))
    assert next(iter(found.make(found.offer(COVID, 1)))).outcome == "rejected"


def write_npz(path, n=6, **extra):
    x = np.random.default_rng(3).integers(0, 256, (n, 8, 8), dtype=np.uint8)
    np.savez(path, x=x, **extra)
    return x


def test_npz_with_words_and_patients(tmp_path):
    x = write_npz(
        tmp_path / "set.npz", y=np.array([0, 0, 1, 1, 1, 0]), names=np.array(["covid_19", "No Finding"]),
        patient=np.array(list("aabbcc")), view=np.array(["PA"] * 5 + ["AP"]),
    )  # fmt: skip
    found = backend(tmp_path / "set.npz", where={"view": "PA"})
    assert found.conditions() == {"xray": {"covid_19", "no_finding"}}
    items = found.offer(NORMAL, 9)
    assert sorted(i.cluster for i in items) == ["b", "b", "c"]
    for made in found.make(items):
        index = int(made.item.private.rpartition("[")[2][:-1])
        np.testing.assert_array_equal(made.pixels[0], x[index])
    inside = backend(tmp_path)
    assert {i.key for i in inside.offer(NORMAL, 9)} == {i.key for i in items}


def test_npz_without_words(tmp_path):
    write_npz(tmp_path / "set.npz")
    assert len(backend(tmp_path / "set.npz", makes=makes(ANY_CONDITION)).offer(ANY, 99)) == 6
    np.savez(tmp_path / "one.npz", np.arange(16, dtype=np.uint8).reshape(4, 4))
    assert len(backend(tmp_path / "one.npz", makes=makes(ANY_CONDITION)).offer(ANY, 99)) == 1


def test_npz_that_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 2, 2, 2), np.uint8))
    assert "`x` has shape (2, 2, 2, 2); give n x rows x cols" in str(fault(tmp_path / "a.npz"))
    write_npz(tmp_path / "b.npz", y=np.array([0, 1, 2, 0, 0, 0]), names=np.array(["a", "b"]))
    assert "labels that the 2 `names` do not cover" in str(fault(tmp_path / "b.npz"))
    (tmp_path / "c.npz").write_text("x")
    assert "not an .npz archive" in str(fault(tmp_path / "c.npz"))


def test_npz_images_that_cannot_be_used_are_rejected(tmp_path):
    x = np.random.default_rng(3).random((3, 4, 4))
    x[1] = np.nan
    np.savez(tmp_path / "a.npz", x=x)
    found = backend(tmp_path / "a.npz", makes=makes("covid_19"))
    reasons = sorted(m.reason for m in found.make(found.offer(COVID, 9)))
    assert reasons == ["the image contains NaN or infinite levels", *["the image has floating-point levels"] * 2]


def test_a_generator_names_its_model_as_source(tmp_path):
    picture(tmp_path / "a.png", 1)
    arm = Generator(name="dalle2", backend="folder", path=str(tmp_path), makes=makes("covid_19"), model="DALL-E 2")
    found = FolderBackend(Context("dalle2", arm, tmp_path, 1))
    assert found.offer(COVID, 1)[0].source == "DALL-E 2"
    assert FolderBackend.stands_in is False


@pytest.mark.parametrize(
    ("text", "word"), [("COVID-19", "covid-19"), (" No  Finding ", "no_finding"), ("x (y)", "x_y"), ("a__b", "a_b")]
)
def test_condition_words(text, word):
    assert condition_word(text) == word


def test_modality_words():
    words = ["CXR", "cr", "DX", "X-Ray", "CT", " ct ", "MR"]
    assert [modality_word(w) for w in words] == ["xray"] * 4 + ["ct", "ct", "mr"]


# --- real files ------------------------------------------------------------------------------------------------------

KERMANY = "Kermany et al., Labeled OCT and Chest X-Ray Images, Mendeley Data rscbjbr9sj"


def test_one_source_of_the_real_images(lungs):
    found = backend(lungs / "real", where={"source_dataset": KERMANY})
    children = {"paediatric_normal", "paediatric_bacterial_pneumonia", "paediatric_viral_pneumonia"}
    assert found.conditions() == {"xray": children}
    items = [i for c in sorted(children) for i in found.offer(Cell(modality="xray", condition=c), 999)]
    assert len(items) == len({i.key for i in items}) == 77
    made = list(found.make(items))
    assert {m.outcome for m in made} == {"made"}
    assert {(m.item.source, m.item.licence) for m in made} == {(KERMANY, "CC-BY-4.0")}


def test_all_real_images_are_held(lungs):
    found = backend(lungs / "real")
    cells = [Cell(modality=m, condition=c) for m, words in found.conditions().items() for c in words]
    assert sum(len(found.offer(cell, 999)) for cell in cells) == 292
    assert found.conditions()["ct"] == {"lung_adenocarcinoma", "covid_19", "lidc_unlabelled"}
    assert found.notices == []


def test_the_synthetic_images_are_one_unconditional_arm(lungs):
    found = backend(lungs / "synthetic", makes=makes(ANY_CONDITION))
    assert len(found.offer(ANY, 999)) == 46
    early = backend(lungs / "synthetic/ddpm_lunggen", makes=makes(ANY_CONDITION))
    assert len(early.offer(ANY, 999)) == 44


def test_the_training_archive_holds_six_classes(lungs):
    found = backend(lungs / "training/labelled128.npz")
    counts = {c: len(found.offer(Cell(modality="xray", condition=c), 9999)) for c in found.conditions()["xray"]}
    assert len(found.notices) == 4  # copies within a class
    assert sum(counts.values()) + len(found.notices) == 1449
    assert counts["no_finding"] == 311
    assert counts["covid_19"] == 103
    items = found.offer(COVID, 3)
    assert all(i.cluster.startswith("hannover-") for i in items)
    assert {m.pixels.shape for m in found.make(items)} == {(1, 128, 128)}


def test_a_ct_series_is_one_patient(lungs):
    cell = Cell(modality="ct", condition="lung_adenocarcinoma")
    slices = backend(lungs / "ct-dicom", makes=makes("lung_adenocarcinoma", "ct"), options={"series": "slices"})
    items = slices.offer(cell, 999)
    assert len(items) == 64
    assert {i.cluster for i in items} == {"Lung_Dx-A0001"}
    stack = backend(lungs / "ct-dicom", makes=makes("lung_adenocarcinoma", "ct"))
    (item,) = stack.offer(cell, 999)
    assert (item.cluster, stack.notices) == ("Lung_Dx-A0001", [])
