"""The archive backend: a run's images replayed with their keys, outcomes and pixels; nothing unsafe is unpacked."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile

import numpy as np
import pytest

from lungeval.backends.archive import ArchiveBackend
from lungeval.backends.base import Context
from lungeval.errors import LungevalError
from lungeval.images import save
from lungeval.keys import content_key, sha256_pixels
from lungeval.protocol import Arm, Cell
from lungeval.records import Image, read_rows, rows_to_csv

COVID = Cell(modality="xray", condition="covid_19")
NORMAL = Cell(modality="xray", condition="no_finding")


def row(folder, arm, condition, index, outcome="made"):
    facts = {}
    if outcome == "made":
        pixels = np.random.default_rng([len(arm), index]).integers(0, 4096, (1 + index % 2, 5, 7)).astype(np.uint16)
        facts = {
            "sha256": sha256_pixels(pixels), "file": save(pixels, folder), "frames": len(pixels), "rows": 5, "cols": 7,
            "bits": 12, "offset": 1024 if index == 3 else None,
        }  # fmt: skip
    return Image(
        key=content_key(arm=arm, index=index, condition=condition), arm=arm, modality="xray", condition=condition,
        cluster=f"hashed-{arm}-{index // 2}", outcome=outcome, reason="" if outcome == "made" else "the model said no",
        prompt="a chest radiograph", seed=index, licence="CC0", source="model", **facts,
    )  # fmt: skip


@pytest.fixture
def archived(tmp_path):
    folder = tmp_path / "study-12345678/0-images"
    rows = [row(folder, "sd", "covid_19", i, "refused" if i == 4 else "made") for i in range(6)]
    rows += [row(folder, "sd", "no_finding", i) for i in range(10, 12)]
    rows += [row(folder, "real", "covid_19", i) for i in range(20, 23)]
    write_manifest(folder, rows)
    return folder


def write_manifest(folder, rows):
    (folder / "manifest.csv").write_text(rows_to_csv(Image, sorted(rows, key=lambda r: (r.arm, r.key))))


def backend(path, name="replay", **settings):
    arm = Arm(backend="archive", path=str(path), **settings)
    return ArchiveBackend(Context(name=name, arm=arm, folder=path.parent, seed=1, where="gen.yaml"))


def fault(path, **settings):
    with pytest.raises(LungevalError) as caught:
        backend(path, **settings)
    return caught.value


def pack(source, target, name, mode="w:gz"):
    with tarfile.open(target, mode) as tar:
        tar.add(source, arcname=name)
    return target


def facts(found, cell=COVID):
    return [
        (m.item.key, m.outcome, m.reason, m.bits, m.offset, None if m.pixels is None else sha256_pixels(m.pixels))
        for m in found.make(found.offer(cell, 99))
    ]


def test_everything_comes_back_as_it_was(archived):
    found = backend(archived.parent)
    assert found.arm == "sd"
    assert found.conditions() == {"xray": {"covid_19", "no_finding"}}
    items = found.offer(COVID, 99)
    assert [i.key for i in items] == sorted(content_key(arm="sd", index=i, condition="covid_19") for i in range(6))
    by_seed = {i.seed: i for i in items}
    assert by_seed[2].cluster == "hashed-sd-1"
    assert (by_seed[2].prompt, by_seed[2].licence, by_seed[2].source) == ("a chest radiograph", "CC0", "model")
    made = {m.item.seed: m for m in found.make(items)}
    assert (made[4].outcome, made[4].reason, made[4].pixels) == ("refused", "the model said no", None)
    assert (made[3].bits, made[3].offset, made[3].pixels.shape) == (12, 1024, (2, 5, 7))
    assert (made[2].offset, made[2].pixels.shape, made[2].pixels.dtype) == (None, (1, 5, 7), np.uint16)


def test_a_smaller_offer_is_the_start_of_a_larger_one(archived):
    found = backend(archived.parent)
    assert found.offer(COVID, 3) == found.offer(COVID, 99)[:3]


@pytest.mark.parametrize("name", [".", "0-images", "study-12345678/0-images", "a/b/c/0-images"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_is_the_same_as_its_folder(archived, tmp_path, name, mode):
    tar = pack(archived, tmp_path / "pack.tar", name, mode)
    assert facts(backend(tar)) == facts(backend(archived)) == facts(backend(archived.parent))


def test_a_tar_of_a_whole_run_is_read(archived, tmp_path):
    (archived.parent / "report.html").write_text("not unpacked")
    found = backend(pack(archived.parent, tmp_path / "run.tar.gz", "study-12345678"))
    assert len(found.offer(NORMAL, 9)) == 2
    assert not list(found._folder.parent.rglob("report.html"))


def test_the_unpacked_copy_goes_with_the_backend(archived, tmp_path):
    found = backend(pack(archived, tmp_path / "pack.tar", "0-images"))
    folder = found._folder
    assert folder.is_dir()
    del found
    assert not folder.exists()


def test_which_arm(archived):
    assert backend(archived, name="real").arm == "real"
    assert backend(archived, name="sd").arm == "sd"
    assert backend(archived, options={"arm": "real"}).arm == "real"
    assert {i.seed for i in backend(archived, options={"arm": "real"}).offer(COVID, 9)} == {20, 21, 22}
    assert "the archive has no arm 'reel'; did you mean 'real'?" in str(fault(archived, options={"arm": "reel"}))
    assert "options.arms: unknown key; did you mean 'arm'?" in str(fault(archived, options={"arms": "sd"}))
    write_manifest(archived, [row(archived, arm, "covid_19", 1) for arm in ("sd", "gan")])
    several = fault(archived)
    assert several.code == "protocol"
    assert str(several) == "gen.yaml: options.arm: the archive holds 2 arms; pick one of gan, sd"
    assert fault(archived, name="real").code == "protocol"


def test_makes_maps_the_archived_condition(archived):
    makes = [{"modality": "xray", "condition": {"covid_19": "pneumonia"}}]
    found = backend(archived, makes=makes)
    other = Cell(modality="xray", condition="pneumonia")
    assert found.conditions() == {"xray": {"pneumonia"}}
    assert found.offer(COVID, 9) == []
    assert [i.key for i in found.offer(other, 9)] == [i.key for i in backend(archived).offer(COVID, 9)]
    assert {i.cell for i in found.offer(other, 9)} == {other}


def test_pixels_that_are_not_those_of_the_manifest_stop_the_run(archived):
    first, second = sorted(archived.rglob("*.png"))[:2]
    shutil.copy(second, first)
    with pytest.raises(LungevalError, match="are not those of the manifest") as caught:
        [facts(backend(archived, options={"arm": arm}), cell) for arm in ("sd", "real") for cell in (COVID, NORMAL)]
    assert caught.value.code == "changed"
    first.unlink()
    with pytest.raises(LungevalError, match="cannot be read") as caught:
        [facts(backend(archived, options={"arm": arm}), cell) for arm in ("sd", "real") for cell in (COVID, NORMAL)]
    assert caught.value.code == "changed"


def test_a_manifest_that_points_outside_is_refused(archived, tmp_path):
    outside = row(archived, "sd", "covid_19", 1).model_copy(update={"file": "../../secret.png"})
    write_manifest(archived, [outside])
    found = backend(archived)
    with pytest.raises(LungevalError, match="outside its folder"):
        list(found.make(found.offer(COVID, 1)))


def member(name, kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil.txt"), member("/etc/evil"), member("0-images/pixels/../../../evil"),
        member("0-images/pixels/link", tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("0-images/pixels/hard", tarfile.LNKTYPE, linkname="0-images/manifest.csv"),
        member("0-images/pixels/fifo", tarfile.FIFOTYPE), member("0-images\\evil"),
    ],
)  # fmt: skip
def test_a_tar_with_an_unsafe_member_is_refused_whole(archived, tmp_path, bad):
    tar = pack(archived, tmp_path / "pack.tar", "0-images", "w")
    with tarfile.open(tar, "a") as handle:
        handle.addfile(bad, io.BytesIO(b""))
    error = fault(tar)
    assert error.code == "image"
    assert "member" in error.what
    assert not list(tmp_path.rglob("evil*"))


def test_what_is_no_archive(archived, tmp_path):
    assert (fault(tmp_path / "absent").code, fault(tmp_path / "absent").exit) == ("backend", 6)
    (tmp_path / "empty").mkdir()
    assert "no manifest.csv" in fault(tmp_path / "empty").what
    (tmp_path / "text.tar").write_text("hello")
    assert "cannot be unpacked" in fault(tmp_path / "text.tar").what
    whole = pack(archived, tmp_path / "pack.tar.gz", "0-images")
    (tmp_path / "cut.tar.gz").write_bytes(whole.read_bytes()[:-200])
    assert fault(tmp_path / "cut.tar.gz").code == "image"
    with tarfile.open(tmp_path / "two.tar", "w") as tar:
        tar.add(archived, arcname="a")
        tar.add(archived, arcname="b")
    assert "holds 2 files called manifest.csv" in fault(tmp_path / "two.tar").what
    (archived / "manifest.csv").write_text("key,arm\n1,2\n")
    assert fault(archived).code == "changed"


def test_drawn_images_stay_drawn_when_replayed(archived, tmp_path):
    assert backend(archived).stands_in is False
    rows = read_rows(Image, archived / "manifest.csv")
    write_manifest(archived, [r.model_copy(update={"stands_in": r.arm == "sd"}) for r in rows])
    assert backend(archived).stands_in is True
    assert backend(archived, name="real").stands_in is False
    assert backend(pack(archived.parent, tmp_path / "run.tar", "study")).stands_in is True


def test_the_arms_of_a_study_share_one_unpacked_copy_whose_images_come_when_asked_for(archived, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    tar = pack(archived, tmp_path / "pack.tar", "0-images", "w")
    arms = [backend(tar, name=name) for name in ("sd", "real")]
    assert [len(arm.offer(COVID, 99)) for arm in arms] == [6, 3]
    (copy,) = (tmp_path / "scratch").iterdir()
    assert [path.name for path in copy.rglob("*") if path.is_file()] == ["manifest.csv"]
    assert facts(arms[0]) == facts(backend(archived, name="sd"))
    assert sum(path.is_file() for path in copy.rglob("pixels/*/*")) == 10
    first = arms.pop(0)
    del first
    assert facts(arms[0]) == facts(backend(archived, name="real"))
    assert list((tmp_path / "scratch").iterdir()) == [copy]
    arms.clear()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_tar_that_changed_is_unpacked_anew(archived, tmp_path):
    tar = pack(archived, tmp_path / "pack.tar", "0-images", "w")
    first = backend(tar, name="sd")
    write_manifest(archived, [row(archived, "sd", "covid_19", 1)])
    pack(archived, tar, "0-images", "w:gz")
    assert len(backend(tar, name="sd").offer(COVID, 99)) == 1
    assert len(first.offer(COVID, 99)) == 6


def test_originals_and_attempts_come_along_and_a_twin_is_offered_as_it_was_made(archived, tmp_path):
    rows = read_rows(Image, archived / "manifest.csv")
    mine = [r for r in rows if r.arm == "sd" and r.outcome == "made"]
    twin = mine[1].model_copy(update={"outcome": "rejected", "reason": "the same pixels as another"})
    write_manifest(archived, [twin if r.key == twin.key else r for r in rows])
    asked = [{"arm": "sd", "key": twin.key, "usd": 0.5, "outcome": "made"}, {"arm": "real", "key": twin.key}]
    asked.append({"arm": "sd", "key": mine[2].key, "reason": "a line\u2028of text"})  # no end of a line of the log
    (archived / "attempts.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in asked))
    (archived / "originals" / "sd").mkdir(parents=True)
    (archived / "originals" / "sd" / f"{twin.key}.png").write_bytes(b"as it came")
    for found in (backend(archived), backend(pack(archived.parent, tmp_path / "run.tar", "."))):
        made = {m.item.key: m for cell in (COVID, NORMAL) for m in found.make(found.offer(cell, 99))}
        assert made[twin.key].outcome == "made"
        assert sha256_pixels(made[twin.key].pixels) == twin.sha256
        assert made[twin.key].attempts == ({"usd": 0.5, "outcome": "made"},)
        assert (made[twin.key].original, made[twin.key].suffix) == (b"as it came", ".png")
        assert (made[mine[0].key].original, made[mine[0].key].attempts) == (None, ())
    (archived / "attempts.jsonl").write_text('{"arm": "sd"}\n')
    assert fault(archived).code == "changed"
    assert "attempts.jsonl:1" in fault(archived).where


def test_a_tar_that_is_not_there_stands_for_the_folder_it_was_unpacked_into(archived):
    here = archived.parent
    assert facts(backend(here / "gone.tar")) == facts(backend(archived))
    assert fault(here.parent / "gone.tar").code == "backend"
    assert fault(here / "gone.zip").code == "backend"
    (here / "empty.tar").mkdir()
    assert fault(here / "empty.tar").code == "image"
