"""The hub backend: parquet files in a folder, and the same through a hub on the loopback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hub_server import COMMIT, Hub, serving
from PIL import Image
from studies import write_protocol

from lungeval.backends import hub as hub_module
from lungeval.backends.base import Context
from lungeval.backends.hub import HubBackend
from lungeval.errors import LungevalError
from lungeval.protocol import Arm, Cell, Generator, Makes
from lungeval.registry import load

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

WELL, SICK = Cell(modality="xray", condition="no_finding"), Cell(modality="xray", condition="covid_19")
MAKES = [Makes(modality="xray", condition={"normal": "no_finding", "covid": "covid_19"})]

MAKES_WELL = [Makes(modality="xray", condition={"normal": "no_finding"})]


def png(number: int, side: int = 16) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def described(**features: Any) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


LABELS = {"label": {"_type": "ClassLabel", "names": ["normal", "covid"]}, "image": {"_type": "Image"}}


def rows(count: int = 12, *, start: int = 0, side: int = 16, **columns: Any) -> Any:
    """A table as `datasets` writes it: image {bytes, path}, label (a class's number), patient."""
    numbers = range(start, start + count)
    table = {
        "image": [{"bytes": png(n, side), "path": f"{n}.png"} for n in numbers],
        "label": [n % 2 for n in numbers],
        "patient_id": [f"p{n // 4}" for n in numbers],
        "view": ["PA" if n % 3 else "AP" for n in numbers],
        **columns,
    }
    return pa.table({name: values for name, values in table.items() if values is not None})


def write(folder: Path, table: Any = None, name: str = "data/train-00000-of-00001.parquet", group: int = 5) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = rows() if table is None else table
    pq.write_table(table.replace_schema_metadata(described(**LABELS)), path, row_group_size=group)
    return folder


def backend(folder: Path, *, columns: dict[str, str] | None = None, options: dict[str, Any] | None = None,
            name: str = "hub", **changes: Any) -> HubBackend:  # fmt: skip
    columns = {"condition": "label"} if columns is None else columns
    arm = Arm(
        backend="hub", path=changes.pop("path", str(folder)), makes=changes.pop("makes", MAKES),
        options={"columns": columns, **(options or {})}, **changes,
    )  # fmt: skip
    return HubBackend(Context(name=name, arm=arm, folder=folder, seed=3, where="hub.yaml"))


def test_rows_become_images_with_their_patients(tmp_path: Path) -> None:
    held = backend(write(tmp_path), licence="CC0")
    assert held.conditions() == {"xray": {"no_finding", "covid_19"}}
    items = held.offer(WELL, 100)
    assert len(items) == 6
    assert held.offer(WELL, 3) == items[:3]
    assert sorted(item.cluster for item in items) == ["p0", "p0", "p1", "p1", "p2", "p2"]
    results = list(held.make(items))
    assert [made.item for made in results] == items
    for made in results:
        number = int(made.item.private.rsplit("[", 1)[1].rstrip("]"))
        assert number % 2 == 0
        assert made.pixels is not None
        np.testing.assert_array_equal(made.pixels[0], np.asarray(Image.open(io.BytesIO(png(number)))))
        assert made.item.licence == "CC0"
        assert str(tmp_path) not in made.item.source


def test_keys_are_of_content_not_of_place(tmp_path: Path) -> None:
    one, two = backend(write(tmp_path / "a")), backend(write(tmp_path / "b" / "c", name="x/copy.parquet"))
    assert [i.key for i in one.offer(WELL, 9)] == [i.key for i in two.offer(WELL, 9)]
    other = backend(write(tmp_path / "d", rows(start=1)))
    assert not {i.key for i in one.offer(WELL, 9)} & {i.key for i in other.offer(WELL, 9)}
    twice = backend(write(write(tmp_path / "e"), name="data/train-copy.parquet"))
    assert len(twice.offer(WELL, 99)) == 6, "a second copy of a file adds nothing"
    both = write(tmp_path / "f", rows(fake=[{"bytes": png(99 + n), "path": None} for n in range(12)]))
    columns = [backend(both, columns={"condition": "label", "image": name}) for name in ("image", "fake")]
    keys = [{item.key for item in held.offer(WELL, 9)} for held in columns]
    assert not keys[0] & keys[1], "another column of the same rows is another image"


def test_no_image_is_read_before_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []
    plain = pq.ParquetFile.read
    monkeypatch.setattr(pq.ParquetFile, "read", lambda s, **k: read.append(tuple(k["columns"])) or plain(s, **k))
    groups: list[int] = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda s, n, **k: groups.append(n) or whole(s, n, **k))
    held = backend(write(tmp_path))
    items = [*held.offer(WELL, 9), *held.offer(SICK, 9)]
    assert read == [("label", "patient_id")]
    assert groups == []
    for item in items:
        assert [made.outcome for made in held.make([item])] == ["made"]
    assert sorted(groups) == [0, 1, 2], "each row group is read once for all images offered from it"


def test_a_full_hold_reads_again_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "HELD", 0)
    held = backend(write(tmp_path))
    items = held.offer(WELL, 9)
    assert [made.outcome for item in items for made in held.make([item])] == ["made"] * 6


def test_where_split_config_and_files_pick(tmp_path: Path) -> None:
    write(tmp_path, rows(4), "small/train-0.parquet")
    write(tmp_path, rows(4, start=20), "small/test-0.parquet")
    write(tmp_path, rows(4, start=40), "large/train/0000.parquet")
    write(tmp_path, rows(4, start=60), ".hidden/train-0.parquet")

    def count(**options: Any) -> int:
        held = backend(tmp_path, options=options)
        return len(held.offer(WELL, 99)) + len(held.offer(SICK, 99))

    assert count() == 12
    assert count(split="train") == 8
    assert count(split="train", config="small") == 4
    assert count(files="large/*") == 4
    assert count(files=["large/*", "*/test-*"]) == 8
    with pytest.raises(LungevalError, match=r"no file of .* fits split: tran; there are"):
        count(split="tran")
    assert len(backend(tmp_path, where={"view": "AP"}).offer(WELL, 99)) == 2
    assert len(backend(tmp_path, where={"patient": ["p0", "p5"]}).offer(WELL, 99)) == 4
    assert len(backend(tmp_path, where={"condition": "covid"}, makes=MAKES[:0]).conditions()["xray"]) == 1
    with pytest.raises(LungevalError, match="where: no column 'vew'; did you mean 'view'"):
        backend(tmp_path, where={"vew": "AP"})


def test_words_of_all_kinds(tmp_path: Path) -> None:
    table = rows(
        6, label=None, condition=["COVID-19", None, "covid-19 ", "", "Normal", "x"], modality=["CR", "ct", "DX"] * 2,
        patient_id=pa.array([1.0, 2.0, None, 4.5, float("nan"), 6.0]), license=["CC0", None] * 3,
    )  # fmt: skip
    held = backend(write(tmp_path, table), columns={}, makes=[])
    assert held.conditions() == {"xray": {"covid-19", "x"}, "ct": {"normal"}}
    assert held.notices == ["2 images carry no condition and are left out"]
    items = {i.private.rsplit("/", 1)[1][-2]: i for i in held.offer(Cell(modality="xray", condition="covid-19"), 9)}
    assert {number: (i.cluster[:3], i.licence) for number, i in items.items()} == {
        "0": ("1", "CC0"), "2": (items["2"].key and items["2"].cluster[:3], "CC0"),
    }  # fmt: skip
    assert items["2"].cluster.endswith(":2"), "without a patient every image is a cluster of its own"


@pytest.mark.parametrize("kind", ["struct", "bytes", "large bytes"])
def test_images_as_struct_or_bytes(tmp_path: Path, kind: str) -> None:
    data = [png(n) for n in range(4)]
    column = {
        "struct": [{"path": None, "bytes": b} for b in data], "bytes": data,
        "large bytes": pa.array(data, pa.large_binary()),
    }[kind]  # fmt: skip
    held = backend(write(tmp_path, rows(4, image=column)))
    assert [made.outcome for made in held.make(held.offer(WELL, 9))] == ["made", "made"]


def test_faulty_cells_are_rejected_one_by_one(tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": "/etc/passwd"}, {"bytes": b"", "path": ""}, None, {"bytes": b"x", "path": "a.png"},
             {"bytes": png(4)[:40], "path": "a.dcm"}, {"bytes": png(5), "path": "../../a.sh"}]  # fmt: skip
    held = backend(write(tmp_path, rows(6, image=cells, label=[0] * 6), group=10), makes=MAKES_WELL)
    made = {one.item.private[-2]: one for one in held.make(held.offer(WELL, 9))}
    assert {number: one.outcome for number, one in made.items()} == {**dict.fromkeys("01234", "rejected"), "5": "made"}
    assert all("no image bytes" in made[number].reason for number in "012")


def test_columns_that_do_not_fit_are_told_with_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(LungevalError, match=r"columns\.condition: no column 'lable'; did you mean 'label'") as fault:
        backend(tmp_path, columns={"condition": "lable"})
    assert fault.value.exit == 3
    with pytest.raises(LungevalError, match="no column 'xyz'; there are image, label, patient_id, view"):
        backend(tmp_path, columns={"image": "xyz"})
    with pytest.raises(LungevalError, match=r"'view' holds no image bytes; set .* to one of image"):
        backend(tmp_path, columns={"image": "view"})
    with pytest.raises(LungevalError, match="nothing says what the images show"):
        backend(tmp_path, columns={}, makes=[])
    paths = write(tmp_path / "p", rows(image=[f"{n}.png" for n in range(12)]))
    with pytest.raises(LungevalError, match="the column 'image' holds no image bytes; there are image, label"):
        backend(paths)
    lists = write(tmp_path / "l", rows(2, label=[[1], [2]], image=[[[1, 2]], [[3, 4]]]))
    with pytest.raises(LungevalError, match="holds no words"):
        backend(lists)
    two = write(tmp_path / "2", rows(2, mask=[b"1", b"2"], scan=[b"1", b"2"], image=None))
    with pytest.raises(LungevalError, match=r"2 columns hold image bytes; set .* to one of mask, scan"):
        backend(two)
    mixed = write(write(tmp_path / "m"), rows(4, view=None), "data/train-1.parquet")
    with pytest.raises(LungevalError, match="where: no column 'view'"):
        backend(mixed, where={"view": "PA"})


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "middle"])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path) / "data/train-00000-of-00001.parquet"
    data = path.read_bytes()
    if damage == "middle":
        at = data.find(png(0)[20:40])
        path.write_bytes(data[: at - 60] + b"\xff" * 120 + data[at + 60 :])
        results = list((held := backend(tmp_path)).make(held.offer(WELL, 9)))
        assert {made.outcome for made in results} <= {"made", "rejected"}
        assert "rejected" in {made.outcome for made in results}
        return
    path.write_bytes({"text": b"not parquet at all", "empty": b"", "cut": data[: len(data) // 2]}[damage])
    with pytest.raises(LungevalError, match="parquet is damaged") as fault:
        backend(tmp_path)
    assert fault.value.exit == 3


def test_absent_folders_and_empty_ones(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="no folder") as fault:
        backend(tmp_path, path="./nowhere")
    assert fault.value.exit == 6
    with pytest.raises(LungevalError, match=r"no parquet file in .*refs/convert/parquet"):
        backend(tmp_path)
    with pytest.raises(LungevalError, match="a folder has no revision"):
        backend(write(tmp_path), options={"revision": "main"})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"colums": {}}, "did you mean 'columns'"),
        ({"columns": ["image"]}, "by role"),
        ({"columns": {"label": "x"}}, "unknown role"),
        ({"split": 3}, "options.split"),
        ({"files": 3}, "options.files"),
        ({"modality": "mri"}, "no modality"),
        ({"condition": " "}, "no word"),
    ],
)
def test_faulty_settings_are_refused(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(LungevalError) as fault:
        backend(write(tmp_path), options=options)
    assert text in str(fault.value)
    assert fault.value.exit == 3


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(LungevalError, match=r"pip install 'lungeval\[hub\]'") as fault:
        backend(tmp_path)
    assert fault.value.exit == 6


# --- a hub on the loopback ---


def run(hub: Hub, folder: Path, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as huggingface_hub reads its settings when it is imported."""
    variables = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    variables.pop("HF_TOKEN", None)
    command = [sys.executable, "-m", "lungeval", *map(str, words)]
    return subprocess.run(
        command, env=variables | environment, capture_output=True, text=True, timeout=120, check=False
    )


def study(folder: Path, path: str = "lab/lungs", **options: Any) -> Path:
    fakes = Generator(name="fakes", backend="phantom", options={"size": 64})
    real = {"backend": "hub", "path": path, "makes": [{"modality": "xray", "condition": {"normal": "no_finding"}}],
            "options": {"columns": {"condition": "label"}, **options}}  # fmt: skip
    generators = [fakes.model_dump(exclude_defaults=True)]
    return write_protocol(
        folder, real=real, generators=generators, set={"per_generator": 4, "pool": 4, "per_patient": 2}
    )


def hub_of(folder: Path, count: int = 400) -> Hub:
    name = "data/train-00000-of-00001.parquet"
    return Hub({name: (write(folder, rows(count, side=64), group=20) / name).read_bytes(), "README.md": b"# lungs"})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Point huggingface_hub, as imported in this process, at a hub on the loopback."""
    from huggingface_hub import HfFileSystem, constants

    def point(hub: Hub) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        HfFileSystem.clear_instance_cache()

    return point


def test_only_the_row_groups_that_are_needed_are_fetched(tmp_path: Path, here: Any) -> None:
    with serving(hub_of(tmp_path / "made")) as hub:
        here(hub)
        size = len(hub.files["data/train-00000-of-00001.parquet"])
        far = backend(tmp_path, path="hub:lab/lungs", options={"split": "train"}, licence="")
        items = far.offer(WELL, 4)
        assert 0 < hub.sent() < size / 10, "no image is read before make"
        assert [made.outcome for made in far.make(items)] == ["made"] * 4
        assert hub.sent() < size / 2, "four images need at most four of twenty row groups"
    assert far.notices[0].startswith(f"lab/lungs: the revision is not pinned: the default branch is {COMMIT} today")
    assert {(item.source, item.licence) for item in items} == {(f"lab/lungs@{COMMIT}", "cc-by-4.0")}
    assert items[0].private.startswith(f"hub:lab/lungs@{COMMIT}/data/train-")
    near = backend(tmp_path / "made")
    assert [item.key for item in near.offer(WELL, 4)] == [item.key for item in items], "a copy has the same keys"
    assert not list((tmp_path / "hf").rglob("*.parquet"))


def test_a_hub_that_goes_away_is_an_error_not_an_outcome(tmp_path: Path, here: Any) -> None:
    with serving(hub_of(tmp_path / "made", 40)) as hub:
        here(hub)
        far = backend(tmp_path, path="lab/lungs@main")
        items = far.offer(WELL, 4)
        assert "main is" in far.notices[0]
        hub.files.clear()
        with pytest.raises(LungevalError) as fault:
            list(far.make(items))
    assert fault.value.exit == 6


@pytest.mark.slow
def test_reals_from_a_hub_in_a_whole_study(tmp_path: Path) -> None:
    with serving(hub_of(tmp_path / "made", 40)) as hub:
        done = run(hub, tmp_path, "run", study(tmp_path, revision=COMMIT), "--quiet")
        assert done.returncode == 0, done.stderr
    (folder,) = [path for path in (tmp_path / "reports").iterdir() if path.name.startswith("small-")]
    manifest = (folder / "0-images" / "manifest.csv").read_text()
    assert manifest.count(f"lab/lungs@{COMMIT}") == 4
    assert manifest.count("cc-by-4.0") == 4
    assert (folder / "report.html").is_file()


def test_a_small_file_is_fetched_and_serves_offline(tmp_path: Path) -> None:
    hub = hub_of(tmp_path / "made", 24)
    hub.small = set(hub.files)
    with serving(hub):
        first = run(hub, tmp_path, "validate", study(tmp_path, revision=COMMIT), "--json")
        assert first.returncode == 0, first.stdout
        asked = len(hub.asked)
        again = run(hub, tmp_path, "validate", study(tmp_path, revision=COMMIT), "--json", HF_HUB_OFFLINE="1")
        assert len(hub.asked) == asked, "offline nothing is asked"
        assert again.returncode == 0, again.stdout
        assert json.loads(again.stdout)["data"] is not None
        assert "the copy in its cache is used" in again.stdout, again.stdout


def test_what_the_hub_refuses_is_told_with_a_remedy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lungeval.errors import LungevalError\n"
        "from lungeval.backends.hub import HubBackend; from lungeval.backends.base import Context\n"
        "from lungeval.protocol import Arm\n"
        "for path in sys.argv[1:]:\n"
        "    try: HubBackend(Context(name='x', arm=Arm(backend='hub', path=path), folder=Path('.'), seed=1))\n"
        "    except LungevalError as e: print(e.code, e)\n"
        "assert 'torch' not in sys.modules\n"
    )

    def said(*paths: str, **environment: str) -> list[str]:
        variables = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), **environment}
        done = subprocess.run(
            [sys.executable, "-c", code, *paths], env=variables, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.splitlines()

    with serving(hub_of(tmp_path / "made", 24)) as hub:
        other, revision, gated = said("lab/other", "lab/lungs@v9", "lab/gated")
        (offline,) = said("lab/lungs", HF_HUB_OFFLINE="1")
        (away,) = said("lab/lungs", HF_ENDPOINT="http://127.0.0.1:9")
    assert all(line.startswith("backend ") for line in (other, revision, gated, offline, away))
    assert "the data set lab/other is not on the hub, or is private (HTTP 404); check the id; set HF_TOKEN" in other
    assert "the data set lab/lungs has no such revision (HTTP 404); correct options.revision" in revision
    assert "the data set lab/gated is gated (HTTP 403); accept its terms" in gated
    assert "HF_TOKEN" in gated
    assert "is not in the cache, and HF_HUB_OFFLINE is set; unset it" in offline
    assert "the hub cannot be reached for lab/lungs (ConnectError); check the network" in away


def test_the_guide_names_every_option() -> None:
    guide = (
        (Path(__file__).parent.parent / "docs" / "command-and-hub.md").read_text(encoding="utf-8").split("## hub")[1]
    )
    real = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)[0])["real"]
    assert set(Arm.model_validate(real).options) <= set(hub_module.OPTIONS)
    assert all(f"`{name}`" in guide for name in hub_module.OPTIONS)


def test_the_hub_backend_is_known_by_name() -> None:
    assert load("backends", "hub") is HubBackend
