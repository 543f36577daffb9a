"""`train`: a generator file with `train:` -> a model folder, with its card, its sheets and the list of its patients.

`recipe` reads the settings, `films` the images; `task` says what a recipe is, `pixel` and `latent` are the recipes;
`loop` takes the steps; `finishing` writes what is left to read: card, sheet, nearest training images, patients.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.protocol_files import load_generator
from lungeval.training.recipe import Latent, Pixel, Plan, plan_of

if TYPE_CHECKING:
    from lungeval.training.films import Films
    from lungeval.training.task import Task

SCRATCH = "training"
"""Folder of checkpoints, log and sheets inside the result's."""


def train(path: Path, progress: Progress, *, new: bool = False) -> dict[str, Any]:
    """Train what a generator file describes, going on where an earlier call stopped.

    Args:
        path: the generator file.
        progress: where to say how far it is.
        new: begin anew, discarding earlier checkpoints.

    Raises:
        LungevalError: `protocol` for the file, `backend` where data or base are not there, `image` for the data,
            `changed` where a checkpoint is of another training, `failed` where the loss is no number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _train(plan_of(load_generator(path), path), progress, new=new)


def _train(plan: Plan, progress: Progress, *, new: bool) -> dict[str, Any]:
    import shutil

    import torch

    from lungeval.training.films import load_films
    from lungeval.training.finishing import finish, finished, write_sheet
    from lungeval.training.loop import accelerator_of, fit

    scratch = plan.out / SCRATCH
    for said in warnings_of(plan):
        progress.say(f"warning: {said}")
    films = load_films(plan, progress)
    digest = plan.digest(films.digest())
    if finished(plan.out, digest, plan.steps) and not new:
        progress.say(f"{plan.out} is trained already")
        return {"out": str(plan.out), "steps": plan.steps, "films": len(films.films)}
    engine = accelerator_of(plan)
    if new and engine.is_main_process:
        shutil.rmtree(scratch, ignore_errors=True)
    engine.wait_for_everyone()
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.options.threads)
    try:
        task = task_of(plan, films)
        count = sum(parameter.numel() for parameter in task.trained().values())
        progress.say(f"{plan.name}: {len(films.films)} films, {count / 1e6:.2f} M weights, {plan.steps} steps")

        def show(step: int) -> None:
            write_sheet(task, plan, scratch / f"sheet-{step:08d}.png")

        running = fit(plan, task, len(films.films), digest, scratch, progress, engine, show)
        if engine.is_main_process:
            with running.worn(task):
                finish(task, plan, films, digest, scratch, progress)
    finally:
        torch.set_num_threads(threads)
    return {"out": str(plan.out), "steps": plan.steps, "films": len(films.films)}


def task_of(plan: Plan, films: Films) -> Task:
    """The recipe's task."""
    if isinstance(plan.options, Pixel):
        from lungeval.training.pixel import PixelTask

        return PixelTask(films, plan.options)
    from lungeval.training.latent import LatentTask

    return LatentTask(films, plan)


def warnings_of(plan: Plan) -> list[str]:
    """What is allowed in a recipe and yet odd."""
    said = []
    if plan.options.flip:
        said.append("flip: true mirrors a thorax: the heart changes sides and side markers are reversed")
    if isinstance(plan.options, Latent) and plan.options.text_encoder and plan.kind == "lora":
        raise LungevalError(
            "protocol", "train.options.text_encoder: lora adapts the U-Net alone", where=plan.where,
            remedy="recipe: full, or text_encoder: false",
        )  # fmt: skip
    return said
