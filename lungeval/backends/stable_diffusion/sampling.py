"""A batch of prompts and seeds to pixels: the denoising loop, written out for throughput and for repeatability.

The loop is that of diffusers' own pipelines for Stable Diffusion 1, 2 and XL (a test compares them, image by image),
with these differences: every image has a CPU generator of its own, so that its noise depends on its seed alone; the
noise is drawn, and the solver works, in fp32 whatever the networks' precision; text is encoded once a distinct prompt,
alone; the guided and the plain half share one call; the VAE decodes in parts of bounded size. Other pipelines
(`follows_our_loop` is false) are called as they are, with the same generators.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from lungeval.backends.stable_diffusion.loading import Loaded, quiet

AT_ONCE = 8 * 512 * 512
"""Pixels that the VAE decodes together where `vae_slicing` is auto."""
KEPT = 1024
"""Prompts whose embeddings are kept."""
OURS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
"""Pipelines that `sample` runs itself."""


@dataclass(frozen=True)
class Sampling:
    """How images are sampled."""

    steps: int
    """Denoising steps."""
    guidance: float
    """Classifier-free guidance; none at 1 or below."""
    negative_prompt: str = ""
    """What the images should not show."""
    shape: tuple[int, int] | None = None
    """Rows and columns; None = the model's own."""
    vae_slicing: bool | Literal["auto"] = "auto"
    """Decode one by one, all at once, or `auto`: at most AT_ONCE pixels together."""
    safety_checker: bool = False
    """Run the pipeline's safety checker."""
    threads: int | None = None
    """CPU threads; None = as they are."""


@dataclass
class Batch:
    """What came out."""

    images: npt.NDArray[np.uint8]
    """n x rows x columns x 3, levels 0 to 255."""
    finite: npt.NDArray[np.bool_]
    """n; False where an image had a value that is no number."""
    flagged: npt.NDArray[np.bool_]
    """n; True where the safety checker objected."""


@dataclass
class Embeddings:
    """Text embeddings of one prompt: the tensors that the UNet is given, each 1 x ..., on its device."""

    text: torch.Tensor
    """1 x tokens x width."""
    negative: torch.Tensor | None = None
    """The same of the negative prompt; None without guidance."""
    pooled: torch.Tensor | None = None
    """XL: 1 x width."""
    negative_pooled: torch.Tensor | None = None
    """XL: the same of the negative prompt."""


@dataclass
class Sampler:
    """A loaded pipeline with the embeddings that it has made."""

    loaded: Loaded
    """The pipeline."""
    settings: Sampling
    """How."""
    known: dict[str, Embeddings] = field(default_factory=dict)
    """Embeddings by prompt."""

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> Batch:
        """Images of the prompts, one a seed, in one batch.

        Args:
            prompts: n prompts.
            seeds: n seeds, 0 to 2**63 - 1; an image's noise depends on its seed alone.
        """
        with quiet(), cpu_threads(self.settings.threads), torch.no_grad():
            if not follows_our_loop(self.loaded.pipe):
                return call_pipeline(self.loaded, prompts, seeds, self.settings)
            return sample(self.loaded, [self.embed(prompt) for prompt in prompts], seeds, self.settings)

    def embed(self, prompt: str) -> Embeddings:
        """The embeddings of a prompt, encoded alone so that they depend on no neighbour, and kept."""
        if prompt not in self.known:
            if len(self.known) >= KEPT:
                self.known.clear()
            guided = self.settings.guidance > 1
            made = self.loaded.pipe.encode_prompt(
                prompt=prompt, device=self.loaded.device, num_images_per_prompt=1, do_classifier_free_guidance=guided,
                negative_prompt=self.settings.negative_prompt or None,
            )  # fmt: skip
            self.known[prompt] = Embeddings(*made)
        return self.known[prompt]


def follows_our_loop(pipe: Any) -> bool:
    """Whether the pipeline is one of those whose loop `sample` is: Stable Diffusion 1, 2 or XL, not distilled."""
    unet = getattr(pipe, "unet", None)
    if type(pipe).__name__ not in OURS or unet is None:
        return False
    extra = unet.config.addition_embed_type
    return unet.config.time_cond_proj_dim is None and extra in (None, "text_time")


def generators_of(seeds: Sequence[int]) -> list[torch.Generator]:
    """A CPU generator for each seed."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def sample(loaded: Loaded, prompts: Sequence[Embeddings], seeds: Sequence[int], settings: Sampling) -> Batch:
    """Denoise and decode one batch: x_T ~ N(0, s^2) of each seed, `steps` solver steps, VAE.

    With guidance g the prediction is  e = e_neg + g (e_text - e_neg),  both from one call of the UNet.

    Args:
        loaded: a pipeline that `follows_our_loop`.
        prompts: n embeddings.
        seeds: n seeds.
        settings: steps, guidance and size.
    """
    pipe, device, dtype = loaded.pipe, loaded.device, loaded.dtype
    unet, scheduler = pipe.unet, pipe.scheduler
    guided = settings.guidance > 1
    rows, cols = settings.shape or own_shape(pipe)
    scale = pipe.vae_scale_factor
    generators = generators_of(seeds)
    noise = [torch.randn((unet.config.in_channels, rows // scale, cols // scale), generator=g) for g in generators]
    text, added = _conditions(prompts, guided=guided, shape=(rows, cols), extra=unet.config.addition_embed_type)
    text = text.to(device, dtype)
    added = None if added is None else {name: tensor.to(device, dtype) for name, tensor in added.items()}
    scheduler.set_timesteps(settings.steps, device=device)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # spares a search, and a wait for the device, at the first step
    latents = torch.stack(noise).to(device) * scheduler.init_noise_sigma
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": generators} if "generator" in takes else {}
    for step in scheduler.timesteps:
        inputs = torch.cat([latents, latents]) if guided else latents
        inputs = scheduler.scale_model_input(inputs, step).to(dtype)
        predicted = unet(inputs, step, encoder_hidden_states=text, added_cond_kwargs=added, return_dict=False)[0]
        predicted = predicted.float()
        if guided:
            negative, positive = predicted.chunk(2)
            predicted = negative + settings.guidance * (positive - negative)
        latents = scheduler.step(predicted, step, latents, **extra, return_dict=False)[0]
    return _decode(loaded, latents, settings)


def own_shape(pipe: Any) -> tuple[int, int]:
    """Rows and columns that a pipeline makes by itself."""
    side = pipe.unet.config.sample_size
    rows, cols = side if isinstance(side, tuple | list) else (side, side)
    return int(rows) * pipe.vae_scale_factor, int(cols) * pipe.vae_scale_factor


def call_pipeline(loaded: Loaded, prompts: Sequence[str], seeds: Sequence[int], settings: Sampling) -> Batch:
    """The same batch by the pipeline's own call: for pipelines that are not Stable Diffusion, and to compare with."""
    takes = inspect.signature(loaded.pipe.__call__).parameters
    wanted: dict[str, Any] = {
        "prompt": list(prompts), "num_inference_steps": settings.steps, "guidance_scale": settings.guidance,
        "generator": generators_of(seeds), "output_type": "np",
    }  # fmt: skip
    if settings.negative_prompt and settings.guidance > 1:
        wanted["negative_prompt"] = [settings.negative_prompt] * len(prompts)
    if settings.shape is not None:
        wanted |= {"height": settings.shape[0], "width": settings.shape[1]}
    output = loaded.pipe(**{name: value for name, value in wanted.items() if name in takes})
    levels = np.asarray(output.images, dtype=np.float32)
    flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(prompts)
    finite = np.array([bool(np.isfinite(image).all()) for image in levels])
    images = np.round(np.nan_to_num(levels).clip(0, 1) * 255).astype(np.uint8)
    return Batch(images, finite, np.asarray(flagged, dtype=bool))


@contextlib.contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Give torch so many CPU threads, and back what it had: the number decides the last digits of a sum."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _conditions(
    prompts: Sequence[Embeddings], *, guided: bool, shape: tuple[int, int], extra: str | None
) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
    """What the UNet is conditioned on: text, and for XL the pooled text and the size; negative halves first."""

    def stacked(positive: Callable[[Embeddings], Any], negative: Callable[[Embeddings], Any]) -> torch.Tensor:
        return torch.cat([*map(negative, prompts), *map(positive, prompts)] if guided else [*map(positive, prompts)])

    text = stacked(lambda e: e.text, lambda e: e.negative)
    if extra is None:
        return text, None
    pooled = stacked(lambda e: e.pooled, lambda e: e.negative_pooled)
    sizes = torch.tensor([[*shape, 0, 0, *shape]], dtype=torch.float32).repeat(len(text), 1)  # original, crop, target
    return text, {"text_embeds": pooled, "time_ids": sizes}


def _decode(loaded: Loaded, latents: torch.Tensor, settings: Sampling) -> Batch:
    pipe = loaded.pipe
    config = pipe.vae.config
    if getattr(config, "latents_mean", None) is not None and getattr(config, "latents_std", None) is not None:
        mean, std = (
            torch.tensor(values, device=latents.device).view(1, -1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        latents = latents * std / config.scaling_factor + mean
    else:
        latents = latents / config.scaling_factor
    pixels = latents.shape[-2] * latents.shape[-1] * pipe.vae_scale_factor**2
    together = max(1, AT_ONCE // pixels)
    if settings.vae_slicing != "auto":
        together = 1 if settings.vae_slicing else len(latents)
    parts: list[torch.Tensor] = []
    finite: list[torch.Tensor] = []
    flagged: list[bool] = []
    for part in torch.split(latents.to(pipe.vae.dtype), together):
        image = pipe.vae.decode(part, return_dict=False)[0].float()
        finite.append(torch.isfinite(image).flatten(1).all(1))
        flags = _flags(loaded, image) if settings.safety_checker else None
        flagged += [bool(flag) for flag in flags] if flags else [False] * len(image)
        levels = (image.nan_to_num(0.0) / 2 + 0.5).clamp(0, 1) * 255
        parts.append(levels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous())
    images = torch.cat(parts).cpu().numpy()
    return Batch(images, torch.cat(finite).cpu().numpy(), np.asarray(flagged, dtype=bool))


def _flags(loaded: Loaded, image: torch.Tensor) -> list[bool] | None:
    """The safety checker's verdicts; None where the pipeline has none."""
    if getattr(loaded.pipe, "safety_checker", None) is None:
        return None
    verdicts: list[bool] | None = loaded.pipe.run_safety_checker(image.clone(), loaded.device, loaded.dtype)[1]
    return verdicts
