"""From files to a pipeline that is ready on its device. Imports torch and diffusers: only `make` comes here."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lungeval.backends.stable_diffusion.locating import INDEX, Located, Model, lora_file
from lungeval.backends.stable_diffusion.settings import Options
from lungeval.errors import LungevalError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Loaded:
    """A pipeline and how it is run."""

    pipe: Any
    """A diffusers pipeline."""
    device: torch.device
    """Where its networks are."""
    dtype: torch.dtype
    """Precision of its networks."""


def device_of(word: str) -> torch.device:
    """The device meant by `options.device`.

    Raises:
        LungevalError: `backend` where there is none of that kind.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if word == "auto":
        word = next(name for name, found in there.items() if found)
    if not there[word]:
        raise LungevalError("backend", f"options.device: there is no {word} device here", remedy="set device: auto")
    return torch.device(word)


def dtype_of(word: str, device: torch.device) -> torch.dtype:
    """The precision meant by `options.dtype`: auto = bf16 on CUDA devices that have it, else fp16; fp32 elsewhere."""
    if word != "auto":
        return DTYPES[word]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def load_pipeline(model: Model, options: Options, *, where: str = "") -> Loaded:
    """Load the model, put its LoRA into the weights, choose the solver, move it to the device.

    A LoRA is added to fp32 weights, which are rounded to `dtype` afterwards: once, not twice.

    Raises:
        LungevalError: `backend` where the device is not there or the model cannot be loaded.
    """
    device = device_of(options.device)
    dtype = dtype_of(options.dtype, device)
    with quiet():
        try:
            pipe = _pipeline(model.base, torch.float32 if model.lora else dtype, options)
            if model.lora is not None:
                _fuse(pipe, model.lora, options.lora_scale)
            pipe = pipe.to(device=device, dtype=dtype)
        except LungevalError:
            raise
        except torch.cuda.OutOfMemoryError as error:
            raise LungevalError(
                "backend", f"the model does not fit into the memory of {device}", where=where,
                remedy="set options.dtype: bf16 or fp16, or options.device: cpu",
            ) from error  # fmt: skip
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            raise LungevalError(
                "backend", f"the model cannot be loaded: {type(error).__name__}: {lines[0][:300]}", where=where,
                remedy="is the folder whole? Its own traceback follows with --debug",
            ) from error  # fmt: skip
        _check_tokenizer(pipe, where)
        pipe.scheduler = scheduler_of(options.scheduler, pipe.scheduler)
    prepare(pipe, device, dtype, channels_last=options.channels_last, compiled=options.compile)
    return Loaded(pipe, device, dtype)


def prepare(pipe: Any, device: torch.device, dtype: torch.dtype, *, channels_last: bool | None, compiled: bool) -> None:
    """Set a pipeline that is on its device to inference: memory layout, precision of the VAE, compilation.

    Args:
        pipe: the pipeline; changed in place.
        device: where its networks are.
        dtype: their precision. In fp16 a VAE that says `force_upcast` overflows (black images): it is kept in fp32.
        channels_last: memory layout of the convolutions; None = on CUDA where the UNet is compiled (uncompiled it
            is the slower layout there: 5.2 against 5.9 images a second on an H100).
        compiled: torch.compile the UNet.
    """
    for name in ("unet", "transformer", "vae", "text_encoder", "text_encoder_2"):
        module = getattr(pipe, name, None)
        if isinstance(module, torch.nn.Module):
            module.requires_grad_(False).eval()
    vae = getattr(pipe, "vae", None)
    if vae is not None and dtype == torch.float16 and getattr(vae.config, "force_upcast", False):
        vae.to(torch.float32)
    if (device.type == "cuda" and compiled) if channels_last is None else channels_last:
        for name in ("unet", "vae"):
            if getattr(pipe, name, None) is not None:
                getattr(pipe, name).to(memory_format=torch.channels_last)
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    if compiled and network is not None:
        network.compile(dynamic=False)


def scheduler_of(word: str, own: Any) -> Any:
    """The solver called `word`, with the noise schedule and prediction type of the model's own.

    dpmsolver++ is DPM-Solver++ (2M); all but `keep` are deterministic.
    """
    import diffusers

    solvers: Any = diffusers
    if word == "keep":
        return own
    if word == "dpmsolver++":
        return solvers.DPMSolverMultistepScheduler.from_config(
            own.config, algorithm_type="dpmsolver++", solver_type="midpoint", solver_order=2
        )
    if word == "unipc":
        return solvers.UniPCMultistepScheduler.from_config(own.config)
    if word == "euler":
        return solvers.EulerDiscreteScheduler.from_config(own.config)
    # latents are not images: clipping them to -1 .. 1, the default of older configurations, spoils them
    return solvers.DDIMScheduler.from_config(own.config, clip_sample=False, set_alpha_to_one=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the notices, warnings and loading bars of diffusers and transformers off the screen; errors still come."""
    import diffusers.utils.logging as diffusers_log
    import transformers.utils.logging as transformers_log

    logs: tuple[Any, ...] = (diffusers_log, transformers_log)
    levels = [log.get_verbosity() for log in logs]
    bars = [bool(log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level, bar in zip(logs, levels, bars, strict=True):
            log.set_verbosity(level)
            if bar:
                log.enable_progress_bar()


def _pipeline(base: Located, dtype: torch.dtype, options: Options) -> Any:
    from diffusers import AutoPipelineForText2Image, DiffusionPipeline

    settings: dict[str, Any] = {"torch_dtype": dtype}
    if base.folder is None:
        settings["revision"] = base.commit
    if not options.safety_checker and _names_checker(base):
        settings |= {"safety_checker": None, "requires_safety_checker": False}
    pipeline: Any = DiffusionPipeline
    pipe = pipeline.from_pretrained(base.place, **settings)
    if any(word in type(pipe).__name__ for word in ("Img2Img", "Inpaint")):  # its text-to-image sibling
        pipe = AutoPipelineForText2Image.from_pipe(pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _names_checker(base: Located) -> bool:
    if base.folder is None:
        from huggingface_hub import hf_hub_download

        index = Path(hf_hub_download(base.repository, INDEX, revision=base.commit))
    else:
        index = base.folder / INDEX
    return "safety_checker" in json.loads(index.read_text(encoding="utf-8"))


def _fuse(pipe: Any, lora: Located, scale: float) -> None:
    if lora.folder is None:
        pipe.load_lora_weights(lora.repository, revision=lora.commit)
    else:
        weights = lora_file(lora.folder)
        pipe.load_lora_weights(str(weights.parent), weight_name=weights.name)
    pipe.fuse_lora(lora_scale=scale)
    pipe.unload_lora_weights()


def _check_tokenizer(pipe: Any, where: str) -> None:
    """Refuse a tokenizer without a vocabulary: it would make every prompt the same one, without a word."""
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is not None and len(tokenizer) <= 2:
        raise LungevalError(
            "backend", f"the model's tokenizer knows {len(tokenizer)} tokens", where=where,
            remedy="its files are damaged, or of a version that the installed transformers cannot read",
        )  # fmt: skip
