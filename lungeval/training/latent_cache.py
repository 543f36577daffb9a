"""What the frozen parts of a Stable Diffusion say of films and captions, computed once and kept in main memory.

Everything is computed in 32-bit arithmetic, in batches that the films' order fixes: a training that goes on after a
kill finds the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lungeval.errors import LungevalError
from lungeval.progress import Progress

PIXELS = 8 * 512 * 512
"""Pixels that the VAE encodes together."""


def to_model(films: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Grey levels, n x s x s, to n x 3 x s x s in -1 .. 1, as the VAE takes them."""
    grey = torch.from_numpy(np.ascontiguousarray(films)).float()[:, None] / 127.5 - 1.0
    return grey.expand(-1, 3, -1, -1)


def moments_of(
    vae: Any, films: npt.NDArray[np.uint8], device: torch.device, *, mirrored: bool = False,
    progress: Progress | None = None,
) -> torch.Tensor:  # fmt: skip
    """Mean and log-variance of each film's latent, n x 2c x h x w, 16-bit, on the processor.

    16 bits round a latent, whose spread is about 1, by 0.0005 at most; 512 x 512 pixels take 64 KiB.

    Args:
        vae: a diffusers AutoencoderKL on `device`.
        films: n x s x s.
        device: where it is computed.
        mirrored: of the films mirrored left to right.
        progress: where to say how far it is.

    Raises:
        LungevalError: `failed` where the VAE gives a value that is no number or too large.
    """
    together = max(1, PIXELS // (films.shape[1] * films.shape[2]))
    parts = []
    with torch.inference_mode(), (progress or Progress(quiet=True)).bar("encoding films", len(films)) as advance:
        for start in range(0, len(films), together):
            part = films[start : start + together]
            images = to_model(part[:, :, ::-1] if mirrored else part).to(device)
            parts.append(vae.encode(images).latent_dist.parameters.half().cpu())
            advance(len(part))
    moments = torch.cat(parts).clone()  # a tensor of inference mode may not be used in training
    if not torch.isfinite(moments).all():
        raise LungevalError("failed", "the base's VAE gives values that are no numbers", remedy="try another base")
    return moments


def latent_of(moments: torch.Tensor, random: torch.Generator, scale: float) -> torch.Tensor:
    """A latent drawn from its posterior, c x h x w:  (mean + exp(log-variance / 2) z) scale,  z ~ N(0, 1)."""
    mean, spread = moments.float().chunk(2)
    spread = spread.clamp(-30.0, 20.0)
    return (mean + torch.exp(0.5 * spread) * torch.randn(mean.shape, generator=random)) * scale


def tokens_of(tokenizer: Any, captions: Sequence[str]) -> torch.Tensor:
    """Token numbers of captions, n x length, filled up or cut to what the text encoder reads."""
    made: torch.Tensor = tokenizer(
        list(captions), padding="max_length", max_length=tokenizer.model_max_length, truncation=True,
        return_tensors="pt",
    ).input_ids  # fmt: skip
    return made


def embeddings_of(text_encoder: Any, tokens: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Embeddings of captions, n x length x width, on the processor; each is computed alone, as in sampling."""
    with torch.inference_mode():
        made = torch.cat([text_encoder(row[None].to(device))[0].float().cpu() for row in tokens])
    return made.clone()
