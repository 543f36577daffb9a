"""The diffusion loss, shared by every recipe: what is predicted, and how each noise level weighs."""

from __future__ import annotations

from typing import Any

import torch


def signal_to_noise(scheduler: Any, timesteps: torch.Tensor) -> torch.Tensor:
    """SNR(t) = alpha_bar(t) / (1 - alpha_bar(t)).

    Args:
        scheduler: a diffusers DDPM scheduler.
        timesteps: n integers.
    """
    signal: torch.Tensor = scheduler.alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
    return signal / (1.0 - signal)


def target_of(scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """What the network should say, by the scheduler's `prediction_type`: the noise, v, or the clean image.

    Raises:
        ValueError: a prediction type that diffusers does not name.
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        velocity: torch.Tensor = scheduler.get_velocity(clean, noise, timesteps)
        return velocity
    if kind == "sample":
        return clean
    raise ValueError(f"prediction type {kind}")


def weights_of(scheduler: Any, timesteps: torch.Tensor, gamma: float | None) -> torch.Tensor:
    """Weight of each image's squared error: min(SNR, gamma) over SNR (noise), SNR + 1 (v) or 1 (clean image).

    Source: Hang et al. 2023, Efficient diffusion training via min-SNR weighting strategy, arXiv:2303.09556.
    """
    if gamma is None:
        return torch.ones(len(timesteps), device=timesteps.device)
    snr = signal_to_noise(scheduler, timesteps)
    clamped = snr.clamp(max=gamma)
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return torch.where(snr > 0, clamped / snr, torch.ones_like(snr))
    return clamped / (snr + 1.0) if kind == "v_prediction" else clamped


def diffusion_loss(
    prediction: torch.Tensor, target: torch.Tensor, scheduler: Any, timesteps: torch.Tensor, gamma: float | None
) -> torch.Tensor:
    """Weighted mean squared error over the batch, in 32-bit arithmetic."""
    error = (prediction.float() - target.float()).square().flatten(1).mean(1)
    return (error * weights_of(scheduler, timesteps, gamma)).mean()
