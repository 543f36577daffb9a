from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lungeval.backends.base import Context, Item, Made, cells_of, native_conditions
from lungeval.errors import LungevalError
from lungeval.generation import generate
from lungeval.keys import content_key
from lungeval.progress import Progress
from lungeval.protocol import Arm, Cell, Generator, Located, LockedProtocol, Makes, Protocol
from lungeval.runs import Run, open_run

CELL = {"modality": "xray", "condition": "no_finding"}
PLUGIN = """
from collections.abc import Iterable, Sequence
import json, pathlib
import numpy as np
from lungeval.backends.base import Context, Item, Made
from lungeval.keys import content_key

class Backend:
    batch = 2
    stands_in = False

    def __init__(self, context: Context) -> None:
        self.context = context

    def conditions(self):
        return None

    def offer(self, cell, count):
        return [
            Item(
                key=content_key(n=n, cell=cell.condition), cell=cell, cluster=f"patient {n}",
                private=f"/home/me/{n}.png",
            )
            for n in range(min(count, 7))
        ]

    def make(self, items):
        for item in items:
            n = int(item.cluster.split()[1])
            with open(self.context.folder / "asked.txt", "a") as log:
                log.write(f"{n}\\n")
            if n == self.context.arm.options.get("dies_at"):
                raise RuntimeError("the machine went away")
            if n == 3:
                yield Made(item, "refused", reason="policy")
            elif n == 5 and self.context.arm.options.get("forgets"):
                continue
            else:
                pixels = np.full((1, 8, 8), min(n, 4), np.uint8)
                pixels[0, 0, 0] = 9
                yield Made(item, "made", pixels=pixels)
"""


def _study(tmp_path: Path, **options: object) -> tuple[Run, LockedProtocol, list[Located]]:
    (tmp_path / "mine.py").write_text(PLUGIN)
    generator = Generator.model_validate({"name": "mine", "backend": "mine.py", "options": options})
    protocol = Protocol.model_validate(
        {
            "version": 1, "name": "p", "generators": ["mine"], "cells": [CELL],
            "set": {"per_generator": 2, "pool": 7}, "readers": [{"id": "s", "kind": "simulated"}],
        }
    )  # fmt: skip
    locked = LockedProtocol(protocol=protocol, generators=[generator])
    located = Located(name="mine", arm=generator, folder=tmp_path, where="p.yaml:3:1")
    return open_run(tmp_path / "reports", locked, tmp_path / "p.yaml"), locked, [located]


def _asked(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "asked.txt").read_text().split()]


def test_one_row_an_image_with_its_outcome(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path)
    generate(run, locked, arms, Progress(quiet=True))
    rows = run.manifest()
    assert len(rows) == 7
    assert [row.key for row in rows] == sorted(row.key for row in rows)
    outcomes = sorted((row.outcome, row.reason.split(" ")[0]) for row in rows)
    twins = [("rejected", "the")] * 2  # 5 and 6 have the pixels of 4
    assert outcomes == sorted([("made", "")] * 4 + [("refused", "policy")] + twins)
    made = [row for row in rows if row.outcome == "made"]
    assert len({row.sha256 for row in made}) == 4
    assert all((run.path("generate") / row.file).is_file() for row in made)
    private = (run.path("generate") / "private.csv").read_text()
    assert "/home/me/0.png" in private
    assert "patient 0" in private
    manifest = (run.path("generate") / "manifest.csv").read_text()
    assert "/home/me" not in manifest
    assert "patient" not in manifest
    assert not (run.path("generate") / "batches").exists()


def test_what_was_committed_is_not_asked_again(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path, dies_at=4)
    with pytest.raises(
        LungevalError, match="backend of arm 'mine' broke: RuntimeError: the machine went away"
    ) as fault:
        generate(run, locked, arms, Progress(quiet=True))
    assert fault.value.exit == 6
    assert isinstance(fault.value.__cause__, RuntimeError)
    assert _asked(tmp_path) == [0, 1, 2, 3, 4]
    whole = arms[0].arm.model_copy(update={"options": {}})
    generate(run, locked, [arms[0].model_copy(update={"arm": whole})], Progress(quiet=True))
    assert _asked(tmp_path) == [0, 1, 2, 3, 4, 4, 5, 6]
    assert len(run.manifest()) == 7


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pixels = None", "gives no pixels"),
        ("pixels = pixels.astype(float)", "broke: ValueError: not a canonical array"),
        ("yield Made(item, 'refused')", "two outcomes for one image"),
    ],
)
def test_what_a_plug_in_gives_is_checked(tmp_path: Path, change: str, says: str) -> None:
    run, locked, arms = _study(tmp_path)
    text = PLUGIN.replace(
        '                yield Made(item, "made"', f'                {change}\n                yield Made(item, "made"'
    )
    assert text != PLUGIN
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(LungevalError, match=says) as fault:
        generate(run, locked, arms, Progress(quiet=True))
    assert fault.value.exit == 6


def test_images_that_changed_between_two_starts_are_taken_once(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path, dies_at=4)
    with pytest.raises(LungevalError):
        generate(run, locked, arms, Progress(quiet=True))
    text = PLUGIN.replace("for n in range(min(count, 7))", "for n in [6, 5, 4, 3, 2, 1, 0]")
    (tmp_path / "mine.py").write_text(text)
    whole = arms[0].arm.model_copy(update={"options": {}})
    generate(run, locked, [arms[0].model_copy(update={"arm": whole})], Progress(quiet=True))
    keys = [row.key for row in run.manifest()]
    assert len(keys) == len(set(keys)) == 7


def test_patients_and_paths_do_not_outlive_their_one_file(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path)
    generate(run, locked, arms, Progress(quiet=True))
    left = run.path("generate") / "batches" / "mine" / "x.json"
    left.parent.mkdir(parents=True)
    left.write_text("patient 3")
    with run.working():
        assert not left.exists(), "work that a kill left behind goes when the run is opened again"
    private = run.path("generate") / "private.csv"
    assert private.stat().st_mode & 0o077 == 0
    private.unlink()
    run.check()


@pytest.mark.parametrize("options", [{}, {"dies_at": 4}])
def test_backends_let_go_when_all_is_made_or_something_breaks(tmp_path: Path, options: dict[str, int]) -> None:
    run, locked, arms = _study(tmp_path, **options)
    with (tmp_path / "mine.py").open("a") as plugin:
        plugin.write("\n    def close(self):\n        (self.context.folder / 'closed.txt').touch()\n")
    with contextlib.suppress(LungevalError):
        generate(run, locked, arms, Progress(quiet=True))
    assert (tmp_path / "closed.txt").exists()


def test_a_log_that_is_no_json_is_the_plugins_fault_at_once(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path)
    text = PLUGIN.replace('reason="policy"', 'reason="policy", attempts=({"usd": float("nan")},)')
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(LungevalError, match="the backend of arm 'mine' broke: ValueError"):
        generate(run, locked, arms, Progress(quiet=True))


def test_an_item_without_an_outcome_is_the_plugins_fault(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path, forgets=True)
    with pytest.raises(LungevalError, match=r"no outcome for 1 of 2 images") as fault:
        generate(run, locked, arms, Progress(quiet=True))
    assert fault.value.exit == 6


def test_an_arm_that_fills_no_cell_is_refused(tmp_path: Path) -> None:
    run, locked, arms = _study(tmp_path)
    makes = [Makes(modality="ct", condition="covid_19")]
    arm = arms[0].arm.model_copy(update={"makes": makes})
    with pytest.raises(LungevalError, match="none of the protocol's cells"):
        generate(run, locked, [arms[0].model_copy(update={"arm": arm})], Progress(quiet=True))


def test_makes_maps_the_arms_own_words() -> None:
    makes = [
        Makes(modality="xray", condition={"healthy": "no_finding", "sick": "pneumonia"}),
        Makes(modality="xray", condition="covid_19"),
        Makes(modality="xray", condition={"sick": "viral"}),
    ]
    arm = Arm(backend="x", makes=makes)

    def own(condition: str, modality: str = "xray") -> list[str]:
        return native_conditions(arm, Cell.model_validate({"modality": modality, "condition": condition}))

    assert own("no_finding") == ["healthy"]
    assert own("pneumonia") == own("viral") == ["sick"]
    assert own("covid_19") == ["covid_19"]
    assert own("healthy") == own("nodule") == own("covid_19", "ct") == []
    everything = native_conditions(Arm(backend="x"), Cell(modality="ct", condition="nodule"))
    assert everything == ["nodule"]


class _Everything:
    batch = 1
    stands_in = False

    def __init__(self, context: Context) -> None: ...

    def conditions(self) -> dict[str, set[str]] | None:
        return {"xray": {"no_finding"}}

    def offer(self, cell: Cell, count: int) -> list[Item]:
        return [Item(key=content_key(n=n), cell=cell, cluster=str(n)) for n in range(count)]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        return [Made(item, "made", pixels=np.zeros((1, 8, 8), np.uint8)) for item in items]


def test_cells_of_an_unconditional_arm(tmp_path: Path) -> None:
    _, locked, arms = _study(tmp_path)
    arm = Arm(backend="x", makes=[Makes(modality="xray", condition="any"), Makes(modality="ct", condition="any")])
    located = arms[0].model_copy(update={"arm": arm})
    backend = _Everything(Context(name="mine", arm=arm, folder=tmp_path, seed=0))
    assert [cell.condition for cell in cells_of(located, backend, locked.protocol)] == ["any"]
    real = located.model_copy(update={"name": "real", "arm": Arm(backend="x")})
    assert [cell.condition for cell in cells_of(real, backend, locked.protocol)] == ["no_finding"]
