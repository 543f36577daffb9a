"""Keys and money: no file takes a pasted key, and a rehearsal asks nothing of a service that is paid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import serving
from click.testing import CliRunner
from studies import write_protocol

from lungeval.cli import main

PASTED = "sk-" + "a1B2c3D4" * 4


@pytest.mark.parametrize(
    "options",
    [{"api_key": PASTED}, {"command": ["prog", "--token", PASTED]}, {"env": {"HF_TOKEN": "hf_" + "x9" * 12}},
     {"headers": {"a": "Bearer " + "abcdef123456" * 2}}],
)  # fmt: skip
@pytest.mark.parametrize("command", ["validate", "generate", "run"])
def test_a_pasted_key_is_refused_before_anything_is_written(
    tmp_path: Path, command: str, options: dict[str, Any]
) -> None:
    generator = {"name": "g", "backend": "command", "options": options}
    path = write_protocol(tmp_path, generators=[generator])
    done = CliRunner().invoke(main, [command, str(path)])
    assert done.exit_code == 3
    assert "looks like a key" in done.stderr
    secret = next(word for word in yaml.safe_dump(options).split() if len(word) > 20).strip("'\"")
    assert secret not in done.output
    assert not (tmp_path / "reports").exists()


def test_words_that_only_begin_like_a_key_pass(tmp_path: Path) -> None:
    options = {"size": 96, "fidelity": 0.5}
    prompts = {"xray/no_finding": "sk-etch of a chest with hf_failure_and_oedema_signs"}
    path = write_protocol(
        tmp_path, generators=[{"name": "g", "backend": "phantom", "options": options, "prompts": prompts}]
    )
    assert CliRunner().invoke(main, ["validate", str(path)]).exit_code == 0


def test_a_rehearsal_asks_nothing_of_a_paid_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "testkey51f0c0ffee5EC2E7value")
    with serving() as service:
        generator = {
            "name": "api", "backend": "text_to_image_api", "model": "image-model-2026-01-01",
            "prompts": {"xray/no_finding": "chest film"}, "price": {"usd_per_image": 0.04},
            "options": {"base_url": service.url, "size": "64x64"},
        }  # fmt: skip
        path = write_protocol(tmp_path, generators=[generator], set={"per_generator": 2, "pool": 2})
        done = CliRunner().invoke(main, ["run", str(path), "--rehearse"])
        assert done.exit_code == 0, done.output
        assert service.book == []
    assert "costs money" in done.stderr
    assert not (tmp_path / "reports" / "store").exists()
