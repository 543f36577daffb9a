"""The `stable_diffusion` backend: offers prompts with seeds, and makes images of them with diffusers.

Until `make` nothing here imports torch: what an image will be is told by the hashes of the model's files, the prompt
and the settings. The content key of all that is also where the image's noise comes from.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lungeval.backends.base import Context, Forecast, Item, Made
from lungeval.backends.prompts import PromptBook
from lungeval.backends.stable_diffusion import locating
from lungeval.backends.stable_diffusion.settings import read_options
from lungeval.errors import LungevalError
from lungeval.images.picture import canonical, one_channel
from lungeval.keys import content_key
from lungeval.protocol import Cell

if TYPE_CHECKING:
    from lungeval.backends.stable_diffusion.sampling import Sampler

LOOP = 1
"""Raised whenever the same request gives another picture."""
_WIDTH = 256
"""Channels of the VAE's last full-size layers, for the forecast of memory."""


@dataclass(frozen=True)
class _Request:
    """What an item asks for."""

    prompt: str
    seed: int


class StableDiffusionBackend:
    """A text-to-image pipeline of diffusers: Stable Diffusion 1.5, 2.1, XL and what was fine-tuned from them.

    Options: see `settings.Options`; prompts, with their slots: see `prompts.PromptBook`.

    Raises:
        LungevalError: `protocol` for faulty options or prompts; `backend` where the model is not there.
    """

    batch: int = 8
    stands_in: ClassVar[bool] = False
    _at_work: ClassVar[weakref.WeakSet[StableDiffusionBackend]] = weakref.WeakSet()

    def __init__(self, context: Context) -> None:
        self._context = context
        self._options = read_options(context)
        self._book = PromptBook(context.arm, where=context.where)
        self._model = locating.locate(context, self._options)
        self.batch = self._options.batch
        """Images made together, and the unit of commit."""
        self.notices: list[str] = []
        """Said once: a hub model whose revision is not pinned."""
        base = self._model.base
        if base.folder is None and self._options.revision != base.commit:
            self.notices.append(f"{base.repository}: revision not pinned; {base.commit} is taken (options.revision)")
        size = self._model.size
        self._shape = self._options.shape or ((size, size) if size else None)
        self._sampler: Sampler | None = None
        self._told: set[str] = set()

    def conditions(self) -> dict[str, set[str]]:
        """Conditions that have a prompt, by modality, after `makes`."""
        return self._book.conditions()

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """The first `count` images of a cell; a larger count gives the same and more."""
        return [self._item(cell, index) for index in range(count)]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """Make the items, a batch at a time; the last batch is filled up by its last item, so that shapes stay.

        Raises:
            LungevalError: `backend` where the model cannot be loaded or a batch does not fit into the memory.
        """
        for start in range(0, len(items), self.batch):
            yield from self._make(items[start : start + self.batch])

    def forecast(self, items: Sequence[Item]) -> Forecast:
        """Memory (weights, and the widest layer of the VAE and the UNet; fp32 where `dtype` is auto) and disk."""
        folder, options = self._model.base.folder, self._options
        shape = self._shape or (locating.own_shape(folder) if folder else None)
        pixels = shape[0] * shape[1] if shape else None
        memory = None
        if folder is not None and pixels is not None:
            width = 2 if options.dtype in ("bf16", "fp16") else 4
            decoded = (
                options.batch if options.vae_slicing is False else max(1, min(options.batch, 8 * 512**2 // pixels))
            )
            activations = pixels * (3 * _WIDTH * decoded + 2 * 128 * options.batch)
            memory = width * (locating.parameters(folder) + activations)
        return Forecast(memory_bytes=memory, disk_bytes=None if pixels is None else pixels * len(items))

    def release(self) -> None:
        """Let go of the pipeline: the next arm needs the memory."""
        if self._sampler is None:
            return
        self._sampler = None
        import gc

        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _item(self, cell: Cell, index: int) -> Item:
        prompt, options = self._book.prompt(cell, index), self._options
        key = content_key(
            backend="stable_diffusion", loop=LOOP, model=self._digests, modality=cell.modality,
            condition=cell.condition, prompt=prompt, negative_prompt=options.negative_prompt, sample_index=index,
            seed=self._context.seed, steps=options.steps, guidance=float(options.guidance),
            scheduler=options.scheduler, shape=self._shape, dtype=options.dtype,
            safety_checker=options.safety_checker,
        )  # fmt: skip
        seed = int(key[:16], 16) >> 1
        return Item(
            key=key, cell=cell, cluster=content_key(prompt=prompt, seed=seed), prompt=prompt, seed=seed,
            licence=self._licence, source=self._source, payload=_Request(prompt, seed),
        )  # fmt: skip

    @cached_property
    def _digests(self) -> dict[str, Any]:
        """What the weights are: hashes of the base and of the LoRA, and the LoRA's scale."""
        base, lora = self._model.base, self._model.lora
        if base.folder is not None and locating.parameters(base.folder) > 1e8:  # some seconds
            self._context.progress.say(f"  {self._context.name}: reading the hashes of {base.folder}")
        digests: dict[str, Any] = {"base": locating.digest(base)}
        then = self._model.base_digest
        if then and then != digests["base"]:
            raise LungevalError(
                "backend", f"the LoRA was trained upon another base: {then[:12]}, and {base.place} is "
                f"{digests['base'][:12]}", where=self._context.where,
                remedy="give it its own base; to put it upon this one, set path: to the base and options.lora: to it",
            )  # fmt: skip
        if lora is not None:
            digests |= {"lora": locating.digest(lora), "lora_scale": float(self._options.lora_scale)}
        return digests

    @cached_property
    def _licence(self) -> str:
        lora = self._model.lora
        stated = [
            locating.licence_of(part) for part in ([self._model.base] if lora is None else [lora, self._model.base])
        ]
        return self._context.arm.licence or next(filter(None, stated), "")

    @cached_property
    def _source(self) -> str:
        """The model as a paper would name it, and which one it was."""
        base, lora = self._model.base, self._model.lora
        name = str(getattr(self._context.arm, "model", "")) or (base.folder.name if base.folder else base.repository)
        exact = f"sha256 {self._digests['base'][:12]}" if base.folder else f"{base.repository}@{base.commit}"
        adapter = f", LoRA {self._digests['lora'][:12]} x {self._options.lora_scale:g}" if lora else ""
        return f"{name} ({exact}{adapter})"

    def _make(self, items: Sequence[Item]) -> Iterator[Made]:
        import torch

        sampler = self._ready()
        requests: list[_Request] = [item.payload for item in items]
        self._tell_cut_prompts(sampler, requests)
        padded = requests + [requests[-1]] * (self.batch - len(requests))
        try:
            made = sampler.sample([request.prompt for request in padded], [request.seed for request in padded])
        except torch.cuda.OutOfMemoryError as error:
            raise LungevalError(
                "backend", f"a batch of {self.batch} does not fit into the memory of {sampler.loaded.device}",
                where=self._context.where, remedy=f"set options.batch: {max(1, self.batch // 2)}, or dtype: bf16",
            ) from error  # fmt: skip
        for number, item in enumerate(items):
            if made.flagged[number]:
                yield Made(item, "refused", reason="the model's safety checker objected")
            elif not made.finite[number]:
                yield Made(
                    item, "failed", reason="the networks gave values that are no numbers (try dtype: bf16 or fp32)"
                )
            elif made.images[number].min() == made.images[number].max():
                level = int(made.images[number].flat[0])
                yield Made(item, "failed", reason=f"the image is one colour: every level is {level}")
            else:
                yield Made(item, "made", canonical(one_channel(np.ascontiguousarray(made.images[number]))))

    def _ready(self) -> Sampler:
        """The pipeline, loaded; the one of another arm is let go first."""
        if self._sampler is not None:
            return self._sampler
        from lungeval.backends.stable_diffusion.loading import load_pipeline
        from lungeval.backends.stable_diffusion.sampling import Sampler, Sampling

        for other in list(StableDiffusionBackend._at_work):
            other.release()
        StableDiffusionBackend._at_work.clear()
        options, context = self._options, self._context
        context.progress.say(f"  {context.name}: loading {self._model.base.place}")
        loaded = load_pipeline(self._model, options, where=context.where)
        context.progress.say(f"  {context.name}: on {loaded.device} in {str(loaded.dtype).removeprefix('torch.')}")
        settings = Sampling(
            steps=options.steps, guidance=options.guidance, negative_prompt=options.negative_prompt,
            shape=self._shape, vae_slicing=options.vae_slicing, safety_checker=options.safety_checker,
            threads=options.threads,
        )  # fmt: skip
        self._sampler = Sampler(loaded, settings)
        StableDiffusionBackend._at_work.add(self)
        return self._sampler

    def _tell_cut_prompts(self, sampler: Sampler, requests: Sequence[_Request]) -> None:
        """Say, once a prompt, that the text encoder reads only its beginning."""
        tokenizer = getattr(sampler.loaded.pipe, "tokenizer", None)
        for prompt in dict.fromkeys(request.prompt for request in requests):
            if tokenizer is None or prompt in self._told:
                continue
            self._told.add(prompt)
            length, most = len(tokenizer(prompt, verbose=False).input_ids), tokenizer.model_max_length
            if length > most:
                told = f"a prompt of {length} tokens is cut to {most}: {prompt[:60]}..."
                self._context.progress.say(f"  {self._context.name}: {told}")
