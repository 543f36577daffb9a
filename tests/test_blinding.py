from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
from studies import SMALL, lungeval, write_protocol

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


def test_a_blinded_folder_tells_nothing_and_all_cases_are_of_one_length(tmp_path: Path) -> None:
    path = write_protocol(tmp_path, generators=SMALL["generators"])
    assert lungeval("generate", path).returncode == 0
    assert lungeval("blind", path).returncode == 0
    (run,) = (tmp_path / "reports").iterdir()
    key = read_rows(Case, run / "sealed" / "key.csv")
    assert Counter(case.truth for case in key) == {"real": 10, "fake": 10}
    sizes = {p.stat().st_size for p in (run / "1-blinded" / "cases").iterdir()}
    shape = json.loads((run / "1-blinded" / "study.json").read_text())["shapes"]["xray"]
    assert sizes == {shape["rows"] * shape["cols"]}
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


def test_two_runs_have_different_opaque_ids(tmp_path: Path) -> None:
    path = write_protocol(tmp_path)
    ids = []
    for more in ((), ("--new",)):
        assert lungeval("run", path, *more).returncode == 0
    for run in sorted((tmp_path / "reports").iterdir()):
        ids.append({p.name for p in (run / "1-blinded" / "cases").iterdir()})
    assert len(ids[0]) == 20
    assert not ids[0] & ids[1]
