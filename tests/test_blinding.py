from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import SMALL, lungeval, write_protocol

from lungeval.blinding.planning_lists import plan_reader
from lungeval.blinding.selection import select
from lungeval.blinding.sizes import recipes
from lungeval.errors import LungevalError
from lungeval.protocol import Protocol, asked
from lungeval.records import Case, Image, Presentation, read_rows


def _image(arm: str, key: str, condition: str = "no_finding", cluster: str = "", **facts: object) -> Image:
    settings = {"outcome": "made", "sha256": key, "rows": 100, "cols": 120, "bits": 8, "frames": 1} | facts
    return Image.model_validate(
        {"key": key, "arm": arm, "modality": "xray", "condition": condition, "cluster": cluster or key, **settings}
    )


def _protocol(**changes: object) -> Protocol:
    content = json.loads(json.dumps(SMALL)) | changes
    content["generators"] = ["good", "poor"]
    return Protocol.model_validate(content)


def test_match_by_hand() -> None:
    """Two matched arms and one unconditional, 5 each: covid has 5 + 5 fakes, no_finding 5; 5 loose ones -> 3 + 2."""
    cells = [{"modality": "xray", "condition": word} for word in ("no_finding", "covid_19")]
    protocol = _protocol(cells=cells)
    fakes = {
        ("a", "xray", "no_finding"),
        ("a", "xray", "covid_19"),
        ("b", "xray", "covid_19"),
        ("c", "xray", "any"),
    }
    counts = asked(protocol, fakes)
    assert counts["real", "xray", "no_finding"] == 5 + 3
    assert counts["real", "xray", "covid_19"] == 10 + 2
    assert sum(counts.values()) == 2 * 20
    assert asked(_protocol(cells=cells, real=None), fakes) == dict.fromkeys(fakes, 5)


def test_the_draw_takes_one_of_a_patient_and_does_not_depend_on_order() -> None:
    protocol = _protocol(real=None)
    images = [_image("good", f"{n:02d}", cluster=str(n // 2)) for n in range(14)]
    drawn = select(images, protocol)
    assert len({image.cluster for image in drawn}) == len(drawn) == 5
    assert select(images[::-1], protocol) == drawn
    assert select(images, _protocol(real=None, seed=8)) != drawn


def test_too_few_are_refused_for_every_cell_at_once() -> None:
    images = [_image("good", f"{n}") for n in range(3)] + [_image("poor", f"{n}", outcome="rejected") for n in range(3)]
    with pytest.raises(LungevalError) as fault:
        select(images, _protocol(real=None))
    assert [("'good'" in str(f), "'poor'" in str(f)) for f in fault.value.faults()] == [(True, False), (False, True)]
    assert fault.value.exit == 3


def test_auto_is_the_smallest_native_side_and_upsampling_is_refused() -> None:
    images = [_image("good", "1"), _image("real", "2", rows=90, cols=200)]
    images.append(_image("poor", "3", outcome="failed", rows=1))
    assert recipes(images, _protocol())["xray"].size == 90
    with pytest.raises(LungevalError, match="above the smallest xray image's own: 90 pixels"):
        recipes(images, _protocol(blinding={"size": 128}))
    assert recipes(images, _protocol(blinding={"size": 128, "allow_upsampling": True}))["xray"].size == 128
    assert recipes(images, _protocol(blinding={"size": 64}))["xray"].size == 64


@given(
    count=st.integers(1, 60), repeats=st.floats(0, 1), seed=st.integers(0, 2**40), reader=st.sampled_from(["r1", "s2"])
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_plans(count: int, repeats: float, seed: int, reader: str) -> None:
    names = [f"real:{n}" for n in range(count)]
    plan = plan_reader(names, repeats, seed, reader)
    assert plan == plan_reader(names[::-1], repeats, seed, reader)
    kinds = Counter(kind for _, kind in plan)
    assert kinds["main"] == count
    assert kinds["repeat"] == min(int(repeats * count + 0.5), count // 2)
    assert sorted(name for name, kind in plan if kind == "main") == sorted(names)
    first = {name: at for at, (name, kind) in enumerate(plan) if kind == "main"}
    again = [(name, at) for at, (name, kind) in enumerate(plan) if kind == "repeat"]
    assert all(at - first[name] > count // 2 for name, at in again)
    assert len({name for name, _ in again}) == len(again)


def test_readers_have_their_own_orders() -> None:
    names = [str(n) for n in range(40)]
    assert plan_reader(names, 0.1, 7, "r1") != plan_reader(names, 0.1, 7, "r2")
    assert plan_reader(names, 0.1, 7, "r1") != plan_reader(names, 0.1, 8, "r1")


def test_a_blinded_folder_tells_nothing_and_all_cases_are_of_one_length(tmp_path: Path) -> None:
    path = write_protocol(tmp_path, generators=SMALL["generators"])
    assert lungeval("generate", path).returncode == 0
    assert lungeval("blind", path).returncode == 0
    (run,) = (tmp_path / "reports").iterdir()
    key = read_rows(Case, run / "sealed" / "key.csv")
    assert Counter(case.truth for case in key) == {"real": 10, "fake": 10}
    sizes = {p.stat().st_size for p in (run / "1-blinded" / "cases").iterdir()}
    assert sizes == {64 * 64}
    told = "".join(p.read_text() for p in (run / "1-blinded").iterdir() if p.is_file())
    for case in key:
        assert case.key not in told
        assert case.nonce not in told
        assert case.cluster not in told
    assert '"good"' not in told
    assert "truth" not in told
    cases = [line.split(",")[0] for line in (run / "1-blinded" / "cases.csv").read_text().splitlines()[1:]]
    assert cases == sorted(cases), "the order of the listing is that of the opaque ids, not of ingest"
    plan = read_rows(Presentation, run / "1-blinded" / "plan.csv")
    assert len({slot.presentation for slot in plan}) == len(plan) == 48
    shown = np.fromfile(run / "1-blinded" / "cases" / f"{cases[0]}.raw", dtype=np.uint8)
    assert shown.std() > 0


def test_not_even_times_and_places_on_disk_tell_the_arms(tmp_path: Path) -> None:
    path = write_protocol(tmp_path)
    assert lungeval("generate", path).returncode == 0
    assert lungeval("blind", path).returncode == 0
    (run,) = (tmp_path / "reports").iterdir()
    files = list((run / "1-blinded" / "cases").iterdir())
    assert len({file.stat().st_mtime_ns for file in files}) == 1
    by_place = [file.name for file in sorted(files, key=lambda file: file.stat().st_ino)]
    truth = {case.case: case.truth for case in read_rows(Case, run / "sealed" / "key.csv")}
    runs = sum(truth[a[:-4]] != truth[b[:-4]] for a, b in itertools.pairwise(by_place))
    assert runs > 2, "written in order of opaque ids, truths alternate by chance"
    assert (run / "sealed").stat().st_mode & 0o077 == 0


def test_stacks_are_refused_until_they_can_be_shown() -> None:
    images = [_image("good", "1"), _image("real", "2", frames=3)]
    with pytest.raises(LungevalError, match="several frames in arm real"):
        recipes(images, _protocol())


def test_two_runs_have_different_opaque_ids(tmp_path: Path) -> None:
    path = write_protocol(tmp_path)
    ids = []
    for more in ((), ("--new",)):
        assert lungeval("run", path, *more).returncode == 0
    for run in sorted((tmp_path / "reports").iterdir()):
        ids.append({p.name for p in (run / "1-blinded" / "cases").iterdir()})
    assert len(ids[0]) == 20
    assert not ids[0] & ids[1]
