"""Draw images from a pixel diffusion model: noise from one generator an image, guidance, the schedule's steps."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from lungeval.backends.pixel_diffusion.network import Described
from lungeval.errors import LungevalError


def to_channels(images: torch.Tensor, block: int) -> torch.Tensor:
    """Images, n x 1 x s x s in -1 .. 1, to n x block^2 x (s / block) x (s / block)."""
    return functional.pixel_unshuffle(images, block)


def to_pixels(channels: torch.Tensor, block: int) -> torch.Tensor:
    """The inverse of `to_channels`."""
    return functional.pixel_shuffle(channels, block)


def noise_of(seeds: Sequence[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Normal noise, n x shape, each image from a generator of its own, so that it does not depend on its batch."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """A fixed number of processor threads: sums come out in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def draw(
    unet: Any, scheduler: Any, noise: torch.Tensor, labels: Sequence[int] | None, *, block: int, steps: int,
    guidance: float,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """Images from noise, n x size x size, uint8.

    With guidance g other than 1 the network is asked twice, with and without the class, and says
    without + g (with - without) (Ho & Salimans 2022, arXiv:2207.12598, equation 6 with w = g - 1).

    Args:
        unet: a UNet2DModel; with classes, its last label means "no class".
        scheduler: a diffusers scheduler; its steps are set here.
        noise: n x channels x side x side.
        labels: one class label an image, or None for an unconditional model.
        block: pixels of a block x block square are channels.
        steps: sampling steps.
        guidance: 1 = none.
    """
    device = next(unet.parameters()).device
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of numpy, about how the scheduler turns a tensor to an array
        scheduler.set_timesteps(steps, device=device)
    if len(scheduler.timesteps) != steps or int(scheduler.timesteps.min()) < 0:
        raise LungevalError(
            "protocol", f"options.steps: {steps} steps cannot be spread over this model's noise levels",
            remedy=f"try {steps - 1} or {steps + 1}",
        )  # fmt: skip
    state = noise.to(device) * scheduler.init_noise_sigma
    given = None if labels is None else torch.tensor(labels, device=device)
    with torch.inference_mode():
        for step in scheduler.timesteps:
            asked = scheduler.scale_model_input(state, step)
            if given is None or guidance == 1.0:
                said = unet(asked, step, class_labels=given).sample
            else:
                none = torch.full_like(given, unet.config.num_class_embeds - 1)
                both = unet(torch.cat([asked, asked]), step, class_labels=torch.cat([given, none])).sample
                on, off = both.chunk(2)
                said = off + guidance * (on - off)
            state = scheduler.step(said, step, state).prev_sample
    images = to_pixels(state.float(), block)
    if images.shape[1] != 1:
        images = images.mean(1, keepdim=True)
    broken = ~torch.isfinite(images).flatten(1).all(1)
    images[broken] = -1.0  # an image of one grey, which the caller tells
    grey = ((images[:, 0].clamp(-1, 1) + 1.0) * 127.5).round()
    return np.asarray(grey.cpu().numpy(), dtype=np.uint8)


def sampler(config: Any) -> Any:
    """The sampler of a trained schedule: DPM-Solver++ of second order (Lu et al. 2022, arXiv:2211.01095)."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++", timestep_spacing="trailing")


def load(model: Described, device: str) -> tuple[Any, Any]:
    """The network, ready to draw in 32-bit arithmetic, and its sampler; `device` auto = a GPU where there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import DDPMScheduler, UNet2DModel

        inner = model.folder / "unet"
        unet = UNet2DModel.from_pretrained(inner if inner.is_dir() else model.folder, torch_dtype=torch.float32)
        outer = model.folder / "scheduler"
        schedule = DDPMScheduler.from_pretrained(outer if outer.is_dir() else model.folder)
    return unet.to(device).eval().requires_grad_(False), sampler(schedule.config)
