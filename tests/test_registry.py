from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lungeval.errors import LungevalError
from lungeval.registry import BUILT_IN, load, names


def test_every_built_in_is_there_and_keeps_the_contract() -> None:
    for name in BUILT_IN["backends"]:
        backend = load("backends", name)
        assert {"offer", "make", "conditions", "batch", "stands_in"} <= set(dir(backend)), name
    for name in BUILT_IN["metrics"]:
        metric = load("metrics", name)()
        assert metric.name == name
        assert metric.method
        assert metric.source
    for name in BUILT_IN["extractors"]:
        assert {"features", "dimension", "preprocessing", "weights_sha256"} <= set(dir(load("extractors", name))), name


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(LungevalError, match="did you mean 'folder'") as fault:
        load("backends", "foldre", where="p.yaml:3:5")
    assert fault.value.where == "p.yaml:3:5"
    assert fault.value.exit == 6
    with pytest.raises(LungevalError, match="no metric is called 'fid'"):
        load("metrics", "fid")


def test_a_plug_in_file_by_path(tmp_path: Path) -> None:
    (tmp_path / "gan.py").write_text("class Backend:\n    word = 'mine'\n")
    assert load("backends", "gan.py", folder=tmp_path).word == "mine"
    with pytest.raises(LungevalError, match="no file") as fault:
        load("backends", "missing.py", folder=tmp_path)
    assert fault.value.exit == 6


@pytest.mark.parametrize("text", ["import nothing_of_that_name\n", "x = 1 / 0\n", "class Other: ...\n", "def f(:\n"])
def test_a_broken_plug_in_has_one_clear_line_and_its_own_cause(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(LungevalError, match="broke when it was loaded") as fault:
        load("backends", "bad.py", folder=tmp_path)
    assert fault.value.exit == 6
    assert "\n" not in str(fault.value)
    assert fault.value.__cause__ is not None


def test_an_installed_package_adds_a_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_gans.py").write_text("class Gan:\n    word = 'installed'\n\nclass Broken:\n    pass\n")
    info = tmp_path / "my_gans-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-gans\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lungeval.backends]\nmy-gan = my_gans:Gan\nbad-gan = my_gans:Nothing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert "my-gan" in names("backends")
        assert load("backends", "my-gan").word == "installed"
        with pytest.raises(LungevalError, match="'bad-gan' broke"):
            load("backends", "bad-gan")
    finally:
        sys.modules.pop("my_gans", None)
