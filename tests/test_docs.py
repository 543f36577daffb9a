"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from studies import lungeval

from lungeval.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.startswith("lungeval")]


def _films(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for number in range(12):
        Image.fromarray(chance.integers(0, 256, (64, 64), dtype=np.uint8)).save(folder / f"{number}.png")


@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path: Path) -> None:
    _films(tmp_path / "images" / "real", 1)
    _films(tmp_path / "images" / "my-generator", 2)
    rows = [f"r1,case{n},{'synthetic' if n % 2 else 'real'},{'fake' if n % 3 else 'real'}" for n in range(24)]
    (tmp_path / "labels.csv").write_text("\n".join(["reader,image,truth,label", *rows]))
    (tmp_path / "paper.yaml").write_bytes((ROOT / "lungeval" / "assets" / "papers" / "treehacks2024.yaml").read_bytes())
    plain = [row.replace("synthetic", "fake") for row in ["reader,case,truth,label", *rows]]
    ran = []
    for command in _commands():
        _, verb, *arguments = shlex.split(command)
        runs = sorted(p for p in (tmp_path / "reports").glob("my-study-*") if "rehearsal" not in p.name)
        arguments = [str(runs[0]) if argument.startswith("reports/my-study-") else argument for argument in arguments]
        expected = 0
        if verb == "agree":  # of a run that is scored: the rehearsal
            arguments = [str(path) for path in sorted((tmp_path / "reports").glob("my-study-*rehearsal*"))]
        if verb == "run" and "--rehearse" not in arguments:
            arguments.append("--no-serve")
            expected = 4  # the human readers have not read yet
        if verb == "analyse":
            table = tmp_path / "labels.csv"
            text = table.read_text()
            table.write_text(text if "--map" in arguments else "\n".join(plain))
        done = lungeval(verb, *arguments, cwd=tmp_path)
        if verb == "analyse":
            table.write_text(text)
        assert done.returncode == expected, (command, done.stdout, done.stderr)
        ran.append(verb)
    assert set(ran) == {"demo", "init", "validate", "run", "status", "close", "plan", "check-paper", "analyse",
                        "measure", "duplicates", "agree"}  # fmt: skip


def test_the_readme_is_short_and_its_pictures_and_links_are_there() -> None:
    assert len(README.splitlines()) <= 120
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
    for name in ("report.png", "reading.png"):
        head = (ROOT / "docs" / "pictures" / name).read_bytes()[:24]
        width, height = struct.unpack(">II", head[16:24])
        assert width >= 1000
        assert height >= 600


def test_every_verb_in_the_readme_exists() -> None:
    named = {shlex.split(command)[1] for command in _commands()}
    assert named <= set(main.commands)
    for verb in named:
        assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0


def test_the_demo_protocol_is_the_one_that_ships() -> None:
    shipped = ROOT / "lungeval" / "assets" / "demo.yaml"
    assert shipped.read_bytes() == (ROOT / "protocols" / "demo.yaml").read_bytes()
