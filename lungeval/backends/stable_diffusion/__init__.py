"""The `stable_diffusion` backend: any diffusers text-to-image pipeline, by folder or hub id, with or without a LoRA."""

from lungeval.backends.stable_diffusion.backend import StableDiffusionBackend

__all__ = ["StableDiffusionBackend"]
