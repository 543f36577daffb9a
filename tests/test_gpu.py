"""What only a CUDA device can show: run with `pytest -m gpu`. Nothing here is timed as a test; rates are printed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sd import tiny_sd

from lungeval.backends.base import Context
from lungeval.backends.stable_diffusion import StableDiffusionBackend
from lungeval.protocol import Cell, Generator

pytestmark = pytest.mark.filterwarnings("default")  # the GPU machine's versions of torch and numpy are its own
CELL = Cell(modality="xray", condition="no_finding")


def benchmark() -> Any:
    """benchmarks/generation_gpu.py as a module."""
    path = Path(__file__).parents[1] / "benchmarks" / "generation_gpu.py"
    spec = importlib.util.spec_from_file_location("generation_gpu", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cuda() -> Any:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    return torch.device("cuda")


def draw(model: Path, count: int = 8, **options: Any) -> np.ndarray[Any, Any]:
    block = {
        "name": "sd", "backend": "stable_diffusion", "path": str(model),
        "prompts": {"xray/no_finding": ["chest x-ray, normal", "covid pneumonia"]},
        "options": {"steps": 10, "batch": 8, **options},
    }  # fmt: skip
    arm = StableDiffusionBackend(Context("sd", Generator.model_validate(block), Path("/nowhere"), 7, "sd.yaml"))
    # one request under every setting: noise comes from the seed, which `dtype` would change with the key
    items = StableDiffusionBackend(
        Context("sd", Generator.model_validate(block | {"options": {"steps": 10}}), Path("/nowhere"), 7, "sd.yaml")
    ).offer(CELL, count)
    results = list(arm.make(items))
    assert [result.outcome for result in results] == ["made"] * count
    return np.stack([result.pixels for result in results if result.pixels is not None])


def test_the_benchmark_runs_on_any_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    arguments = ["--tiny", "--device", "cpu", "--steps", "2", "--batches", "1,2", "--repeats", "1", "--no-compile"]
    result = benchmark().main([*arguments, "--out", str(tmp_path / "r.json")])
    torch.set_num_threads(before)
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(json.dumps(result))
    assert [(row["runner"], row["batch"]) for row in result["rows"]] == [
        ("lungeval", 1), ("diffusers", 1), ("lungeval", 2), ("diffusers", 2),
    ]  # fmt: skip
    assert result["agreement_fp32"]["max"] <= 1
    assert result["batch_effect"]["levels"]["max"] <= 1
    assert result["left_out"] == []
    assert "fastest: " in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.gpu
def test_bf16_errs_as_bf16_does(cuda: Any) -> None:
    errors = benchmark().relative_errors("sd15", cuda, 512)
    print(f"UNet of SD 1.5, relative error against fp32: {errors}")
    assert all(1e-3 < error < 3e-2 for error in errors["bf16"])
    assert all(error < 1e-2 for error in errors["fp16"])


@pytest.mark.gpu
def test_both_loops_agree_in_full_size(cuda: Any, tmp_path: Path) -> None:
    import torch

    bench = benchmark()
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        pipe = bench.build("sd15", cuda, torch.float32)
        how = bench.Sampling(steps=5, guidance=7.5, shape=(512, 512), vae_slicing=False)
        mine = bench.ours(bench.Loaded(pipe, cuda, torch.float32), 2, how).images
        gap = bench.changes(mine, bench.theirs(pipe, 2, how, cuda, torch.float32))
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    print(f"lungeval against diffusers, fp32: {gap}")
    assert gap["max"] <= 1


@pytest.mark.gpu
def test_the_device_changes_rounding_alone(cuda: Any, tmp_path: Path) -> None:
    import torch

    model = tiny_sd(tmp_path / "sd", size=64)
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        gap = np.abs(draw(model, device="cpu").astype(int) - draw(model, device="cuda", dtype="fp32").astype(int))
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    print(f"fp32, CPU against GPU: max {gap.max()}, mean {gap.mean():.4f} grey levels")
    assert gap.mean() < 1


@pytest.mark.gpu
def test_what_the_batch_size_changes_in_bf16(cuda: Any, tmp_path: Path) -> None:
    model = tiny_sd(tmp_path / "sd", size=64)
    alone, several = draw(model, batch=1, dtype="bf16"), draw(model, batch=8, dtype="bf16")
    gap = np.abs(alone.astype(int) - several.astype(int))
    print(
        f"bf16, batch 1 against 8: max {gap.max()}, mean {gap.mean():.4f} grey levels, {np.mean(gap > 0):.1%} of pixels"
    )
    assert gap.mean() < 4
    assert np.array_equal(several, draw(model, batch=8, dtype="bf16")), "the same request twice, the same bytes"


@pytest.mark.gpu
def test_half_precision_and_layout_keep_the_picture(cuda: Any, tmp_path: Path) -> None:
    model = tiny_sd(tmp_path / "sd", size=64)
    exact = draw(model, device="cuda", dtype="fp32")
    for options in ({"dtype": "bf16"}, {"dtype": "fp16"}, {"dtype": "bf16", "channels_last": False}):
        gap = np.abs(exact.astype(int) - draw(model, device="cuda", **options).astype(int))
        print(f"{options} against fp32: max {gap.max()}, mean {gap.mean():.3f} grey levels")
        assert gap.mean() < 8


@pytest.mark.gpu
def test_images_a_second(cuda: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result = benchmark().main(["--quick", "--no-compile", "--budget", "120"])
    with capsys.disabled():
        print("\n" + capsys.readouterr().out)
    assert {row["runner"] for row in result["rows"]} == {"lungeval", "diffusers"}
