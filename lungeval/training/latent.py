"""`recipe: full` and `recipe: lora`: fine-tune a Stable Diffusion 1.x or 2.x on captioned films.

The VAE and the text encoder are frozen (unless `text_encoder: true`), so what they say of each film and caption is
computed once; each step draws a latent from its posterior, a noise level and noise, all from the image's own generator.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lungeval.backends.stable_diffusion.loading import Loaded, load_pipeline, quiet, scheduler_of
from lungeval.backends.stable_diffusion.locating import Located, Model
from lungeval.backends.stable_diffusion.sampling import Embeddings, Sampling, sample
from lungeval.backends.stable_diffusion.settings import Options
from lungeval.errors import LungevalError
from lungeval.images.picture import one_channel
from lungeval.keys import seed_of
from lungeval.protocol import Cell
from lungeval.training.films import Films
from lungeval.training.latent_base import captions_of, find_base, options_of
from lungeval.training.latent_cache import embeddings_of, latent_of, moments_of, tokens_of
from lungeval.training.latent_saving import save_full, save_lora
from lungeval.training.objective import diffusion_loss, target_of
from lungeval.training.recipe import Plan
from lungeval.training.task import Draw, Task

SHEET_BATCH = 8
"""Images sampled together."""


@dataclass
class Parts:
    """What a Stable Diffusion consists of."""

    unet: Any
    """UNet2DConditionModel."""
    vae: Any
    """AutoencoderKL."""
    text_encoder: Any
    """CLIPTextModel."""
    tokenizer: Any
    """CLIPTokenizer."""
    scheduler: Any
    """The base's own scheduler: its noise schedule and prediction type count."""


def load_parts(base: Located, where: str) -> Parts:
    """The parts of a base, on the processor in 32-bit arithmetic.

    Raises:
        LungevalError: `backend` where it cannot be loaded.
    """
    options = Options(device="cpu", dtype="fp32", scheduler="keep", channels_last=False)
    pipe = load_pipeline(Model(base), options, where=where).pipe
    return Parts(pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer, pipe.scheduler)


class LatentTask(Task):
    """A Stable Diffusion whose U-Net (and text encoder) learns, whole or by low-rank updates.

    Only what is trained and the U-Net are part of the module; the frozen rest is kept beside it.

    Args:
        films: the training set at the recipe's size.
        plan: the training.
        parts: the base's parts; by default they are loaded from `plan.base`.

    Raises:
        LungevalError: `protocol` where a cell has no prompt or `targets` name no layer, `backend` where the base is
            not there.
    """

    def __init__(self, films: Films, plan: Plan, parts: Parts | None = None) -> None:
        super().__init__()
        from diffusers import DDPMScheduler

        self.plan = plan
        self.options = options_of(plan)
        self.captions = captions_of(films, plan)
        self.cells = [Cell.model_validate({"modality": m, "condition": c}) for m, c in films.cells]
        self._pixels = films.pixels
        self._of_cell = {
            cell: list(dict.fromkeys(
                caption for caption, film in zip(self.captions, films.films, strict=True)
                if (film.modality, film.condition) == cell
            )) for cell in films.cells
        }  # fmt: skip
        self.base: Located | None = None
        if parts is None:
            self.base = find_base(plan)
            parts = load_parts(self.base, f"{plan.where}: train.base")
        self._beside = {"vae": parts.vae, "text_encoder": parts.text_encoder}  # a dict hides them from the module
        self._tokenizer = parts.tokenizer
        self._own_scheduler = parts.scheduler
        with quiet():
            self.scheduler = DDPMScheduler.from_config(parts.scheduler.config)
        self._scale = float(parts.vae.config.scaling_factor)
        self.unet = parts.unet.requires_grad_(False)
        if plan.kind == "lora":
            self._adapt()
        else:
            self.unet.requires_grad_(True)
        if self.options.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        if self.options.text_encoder:
            self.text_encoder = self._beside.pop("text_encoder").requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> LatentTask:
        """Always in the state of inference: dropout would draw from a generator that no checkpoint holds."""
        super().train(False)
        return self

    def prepare(self, device: torch.device) -> None:
        """Encode every film (both ways where `flip`) and every distinct caption; then the encoders leave the device."""
        vae = self._beside["vae"].to(device)
        ways = (False, True) if self.options.flip else (False,)
        self._moments = [moments_of(vae, self._pixels, device, mirrored=mirrored) for mirrored in ways]
        self._beside["vae"] = vae.cpu()
        distinct = list(dict.fromkeys(["", *self.captions]))
        self._row = {caption: row for row, caption in enumerate(distinct)}
        self._tokens = tokens_of(self._tokenizer, distinct)
        if not self.options.text_encoder:
            encoder = self._beside.pop("text_encoder").to(device)
            self._embeddings = embeddings_of(encoder, self._tokens, device)

    def forward(self, draws: list[Draw]) -> torch.Tensor:
        """The mean loss over the draws, from which latents, noise, levels, mirrors and dropped captions all come."""
        device = self.unet.device
        said = []
        mirrors = []
        for each in draws:
            dropped, mirror = torch.rand(2, generator=each.random).tolist()
            said.append("" if dropped < self.options.dropout else self.captions[each.film])
            mirrors.append(self.options.flip and mirror < 0.5)
        clean = self._latents(draws, mirrors).to(device)
        noise = torch.stack([torch.randn(clean.shape[1:], generator=each.random) for each in draws]).to(device)
        count = int(self.scheduler.config.num_train_timesteps)
        levels = [int(torch.randint(count, (1,), generator=each.random)) for each in draws]
        times = torch.tensor(levels, device=device)
        noisy = self.scheduler.add_noise(clean, noise, times)
        predicted = self.unet(noisy, times, encoder_hidden_states=self._text(said).to(device)).sample
        target = target_of(self.scheduler, clean, noise, times)
        return diffusion_loss(predicted, target, self.scheduler, times, self.options.min_snr)

    def sample(self, cell: Cell, seeds: list[int]) -> npt.NDArray[np.uint8]:
        """Images of a cell from the present weights, n x size x size, by the loop of the `stable_diffusion` backend.

        The i-th image has the cell's i-th caption of the training set, and the first again after the last.
        """
        device = self.unet.device
        vae = self._beside["vae"].to(device)
        pipe = SimpleNamespace(
            unet=self.unet, vae=vae, scheduler=scheduler_of("dpmsolver++", self._own_scheduler),
            vae_scale_factor=2 ** (len(vae.config.block_out_channels) - 1),
        )  # fmt: skip
        size, known = self.options.size, self._of_cell[cell.modality, cell.condition]
        how = Sampling(steps=self.options.sampler_steps, guidance=self.options.guidance, shape=(size, size))
        half = self.options.precision == "bf16"
        images = []
        arithmetic = torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext()
        with quiet(), torch.no_grad(), arithmetic:
            none = self._text([""]).to(device)
            for start in range(0, len(seeds), SHEET_BATCH):
                part = seeds[start : start + SHEET_BATCH]
                captions = [known[(start + place) % len(known)] for place in range(len(part))]
                texts = [Embeddings(self._text([caption]).to(device), none) for caption in captions]
                made = sample(Loaded(pipe, device, torch.float32), texts, part, how)
                images += [one_channel(np.ascontiguousarray(image)) for image in made.images]
        self._beside["vae"] = vae.cpu()
        return np.stack(images).astype(np.uint8)

    def save(self, folder: Path) -> None:
        """full: a whole diffusers pipeline; lora: pytorch_lora_weights.safetensors; both with lungeval.json."""
        base = self.base or find_base(self.plan)
        prediction = str(self.scheduler.config.prediction_type)
        if self.plan.kind == "lora":
            save_lora(folder, self.unet, self.plan, base, prediction)
        else:
            whole = load_parts(base, f"{self.plan.where}: train.base")
            whole.unet.load_state_dict(self.unet.state_dict())
            if self.options.text_encoder:
                whole.text_encoder.load_state_dict(self.text_encoder.state_dict())
            save_full(folder, vars(whole), self.plan, base, prediction)

    def _latents(self, draws: list[Draw], mirrors: list[bool]) -> torch.Tensor:
        """Latents of the draws' films, n x c x h x w, each from its posterior."""
        pairs = zip(draws, mirrors, strict=True)
        return torch.stack(
            [latent_of(self._moments[mirror][each.film], each.random, self._scale) for each, mirror in pairs]
        )

    def _text(self, captions: list[str]) -> torch.Tensor:
        """Embeddings of captions, n x length x width: from the cache, or from the text encoder that is trained."""
        rows = [self._row[caption] for caption in captions]
        if not self.options.text_encoder:
            return self._embeddings[rows]
        embedded: torch.Tensor = self.text_encoder(self._tokens[rows].to(self.unet.device))[0]
        return embedded

    def _adapt(self) -> None:
        """Add the low-rank updates; they begin at zero, from a start that the seed fixes."""
        from peft import LoraConfig

        options = self.options
        config = LoraConfig(
            r=options.rank, lora_alpha=options.alpha or options.rank, init_lora_weights="gaussian",
            target_modules=list(options.targets),
        )  # fmt: skip
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(seed_of(options.seed, "weights"))
            try:
                self.unet.add_adapter(config)
            except ValueError as error:
                raise LungevalError(
                    "protocol", f"train.options.targets: {', '.join(options.targets)}: no such layer in the U-Net",
                    where=self.plan.where, remedy="such as [to_q, to_k, to_v, to_out.0]",
                ) from error  # fmt: skip
