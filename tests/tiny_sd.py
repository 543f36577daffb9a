"""A tiny but real Stable Diffusion, built from configuration: every part of the published ones, and no download.

About 1.2 million parameters with random weights: its images are noise, and everything that happens to them is what
happens to those of the large models. `python tests/tiny_sd.py FOLDER [SIZE]` writes one.
"""

from __future__ import annotations

import atexit
import shutil
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

TOKENS = 77
"""Longest prompt, as in CLIP."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = """
chest xray x ray radiograph of a an the lungs with without no finding findings covid pneumonia effusion frontal
posteroanterior anteroposterior lateral view male female man woman year old mild severe moderate normal ct slice
"""
_built: dict[tuple[str, int, int], Path] = {}


def tiny_sd(folder: Path, size: int = 64, seed: int = 0) -> Path:
    """Write a Stable Diffusion (UNet, VAE, text encoder, tokenizer, scheduler) to `folder`, and give it back.

    Built once a process for a size and a seed, then copied.

    Args:
        folder: where it goes; a folder that exists is filled.
        size: side of its images, pixels, a multiple of 16.
        seed: of its random weights.
    """
    return _write(folder, "sd", size, seed)


def tiny_sdxl(folder: Path, size: int = 64, seed: int = 0) -> Path:
    """The same for the architecture of XL: two text encoders, pooled text and sizes as further conditions."""
    return _write(folder, "sdxl", size, seed)


def _write(folder: Path, kind: str, size: int, seed: int) -> Path:
    if (kind, size, seed) not in _built:
        there = Path(tempfile.mkdtemp(prefix="tiny-sd-"))
        atexit.register(shutil.rmtree, there, ignore_errors=True)
        _pipeline(kind, size, seed).save_pretrained(there)
        _built[kind, size, seed] = there
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_built[kind, size, seed], folder, dirs_exist_ok=True)
    return folder


def _pipeline(kind: str, size: int, seed: int) -> Any:
    import torch
    from diffusers import (
        AutoencoderKL,
        DDPMScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = _tokenizer()
    words = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=TOKENS, projection_dim=32, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    scheduler = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, steps_offset=1,
        clip_sample=False,
    )  # fmt: skip
    more: dict[str, Any] = {}
    if kind == "sdxl":  # 6 numbers of sizes, 8 wide each, and the pooled text
        more = {
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "cross_attention_dim": 64,
            "projection_class_embeddings_input_dim": 6 * 8 + 32,
        }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = _spread(CLIPTextModel(words), 8.0 if kind == "sd" else 2.0)
        unet = UNet2DConditionModel(
            sample_size=size // 4, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            **{"cross_attention_dim": 32, "attention_head_dim": 8, "norm_num_groups": 8, **more},
        )  # fmt: skip
        vae = AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, sample_size=size, block_out_channels=(16, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1, norm_num_groups=8,
        )  # fmt: skip
        parts: dict[str, Any] = {
            "vae": vae, "text_encoder": text, "tokenizer": tokenizer, "unet": unet, "scheduler": scheduler,
        }  # fmt: skip
        if kind == "sdxl":
            second = _spread(CLIPTextModelWithProjection(words), 2.0)
            return StableDiffusionXLPipeline(
                **parts, text_encoder_2=second, tokenizer_2=_tokenizer(), add_watermarker=False
            )
    return StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def _spread(text: Any, factor: float) -> Any:
    """Random text embeddings are nearly alike: make them differ, so that prompts matter from the first step.

    XL takes the layer before the last norm, where a larger factor saturates the attention: rounding would decide.
    """
    for parameter in text.parameters():
        parameter.data.mul_(factor)
    return text


def _tokenizer() -> Any:
    """A CLIP tokenizer of letters, and of the words that the tests' prompts use."""
    from transformers import CLIPTokenizer

    letters = list(string.ascii_lowercase + string.digits + string.punctuation)
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in _WORDS.split():
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = [parts[0] + parts[1], *parts[2:]]
            if parts[0] not in pieces:
                pieces.append(parts[0])
    vocabulary = {piece: number for number, piece in enumerate([*pieces, _START, _END])}
    # transformers 5 takes `vocab` and `merges`; given files by the old names it would keep two tokens without a word
    tokenizer: Any = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=TOKENS, bos_token=_START, eos_token=_END, pad_token=_END,
        unk_token=_END,
    )  # fmt: skip
    if len(tokenizer) != len(vocabulary):
        raise RuntimeError(f"the tokenizer kept {len(tokenizer)} of {len(vocabulary)} tokens")
    return tokenizer


if __name__ == "__main__":
    print(tiny_sd(Path(sys.argv[1]), *map(int, sys.argv[2:3])))
