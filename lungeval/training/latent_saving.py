"""A fine-tuned Stable Diffusion on disk: a whole diffusers pipeline, or a LoRA that diffusers loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lungeval.backends.stable_diffusion.loading import quiet
from lungeval.backends.stable_diffusion.locating import CARD, Located
from lungeval.files import write_atomic
from lungeval.training.latent_base import card_of
from lungeval.training.recipe import Plan


def save_full(folder: Path, parts: dict[str, Any], plan: Plan, base: Located, prediction: str) -> None:
    """A StableDiffusionPipeline with the trained parts, 32-bit safetensors, and lungeval.json.

    Args:
        folder: where it goes.
        parts: unet, vae, text_encoder, tokenizer, scheduler.
        plan: the training.
        base: what was fine-tuned.
        prediction: prediction type of the noise schedule.
    """
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline
    with quiet():
        pipe = pipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        for part in (pipe.unet, pipe.vae):
            part.register_to_config(_name_or_path="")  # where the base lies is nobody's business
        pipe.text_encoder.config._name_or_path = ""
        pipe.save_pretrained(folder, safe_serialization=True)
    _card(folder, plan, base, prediction)


def save_lora(folder: Path, unet: Any, plan: Plan, base: Located, prediction: str) -> None:
    """pytorch_lora_weights.safetensors, as diffusers' `load_lora_weights` reads it, and lungeval.json.

    Args:
        folder: where it goes.
        unet: the U-Net with its adapter.
        plan: the training.
        base: what was fine-tuned.
        prediction: prediction type of the noise schedule.
    """
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    pipeline: Any = StableDiffusionPipeline
    told = unet.peft_config["default"].to_dict()
    told = {name: told[name] for name in ("r", "lora_alpha", "target_modules", "peft_type") if name in told}
    told["target_modules"] = sorted(told["target_modules"])
    with quiet():
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
        layers = {name: value.detach().float().cpu().contiguous() for name, value in layers.items()}
        pipeline.save_lora_weights(folder, unet_lora_layers=layers, unet_lora_adapter_metadata=told)
    _card(folder, plan, base, prediction)


def _card(folder: Path, plan: Plan, base: Located, prediction: str) -> None:
    write_atomic(folder / CARD, json.dumps(card_of(plan, base, prediction), indent=1) + "\n")
