"""The Stable Diffusion that is fine-tuned, and what its films are called: told from files alone, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungeval.backends.base import Context
from lungeval.backends.prompts import PromptBook
from lungeval.backends.stable_diffusion import locating
from lungeval.backends.stable_diffusion.settings import Options
from lungeval.errors import LungevalError
from lungeval.protocol import Arm, Cell
from lungeval.training.recipe import Latent, Plan

if TYPE_CHECKING:
    from lungeval.training.films import Films

SUPPORTED = "StableDiffusionPipeline"
"""The pipeline of Stable Diffusion 1.x and 2.x, and of what was fine-tuned from them."""


def find_base(plan: Plan) -> locating.Located:
    """Where the base of a fine-tune lies: a folder relative to the generator file, or a hub model at its commit.

    Raises:
        LungevalError: `backend` where it is not there, is a LoRA itself, or is not a Stable Diffusion 1.x or 2.x.
    """
    revision = options_of(plan).revision
    where = f"{plan.where}: train.base"
    arm = Arm(backend="stable_diffusion", path=plan.base, options={"revision": revision} if revision else {})
    context = Context(name=plan.name, arm=arm, folder=plan.folder, seed=0, where=where)
    try:
        model = locating.locate(context, Options(revision=revision))
    except LungevalError as error:
        remedy = error.remedy.replace("`path`", "train.base").replace("set path:", "set train.base:")
        raise LungevalError(error.code, error.what, where=where, remedy=remedy) from error
    if model.lora is not None:
        raise LungevalError(
            "backend", f"{plan.base} is a LoRA, and a whole model is needed", where=where,
            remedy="name the model that the LoRA was trained upon",
        )  # fmt: skip
    try:
        kind = _class_of(model.base)
    except (OSError, ValueError) as error:
        raise LungevalError(
            "backend", f"{plan.base}: its {locating.INDEX} cannot be read: {error}", where=where,
            remedy="fetch the model anew, or give another folder",
        ) from error  # fmt: skip
    if kind != SUPPORTED:
        raise LungevalError(
            "backend", f"{plan.base} is a {kind}, which cannot be trained here", where=where,
            remedy=f"give a {SUPPORTED}: Stable Diffusion 1.x or 2.x, or a fine-tune of one (XL and later can be "
            "sampled by `backend: stable_diffusion`, not trained)",
        )  # fmt: skip
    return model.base


def identity(plan: Plan) -> dict[str, Any]:
    """What bears on the weights beside the recipe: the base's content and the words of the captions."""
    arm = plan.generator
    return {
        "base": locating.digest(find_base(plan)), "prompts": arm.prompts, "slots": arm.options.get("slots", {}),
        "makes": [entry.model_dump(mode="json") for entry in arm.makes],
    }  # fmt: skip


def captions_of(films: Films, plan: Plan) -> list[str]:
    """A caption a film: its cell's prompt number i for the cell's film number i, in the films' order.

    Prompts are looked for under the data's own word for the cell first, then under what `makes` maps to it.

    Raises:
        LungevalError: `protocol`, naming every cell that has films and no prompt.
    """
    own = PromptBook(plan.generator.model_copy(update={"makes": []}), where=plan.where)
    mapped = PromptBook(plan.generator, where=plan.where)
    books: dict[tuple[str, str], PromptBook] = {}
    missing = []
    for modality, condition in films.cells:
        for book in (own, mapped):
            if condition in book.conditions().get(modality, ()):
                books.setdefault((modality, condition), book)
        if (modality, condition) not in books:
            missing.append(f"{modality}/{condition}")
    if missing:
        raise LungevalError(
            "protocol", f"prompts: none for {', '.join(missing)}, of which there are training films", where=plan.where,
            remedy=f"add prompts: {{{missing[0]}: ...}}, or leave these films out of train.data",
        )  # fmt: skip
    seen: dict[tuple[str, str], int] = {}
    captions = []
    for film in films.films:
        key = film.modality, film.condition
        index = seen.get(key, 0)
        seen[key] = index + 1
        captions.append(books[key].prompt(Cell.model_validate({"modality": key[0], "condition": key[1]}), index))
    return captions


def card_of(plan: Plan, base: locating.Located, prediction: str) -> dict[str, Any]:
    """lungeval.json of the result: what it is, and upon what it was trained.

    A base that the generator file names by a relative path is written relative to the result, so that both may be
    moved together. Of an absolute path the last part alone is written: the result may be shared; the generator file
    that trained it, or `path: BASE` and `options.lora`, says where the base lies.
    """
    options = options_of(plan)
    card: dict[str, Any] = {
        "kind": plan.kind, "size": options.size, "base": _portable(plan), "base_digest": locating.digest(base),
        "prediction_type": prediction, "steps": options.sampler_steps, "guidance": options.guidance,
    }  # fmt: skip
    if base.folder is None:
        card["base_revision"] = base.commit
    if plan.kind == "lora":
        card |= {"rank": options.rank, "alpha": options.alpha or options.rank, "targets": list(options.targets)}
    else:
        card["text_encoder"] = options.text_encoder
    return card


def options_of(plan: Plan) -> Latent:
    """The recipe's settings.

    Raises:
        TypeError: the plan is of another recipe (a programming error).
    """
    if not isinstance(plan.options, Latent):
        raise TypeError(f"recipe {plan.kind} has no base")
    return plan.options


def _class_of(base: locating.Located) -> str:
    if base.folder is not None:
        path: Path | None = base.folder / locating.INDEX
    else:
        path = locating.cached(base.repository, locating.INDEX, base.commit)
    if path is None:
        from huggingface_hub import hf_hub_download

        path = Path(hf_hub_download(base.repository, locating.INDEX, revision=base.commit))
    return str(json.loads(path.read_text(encoding="utf-8")).get("_class_name", "pipeline without a class"))


def _portable(plan: Plan) -> str:
    import os

    if plan.base.startswith("/"):
        return Path(plan.base).name
    relative = not plan.base.startswith(("~", "$"))
    folder = plan.folder / plan.base
    return os.path.relpath(folder, plan.out) if relative and folder.is_dir() else plan.base
