"""Images a second of Stable Diffusion 1.5 through lungeval's sampling, beside diffusers' own pipeline call. One call.

    python benchmarks/generation_gpu.py --out generation.json             # one GPU, 9 minutes at most
    python benchmarks/generation_gpu.py --out generation.json --quick     # about 2 minutes
    python benchmarks/generation_gpu.py --tiny --out generation.json      # a toy model, any CPU: tests this file

No network and no weights are needed: the architecture is built from its configuration (UNet of 859.5 million weights,
VAE of 83.7 million) with random weights, and text embeddings are drawn, not encoded. Throughput does not depend on the
values of the weights but through clock rates; the images mean nothing. Needs torch, diffusers, numpy, pydantic, pyyaml.

Measured, each a median of repeats after a warm-up, from seeds to uint8 arrays in main memory (noise, denoising with
guidance, VAE; no PNG):
  - `lungeval`: lungeval.backends.stable_diffusion.sampling.sample, eager and compiled
  - `diffusers`: StableDiffusionPipeline.__call__ with the same generators, precision, solver and batch, eager (and
    compiled at one batch): the peer
and: the error of the UNet in bf16 against fp32, the agreement of both loops in fp32, what the batch size changes in the
pixels, peak memory, and the rate of an 8192 x 8192 x 8192 bf16 matrix product as the ceiling.
The file is written after each measurement, so that a call that is cut short leaves what it had.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from lungeval.backends.stable_diffusion.loading import Loaded, prepare, quiet, scheduler_of
from lungeval.backends.stable_diffusion.sampling import Batch, Embeddings, Sampling, cpu_threads, generators_of, sample

SD15: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
        "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "attention_head_dim": 8,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    },
    "vae": {
        "sample_size": 512, "latent_channels": 4, "layers_per_block": 2, "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
}  # fmt: skip
"""runwayml/stable-diffusion-v1-5's unet/config.json and vae/config.json, as far as they differ from the defaults."""
TINY: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 16, "in_channels": 4, "out_channels": 4, "layers_per_block": 1, "block_out_channels": (32, 64),
        "cross_attention_dim": 32, "attention_head_dim": 8, "norm_num_groups": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    },
    "vae": {
        "sample_size": 64, "latent_channels": 4, "layers_per_block": 1, "block_out_channels": (16, 32, 32),
        "norm_num_groups": 8, "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
    },
}  # fmt: skip
SCHEDULE = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1, "clip_sample": False,
}  # fmt: skip
TOKENS = 77
UNET_TFLOP, DECODER_TFLOP = 0.803, 2.515
"""Of SD 1.5 at 512 x 512, one image: one pass of the UNet, one of the VAE's decoder (counted on the meta device)."""
TARGET = 7.0
"""Images a second to aim at on an H100: 512 x 512, 25 steps, guidance."""


def build(kind: str, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    """A Stable Diffusion pipeline without text encoder, with random weights made on the device."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    config = {"sd15": SD15, "tiny": TINY}[kind]
    torch.manual_seed(seed)
    with device:
        unet = UNet2DConditionModel(**config["unet"]).to(dtype).eval()
        vae = AutoencoderKL(**config["vae"]).to(dtype).eval()
    pipe: Any = StableDiffusionPipeline(
        vae=vae, text_encoder=None, tokenizer=None, unet=unet, scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_of("dpmsolver++", pipe.scheduler)
    return pipe


def embeddings(count: int, pipe: Any, device: torch.device, dtype: torch.dtype) -> list[Embeddings]:
    """Drawn text embeddings of `count` prompts."""
    width = pipe.unet.config.cross_attention_dim
    drawn = torch.randn((count, 2, 1, TOKENS, width), generator=torch.Generator("cpu").manual_seed(5))
    return [Embeddings(text.to(device, dtype), negative.to(device, dtype)) for text, negative in drawn]


def ours(loaded: Loaded, batch: int, settings: Sampling, first: int = 0) -> Batch:
    """A batch by lungeval."""
    prompts = embeddings(batch, loaded.pipe, loaded.device, loaded.dtype)
    with torch.no_grad():
        return sample(loaded, prompts, list(range(first, first + batch)), settings)


def theirs(pipe: Any, batch: int, settings: Sampling, device: torch.device, dtype: torch.dtype) -> np.ndarray[Any, Any]:
    """The same batch by diffusers' own loop: uint8, n x rows x columns x 3."""
    prompts = embeddings(batch, pipe, device, dtype)
    rows, cols = settings.shape or (None, None)
    pipe.vae.use_slicing = batch > 16  # as its documentation advises: decoded at once, 64 images overflow an index
    images = pipe(
        prompt_embeds=torch.cat([prompt.text for prompt in prompts]),
        negative_prompt_embeds=torch.cat([prompt.negative for prompt in prompts if prompt.negative is not None]),
        num_inference_steps=settings.steps, guidance_scale=settings.guidance, height=rows, width=cols,
        generator=generators_of(range(batch)), output_type="np",
    ).images  # fmt: skip
    levels: np.ndarray[Any, Any] = np.round(np.nan_to_num(images) * 255).astype(np.uint8)
    return levels


def relative_errors(kind: str, device: torch.device, size: int, inputs: int = 4) -> dict[str, list[float]]:
    """|UNet_low(x) - UNet_fp32(x)| / |UNet_fp32(x)| (Euclidean norms) on fresh inputs, by precision."""
    pipe = build(kind, device, torch.float32)
    scale = pipe.vae_scale_factor
    errors: dict[str, list[float]] = {}
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            if device.type != "cuda" and name == "fp16":
                continue
            low = copy.deepcopy(pipe.unet).to(dtype)
            for number in range(inputs):
                draw = torch.Generator("cpu").manual_seed(1000 + number)
                x = torch.randn((2, 4, size // scale, size // scale), generator=draw).to(device)
                text = torch.randn((2, TOKENS, pipe.unet.config.cross_attention_dim), generator=draw).to(device)
                step = torch.tensor(999 - 250 * number, device=device)
                with torch.no_grad():
                    exact = pipe.unet(x, step, encoder_hidden_states=text, return_dict=False)[0]
                    rough = low(x.to(dtype), step, encoder_hidden_states=text.to(dtype), return_dict=False)[0].float()
                errors.setdefault(name, []).append(float((rough - exact).norm() / exact.norm()))
            del low
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
    return errors


def changes(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> dict[str, float]:
    """Greatest and mean difference in grey levels, and the share of values that differ."""
    gap = np.abs(one.astype(int) - other.astype(int))
    return {"max": int(gap.max()), "mean": float(gap.mean()), "share": float((gap > 0).mean())}


def ceiling(device: torch.device, side: int = 8192) -> float:
    """TFLOP/s of a bf16 matrix product of random values: 2 side^3 / t, mean of ten."""
    a, b = (torch.randn((side, side), device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(10):
        a @ b
    torch.cuda.synchronize()
    return 2 * side**3 * 10 / (time.perf_counter() - begin) / 1e12


class Bench:
    """Measurements, written down one by one.

    Args:
        options: the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.perf_counter()
        self.device = torch.device(options.device)
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.kind = "tiny" if options.tiny else "sd15"
        size = options.size
        self.settings = Sampling(steps=options.steps, guidance=7.5, shape=(size, size))
        import diffusers

        self.result: dict[str, Any] = {
            "schema": 1, "benchmark": "generation_gpu", "model": self.kind, "size": size, "steps": options.steps,
            "guidance": 7.5, "dtype": str(self.dtype).removeprefix("torch."), "solver": "dpmsolver++",
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else platform.processor() or "cpu",
            "versions": {
                "python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda,
                "cudnn": torch.backends.cudnn.version(), "diffusers": diffusers.__version__, "numpy": np.__version__,
            },
            "weights": "random: the architecture's throughput, not images of anything", "rows": [], "left_out": [],
        }  # fmt: skip

    def note(self, **facts: Any) -> None:
        """Keep and write."""
        self.result |= facts
        self.result["seconds"] = round(time.perf_counter() - self.began, 1)
        if self.options.out:
            Path(self.options.out).write_text(json.dumps(self.result, indent=1) + "\n", encoding="utf-8")

    def left(self) -> float:
        """Seconds left of the budget."""
        return float(self.options.budget - (time.perf_counter() - self.began))

    def time(self, runner: str, mode: str, batch: int, call: Callable[[Sampling], Any]) -> None:
        """Warm up with two steps (which compiles where that is asked for), then the median of the repeats."""
        if self.left() < 0:
            self.result["left_out"].append(f"{runner} {mode} batch {batch}: the time was up")
            return
        cuda = self.device.type == "cuda"
        row: dict[str, Any] = {"runner": runner, "mode": mode, "batch": batch}
        try:
            if cuda:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            begin = time.perf_counter()
            call(Sampling(steps=2, guidance=self.settings.guidance, shape=self.settings.shape))
            row["warm_up_s"] = round(time.perf_counter() - begin, 2)
            took: list[float] = []
            while len(took) < self.options.repeats and (not took or self.left() > took[0]):
                begin = time.perf_counter()
                call(self.settings)
                if cuda:
                    torch.cuda.synchronize()
                took.append(time.perf_counter() - begin)
        except RuntimeError as error:  # out of memory, or a tensor too large for a kernel: the others go on
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            self.result["left_out"].append(f"{runner} {mode} batch {batch}: {why}")
            return
        rate = batch / statistics.median(took)
        row |= {"seconds": [round(t, 4) for t in took], "images_per_s": round(rate, 3)}
        if cuda:
            row["peak_bytes"] = torch.cuda.max_memory_allocated()
        if self.kind == "sd15" and self.settings.shape == (512, 512):
            row["tflops"] = round(rate * (2 * self.settings.steps * UNET_TFLOP + DECODER_TFLOP), 1)
        self.result["rows"].append(row)
        print(f"{runner:10} {mode:9} batch {batch:3}: {rate:7.2f} images/s", flush=True)
        self.note()

    def run(self) -> dict[str, Any]:
        """Everything, the cheap and certain first."""
        options, device, dtype = self.options, self.device, self.dtype
        self.note()
        if device.type == "cuda":
            self.note(matmul_tflops=round(ceiling(device), 1))
        self.note(unet_relative_error=relative_errors(self.kind, device, options.size))
        self._agree()
        pipe = build(self.kind, device, dtype)
        self.note(unet_parameters=sum(p.numel() for p in pipe.unet.parameters()))
        peer = build(self.kind, device, dtype)
        prepare(pipe, device, dtype, channels_last=None, compiled=False)
        loaded = Loaded(pipe, device, dtype)
        try:
            one, several = (ours(loaded, count, self.settings).images[:1] for count in (1, options.batches[-1]))
            self.note(batch_effect={"batches": [1, options.batches[-1]], "levels": changes(one, several)})
        except RuntimeError as error:  # out of memory: the smaller batches go on
            self.result["left_out"].append(f"batch 1 against {options.batches[-1]}: {str(error)[:200]}")
        for batch in options.batches:
            self.time("lungeval", "eager", batch, lambda how, n=batch: ours(loaded, n, how))
            self.time("diffusers", "eager", batch, lambda how, n=batch: theirs(peer, n, how, device, dtype))
        if options.compile:
            pipe.unet.compile(dynamic=False)
            first = max((n for n in options.batches if n <= 32), default=options.batches[0])
            order = [first, *(n for n in reversed(options.batches) if n != first)]
            for batch in order:
                self.time("lungeval", "compiled", batch, lambda how, n=batch: ours(loaded, n, how))
                if batch == first and not options.quick:
                    peer.unet.compile(dynamic=False)
                    self.time("diffusers", "compiled", batch, lambda how: theirs(peer, first, how, device, dtype))
        self.note()
        return self.result

    def _agree(self) -> None:
        """Both loops in fp32 without TF32, the same seeds: the greatest difference in grey levels."""
        tf32 = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False
        try:
            pipe = build(self.kind, self.device, torch.float32)
            how = Sampling(steps=5, guidance=7.5, shape=self.settings.shape, vae_slicing=False)
            mine = ours(Loaded(pipe, self.device, torch.float32), 2, how).images
            self.note(agreement_fp32=changes(mine, theirs(pipe, 2, how, self.device, torch.float32)))
        finally:
            torch.backends.cudnn.allow_tf32 = tf32


def table(result: dict[str, Any]) -> str:
    """The figures, short."""
    lines = ["{model}, {size} px, {steps} steps with guidance, {dtype}, {device}".format(**result)]
    for name, values in result.get("unet_relative_error", {}).items():
        lines.append(f"UNet, {name} against fp32: relative error {min(values):.1e} to {max(values):.1e}")
    compared = {
        "lungeval against diffusers in fp32": result.get("agreement_fp32"),
        "batch 1 against the largest": result.get("batch_effect", {}).get("levels"),
    }
    for what, gap in compared.items():
        if gap:
            lines.append(f"{what}: max {gap['max']} grey levels, mean {gap['mean']:.3f}, {gap['share']:.1%} of values")
    lines.append("batch  lungeval eager  compiled  diffusers eager  compiled   ratio   best TFLOP/s  peak GB")
    rows = {(row["runner"], row["mode"], row["batch"]): row for row in result["rows"]}
    for batch in sorted({row["batch"] for row in result["rows"]}):
        lines.append(_line(batch, rows, result.get("matmul_tflops")))
    lines += [f"left out: {what}" for what in result["left_out"]]
    fastest = max((row["images_per_s"] for row in result["rows"] if row["runner"] == "lungeval"), default=0.0)
    aim = f" (target {TARGET:g} on an H100)" if result["model"] == "sd15" else ""
    return "\n".join([*lines, f"fastest: {fastest:.2f} images/s{aim}"])


def _line(batch: int, rows: dict[tuple[str, str, int], dict[str, Any]], top: float | None) -> str:
    cells = [rows.get((runner, mode, batch)) for runner in ("lungeval", "diffusers") for mode in ("eager", "compiled")]
    own, eager, compiled, peer, peer_compiled = (batch, *(f"{c['images_per_s']:.2f}" if c else "-" for c in cells))
    mine = [cell for cell in cells[:2] if cell]
    other = max((cell["images_per_s"] for cell in cells[2:] if cell), default=0.0)
    best = max(mine, key=lambda cell: cell["images_per_s"], default={"images_per_s": 0.0})
    ratio = f"{best['images_per_s'] / other:.2f}" if mine and other else "-"
    work = f"{best['tflops']:.0f}" if "tflops" in best else "-"
    work += f" ({best['tflops'] / top:.0%})" if top and "tflops" in best else ""
    peak = max((cell.get("peak_bytes", 0) for cell in mine), default=0) / 1e9
    return f"{own:5}  {eager:>14}  {compiled:>8}  {peer:>15}  {peer_compiled:>8}  {ratio:>6}  {work:>13}  {peak:>7.1f}"


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", help="JSON file")
    parser.add_argument("--tiny", action="store_true", help="a toy model, 64 px: tests this file on a CPU")
    parser.add_argument("--quick", action="store_true", help="batches 1 and 32, one repeat")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", help="such as 1,8,32,64")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--size", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--budget", type=float, default=420.0, help="seconds after which nothing new is begun")
    compiling = argparse.BooleanOptionalAction
    parser.add_argument("--compile", action=compiling, default=None, help="by default on CUDA only")
    options = parser.parse_args(arguments)
    words = options.batches or ("1,4" if options.tiny else "1,32" if options.quick else "1,8,32,64")
    options.batches = sorted({int(word) for word in words.split(",")})
    options.size = options.size or (64 if options.tiny else 512)
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.compile = options.device.startswith("cuda") if options.compile is None else options.compile
    with quiet(), cpu_threads(None):
        result = Bench(options).run()
    print(table(result), flush=True)
    return result


if __name__ == "__main__":
    main()
