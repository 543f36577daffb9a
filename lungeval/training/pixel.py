"""`recipe: pixel`: a class-conditional diffusion model of pixels, trained from nothing on the user's own films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from lungeval.backends.pixel_diffusion.network import ABOUT, About
from lungeval.backends.pixel_diffusion.sampling import draw, noise_of, sampler, to_channels
from lungeval.files import write_atomic
from lungeval.keys import seed_of
from lungeval.protocol import Cell
from lungeval.training.films import Films
from lungeval.training.objective import diffusion_loss, target_of
from lungeval.training.recipe import Pixel
from lungeval.training.task import Draw, Task


class PixelTask(Task):
    """A UNet2DModel that predicts v under a cosine schedule (Nichol & Dhariwal 2021; Salimans & Ho 2022).

    Args:
        films: the training set at `options.size`.
        options: the recipe.
    """

    def __init__(self, films: Films, options: Pixel) -> None:
        super().__init__()
        from diffusers import DDPMScheduler, UNet2DModel

        self.options = options
        self.cells = [Cell.model_validate({"modality": m, "condition": c}) for m, c in films.cells]
        place = {cell: index for index, cell in enumerate(films.cells)}
        self.films = torch.from_numpy(films.pixels)
        labels = [place[film.modality, film.condition] for film in films.films]
        self.labels = torch.tensor(labels)
        levels = len(options.channels)
        attends = [levels - level <= options.attention for level in range(levels)]
        torch.manual_seed(seed_of(options.seed, "weights"))
        self.unet: Any = UNet2DModel(
            sample_size=options.size // options.unshuffle,
            in_channels=options.unshuffle**2,
            out_channels=options.unshuffle**2,
            layers_per_block=options.layers,
            block_out_channels=tuple(options.channels),
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
            norm_num_groups=8,
            num_class_embeds=len(self.cells) + 1,
        )
        if options.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        self.scheduler: Any = DDPMScheduler(
            num_train_timesteps=options.timesteps,
            beta_schedule="squaredcos_cap_v2",
            prediction_type="v_prediction",
            clip_sample=True,
        )

    def forward(self, draws: list[Draw]) -> torch.Tensor:
        """The mean loss over the draws; films, crops, noise, levels and dropped classes all come from the draws."""
        device = self.unet.device
        clean = torch.cat([self._film(each) for each in draws]).to(device)
        clean = to_channels(clean, self.options.unshuffle)
        noise = torch.stack([torch.randn(clean.shape[1:], generator=each.random) for each in draws]).to(device)
        levels = [int(torch.randint(self.options.timesteps, (1,), generator=each.random)) for each in draws]
        times = torch.tensor(levels, device=device)
        dropped = [float(torch.rand(1, generator=each.random)) < self.options.dropout for each in draws]
        labels = self.labels[[each.film for each in draws]]
        labels[torch.tensor(dropped)] = len(self.cells)
        said = self.unet(self.scheduler.add_noise(clean, noise, times), times, class_labels=labels.to(device)).sample
        target = target_of(self.scheduler, clean, noise, times)
        return diffusion_loss(said, target, self.scheduler, times, self.options.min_snr)

    def _film(self, each: Draw) -> torch.Tensor:
        """1 x 1 x size x size in -1 .. 1, cropped and mirrored as the recipe says."""
        size = self.options.size
        film = self.films[each.film].float()[None, None] / 127.5 - 1.0
        crop, down, right, mirror = torch.rand(4, generator=each.random).tolist()
        kept = size - round(crop * self.options.zoom * size)
        if kept < size:
            top, left = round(down * (size - kept)), round(right * (size - kept))
            part = film[:, :, top : top + kept, left : left + kept]
            film = functional.interpolate(part, size=(size, size), mode="bicubic", antialias=True).clamp(-1, 1)
        return film.flip(-1) if self.options.flip and mirror < 0.5 else film

    def sample(self, cell: Cell, seeds: list[int]) -> npt.NDArray[np.uint8]:
        """Images of a cell from the present weights, with the recipe's guidance and sampling steps."""
        config = self.unet.config
        noise = noise_of(seeds, (config.in_channels, config.sample_size, config.sample_size))
        return draw(
            self.unet, sampler(self.scheduler.config), noise, [self.cells.index(cell)] * len(seeds),
            block=self.options.unshuffle, steps=self.options.sampler_steps, guidance=self.options.guidance,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """unet/ with 16-bit weights, scheduler/, and lungeval.json."""
        from diffusers import UNet2DModel

        half = UNet2DModel.from_config(self.unet.config)
        half.load_state_dict(self.unet.state_dict())
        half.half().save_pretrained(folder / "unet", safe_serialization=True)
        self.scheduler.save_pretrained(folder / "scheduler")
        about = About(
            size=self.options.size, unshuffle=self.options.unshuffle, classes=self.cells,
            steps=self.options.sampler_steps, guidance=self.options.guidance,
        )  # fmt: skip
        write_atomic(folder / ABOUT, json.dumps(about.model_dump(mode="json"), indent=1) + "\n")
