"""`train`: a generator file with `train:` -> a model folder, with its card, its sheets and the list of its patients.

`recipe` reads the settings, `films` the images; `task` says what a recipe is, `pixel` and `latent` are the recipes;
`loop` takes the steps; `finishing` writes what is left to read: card, sheet, nearest training images, patients.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
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


def train(path: Path, progress: Progress, *, new: bool = False, stop: bool = False) -> dict[str, Any]:
    """Train what a generator file describes, going on where an earlier call stopped.

    Args:
        path: the generator file.
        progress: where to say how far it is.
        new: begin anew, discarding earlier checkpoints.
        stop: take no more steps; write the result from the latest checkpoint.

    Raises:
        LungevalError: `protocol` for the file, `backend` where data or base are not there, `image` for the data,
            `changed` where a checkpoint is of another training, `failed` where the loss is no number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _train(plan_of(load_generator(path), path), progress, new=new, stop=stop)


def _train(plan: Plan, progress: Progress, *, new: bool, stop: bool) -> dict[str, Any]:
    import torch

    from lungeval.training.films import load_films
    from lungeval.training.finishing import finish, finished, write_sheet
    from lungeval.training.loop import accelerator_of, fit

    scratch = plan.out / SCRATCH
    for said in warnings_of(plan):
        progress.say(f"warning: {said}")
    if isinstance(plan.options, Latent):
        from lungeval.training.latent_base import find_base

        find_base(plan)  # before all films are read
    films = load_films(plan, progress)
    digest = plan.digest(films.digest())
    if finished(plan.out, digest, plan.steps) and not new:
        progress.say(f"{plan.out} is trained already")
        return {"out": str(plan.out), "steps": plan.steps, "films": len(films.films)}
    engine = accelerator_of(plan)
    if not engine.is_main_process:
        progress = Progress(quiet=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.options.threads)
    try:
        task = task_of(plan, films)
        count = sum(parameter.numel() for parameter in task.trained().values())
        progress.say(f"{plan.name}: {len(films.films)} films, {count / 1e6:.2f} M weights, {plan.steps} steps")

        def show(step: int) -> None:
            write_sheet(task, plan, scratch / f"sheet-{step:08d}.png")

        with working(scratch, main=engine.is_main_process):
            if new and engine.is_main_process:
                discard(scratch)
            engine.wait_for_everyone()
            running, steps = fit(
                plan, task, len(films.films), digest, scratch, progress, engine, show, stop=stop
            )  # fmt: skip
            if engine.is_main_process:
                with running.worn(task):
                    finish(task, plan, films, digest, steps, scratch, progress)
    finally:
        torch.set_num_threads(threads)
    return {"out": str(plan.out), "steps": steps, "films": len(films.films)}


@contextlib.contextmanager
def working(scratch: Path, *, main: bool) -> Iterator[None]:
    """Hold the folder of a training, so that no second process writes to it.

    Raises:
        LungevalError: `busy` where another process holds it.
    """
    if not main:
        yield
        return
    import fcntl

    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / ".gitignore").write_text("*\n", encoding="utf-8")  # nearest.png shows patients' films
    with (scratch / "LOCK").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LungevalError(
                "busy", "another process is training this model", where=str(scratch), remedy="wait for it, or stop it"
            ) from error
        yield


def discard(scratch: Path) -> None:
    """Empty the folder of an earlier training but for its lock, which this process holds."""
    for path in scratch.iterdir():
        if path.name not in ("LOCK", ".gitignore") and path.is_file():
            path.unlink()


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
    if isinstance(plan.options, Latent) and "{" in str(plan.generator.prompts):
        said.append("slots of the prompts are filled in turn, not from the films' metadata: captions may be false")
    if isinstance(plan.options, Latent) and plan.options.text_encoder and plan.kind == "lora":
        raise LungevalError(
            "protocol", "train.options.text_encoder: lora adapts the U-Net alone", where=plan.where,
            remedy="recipe: full, or text_encoder: false",
        )  # fmt: skip
    return said
