"""Training speed of `lungeval train` on a Stable Diffusion 1.5: films and captions cached against encoded each step.

    python benchmarks/training_gpu.py --out training.json        one GPU, no network: about five minutes
    python benchmarks/training_gpu.py --tiny                     a processor: that it runs, not how fast

The network is built from its published configuration with random weights: speed does not depend on their values. Both
sides take the same steps (bf16 autocast, AdamW, gradient clipping, running mean); `uncached` encodes the batch's films
by the VAE and its captions by the text encoder within each step, both in bf16, as a loop without a cache does. Needs
torch, diffusers, transformers, accelerate, peft, numpy, pydantic, pyyaml. Peak memory is that of the timed steps. The
file is written after each measurement; what does not fit into the memory is left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from lungeval.protocol import Generator
from lungeval.training.films import Film, Films
from lungeval.training.latent import LatentTask, Parts
from lungeval.training.latent_cache import to_model
from lungeval.training.loop import Running, accelerator_of
from lungeval.training.recipe import Latent, Plan
from lungeval.training.task import Draw, draws_of

TARGET = 1.4
"""Images a second cached over uncached: what MosaicML report for Stable Diffusion 2 (time and cost)."""
FILMS = 64
TOKENS = 77
FULL: dict[str, Any] = {
    "size": 512, "batches": [8, 16], "steps": 20, "warm": 5, "vocabulary": 49408,
    "unet": {"block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "cross_attention_dim": 768,
             "attention_head_dim": 8, "sample_size": 64},
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512},
    "text": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
}  # fmt: skip
"""Stable Diffusion 1.5, as its model card's configuration files say."""
TINY: dict[str, Any] = {
    "size": 64, "batches": [2], "steps": 2, "warm": 1, "vocabulary": 100,
    "unet": {"block_out_channels": (16, 16, 32, 32), "layers_per_block": 1, "cross_attention_dim": 32,
             "attention_head_dim": 8, "sample_size": 8, "norm_num_groups": 8},
    "vae": {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 1, "sample_size": 64, "norm_num_groups": 8},
    "text": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
}  # fmt: skip
"""The same architecture, a thousandth of its size."""


class Words:
    """A tokenizer's stand-in: some tokens for a caption; their values bear on no time."""

    model_max_length = TOKENS

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def __call__(self, captions: list[str], **_: Any) -> Any:
        """Token numbers, n x 77."""
        chance = np.random.default_rng(len(captions))
        return SimpleNamespace(input_ids=torch.from_numpy(chance.integers(0, self.vocabulary, (len(captions), TOKENS))))


class Uncached(LatentTask):
    """The same training without a cache: films and captions are encoded within each step."""

    def prepare(self, device: torch.device) -> None:
        """The encoders stay on the device, in bf16."""
        encoder = self._beside["text_encoder"]
        super().prepare(device)
        self._frozen = {"vae": self._beside["vae"].to(device, torch.bfloat16), "text": encoder.to(torch.bfloat16)}

    def _latents(self, draws: list[Draw], mirrors: list[bool]) -> torch.Tensor:
        device = self.unet.device
        images = to_model(self._pixels[[each.film for each in draws]]).to(device, torch.bfloat16)
        with torch.no_grad():
            made: torch.Tensor = self._frozen["vae"].encode(images).latent_dist.sample().float() * self._scale
        return made

    def _text(self, captions: list[str]) -> torch.Tensor:
        tokens = self._tokens[[self._row[caption] for caption in captions]].to(self.unet.device)
        with torch.no_grad():
            made: torch.Tensor = self._frozen["text"](tokens)[0].float()
        return made


def parts_of(shape: dict[str, Any], device: torch.device) -> Parts:
    """The networks, with random weights."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with device:
        vae = AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4, **shape["vae"],
        )  # fmt: skip
        unet = UNet2DConditionModel(in_channels=4, out_channels=4, **shape["unet"])
        text = CLIPTextModel(
            CLIPTextConfig(vocab_size=shape["vocabulary"], max_position_embeddings=TOKENS, **shape["text"])
        )
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    for module in (vae, text):
        module.requires_grad_(False).eval()
    return Parts(unet, vae, text, Words(shape["vocabulary"]), scheduler)


def plan_of(shape: dict[str, Any], kind: str, batch: int) -> Plan:
    """The recipe."""
    options = Latent(size=shape["size"], batch=batch, precision="bf16", learning_rate=1e-5)
    generator = Generator(name="bench", backend="stable_diffusion", prompts={"xray/no_finding": "chest x-ray"})
    settings = {
        "name": "bench",
        "kind": kind,
        "data": "",
        "steps": 1,
        "out": Path(),
        "folder": Path(),
        "where": "bench",
    }
    return Plan.model_validate(settings | {"licence": "", "model": "", "options": options, "generator": generator})


def measure(shape: dict[str, Any], kind: str, batch: int, *, cached: bool, device: torch.device) -> dict[str, Any]:
    """Images a second, time of a step and the greatest memory of one way."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (FILMS, shape["size"], shape["size"]), dtype=np.uint8)
    film = Film("xray", "no_finding", "", "", "", "", "")
    films = Films(pixels, (film,) * FILMS)
    plan = plan_of(shape, kind, batch)
    task = (LatentTask if cached else Uncached)(films, plan, parts_of(shape, device))
    engine = accelerator_of(plan)
    task.to(engine.device)
    task.prepare(engine.device)
    optimiser = torch.optim.AdamW(list(task.trained().values()), lr=1e-5)
    running = Running(task, plan.options.ema)
    wrapped, optimiser = engine.prepare(task, optimiser)
    began = 0.0
    for step in range(shape["warm"] + shape["steps"]):
        if step == shape["warm"]:
            _wait(device)
            if device.type == "cuda":  # the encoding of the films is no part of a step
                torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
        with engine.autocast():
            loss = wrapped(draws_of(0, step, batch, FILMS))
        engine.backward(loss)
        engine.clip_grad_norm_(list(task.trained().values()), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        running.update(task, step)
    _wait(device)
    seconds = (time.perf_counter() - began) / shape["steps"]
    peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None
    return {
        "kind": kind, "batch": batch, "way": "cached" if cached else "uncached", "loss": float(loss.detach()),
        "images_per_s": batch / seconds, "step_ms": 1000 * seconds, "peak_gib": peak,
    }  # fmt: skip


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main(arguments: list[str]) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a model of a thousandth of the size, on the processor")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--kinds", nargs="+", default=["full", "lora"], choices=["full", "lora"])
    given = parser.parse_args(arguments)
    if not given.tiny and not torch.cuda.is_available():
        print("no GPU here; --tiny runs on the processor", file=sys.stderr)
        return 2
    shape = TINY if given.tiny else FULL
    device = torch.device("cpu" if given.tiny else "cuda")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    left_out: list[str] = []
    result = {"device": name, "torch": torch.__version__, "size": shape["size"], "rows": rows, "ratios": ratios,
              "left_out": left_out}  # fmt: skip
    warnings.simplefilter("ignore")
    print(f"{'recipe':8}{'batch':>6}  {'way':10}{'images/s':>10}{'ms/step':>10}{'peak GiB':>10}")
    for kind in given.kinds:
        for batch in shape["batches"]:
            pair: list[dict[str, Any]] = []
            for cached in (False, True):
                gc.collect()
                if device.type == "cuda":
                    torch.cuda.empty_cache()
                try:
                    row = measure(shape, kind, batch, cached=cached, device=device)
                except torch.cuda.OutOfMemoryError:
                    left_out.append(f"{kind} batch {batch} {'cached' if cached else 'uncached'}: out of memory")
                    print(f"left out: {left_out[-1]}", flush=True)
                    continue
                rows.append(row)
                pair.append(row)
                peak = "" if row["peak_gib"] is None else f"{row['peak_gib']:.1f}"
                print(
                    f"{kind:8}{batch:>6}  {row['way']:10}{row['images_per_s']:>10.1f}{row['step_ms']:>10.1f}{peak:>10}",
                    flush=True,
                )
                if len(pair) == 2:
                    ratios[f"{kind}/{batch}"] = pair[1]["images_per_s"] / pair[0]["images_per_s"]
                if given.out is not None:
                    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, ratio in ratios.items():
        judged = "nothing to be read from it" if given.tiny else "met" if ratio >= TARGET else "not met"
        print(f"{name}: cached / uncached = {ratio:.2f} (target {TARGET} on a GPU: {judged})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
