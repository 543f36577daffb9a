"""The training loop: stateless draws, one step, a checkpoint that brings back every bit.

What a step sees depends on the seed and the step's number alone; a checkpoint holds the trained weights, their running
mean and the optimiser. So 60 steps straight and 30 steps, a kill and 30 more end in the same weights, bit for bit, on
the same machine with the same versions.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from lungeval.errors import LungevalError
from lungeval.files import append_line, write_atomic
from lungeval.progress import Progress
from lungeval.training.recipe import Plan
from lungeval.training.task import Task, draws_of

STATE = re.compile(r"state-(\d{8})\.pt")
LOG = "log.jsonl"


def rate_at(step: int, plan: Plan) -> float:
    """The learning rate of a step, counted from 0."""
    options = plan.options
    peak = float(options.learning_rate or 0.0)
    if step < options.warmup:
        return peak * (step + 1) / options.warmup
    if options.schedule == "constant":
        return peak
    done = (step - options.warmup) / max(1, plan.steps - options.warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


class Running:
    """The running mean of the weights (EMA), which is what a training keeps.

    The decay rises with the steps, min(decay, (1 + step) / (10 + step)), so that the start is soon forgotten.
    """

    def __init__(self, task: Task, decay: float) -> None:
        self.decay = decay
        self.means = {name: value.detach().clone().float() for name, value in task.trained().items()}

    def update(self, task: Task, step: int) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        with torch.no_grad():
            for name, value in task.trained().items():
                self.means[name].lerp_(value.detach().float(), 1.0 - decay)

    @contextlib.contextmanager
    def worn(self, task: Task) -> Iterator[None]:
        """The task with the mean weights, for sampling and saving; its own are put back."""
        own = {name: value.detach().clone() for name, value in task.trained().items()}
        training = task.training
        try:
            with torch.no_grad():
                for name, value in task.trained().items():
                    value.copy_(self.means[name])
            task.eval()
            yield
        finally:
            with torch.no_grad():
                for name, value in task.trained().items():
                    value.copy_(own[name])
            task.train(training)


def accelerator_of(plan: Plan) -> Any:
    """The accelerate engine: processor, one GPU, or one of several under `accelerate launch`.

    Raises:
        LungevalError: `usage` where the batch does not divide among the processes.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    # buffers are the training set and never change: they need not travel among the processes
    together = DistributedDataParallelKwargs(broadcast_buffers=False)
    precision = "bf16" if plan.options.precision == "bf16" else "no"
    engine = Accelerator(mixed_precision=precision, kwargs_handlers=[together])
    if plan.options.batch % engine.num_processes:
        raise LungevalError(
            "usage", f"a batch of {plan.options.batch} over {engine.num_processes} processes", where=plan.where,
            remedy="a multiple of the number of processes",
        )  # fmt: skip
    return engine


def fit(
    plan: Plan, task: Task, films: int, digest: str, scratch: Path, progress: Progress, engine: Any,
    show: Callable[[int], None], *, stop: bool = False,
) -> tuple[Running, int]:  # fmt: skip
    """Train to the last step, going on from the latest checkpoint; returns the running mean of the weights, and steps.

    Args:
        plan: the training.
        task: what is trained.
        films: size of the training set.
        digest: of all that bears on the weights; a checkpoint of another training is refused.
        scratch: folder of the checkpoints and the log.
        progress: where to say how far it is.
        engine: the accelerate engine.
        show: called with the step after every `sheet_every` steps, the task wearing its mean weights.
        stop: take no step; what the latest checkpoint holds is the result.

    Raises:
        LungevalError: `changed` where the checkpoint is of another training, `usage` where there is none to stop at,
            `failed` where the loss is no number.
    """
    options = plan.options
    task.to(engine.device)
    task.prepare(engine.device)
    parameters = list(task.trained().values())
    optimiser = torch.optim.AdamW(
        parameters, lr=rate_at(0, plan), betas=(0.9, 0.999), weight_decay=options.weight_decay, eps=1e-8
    )
    running = Running(task, options.ema)
    wrapped, optimiser = engine.prepare(task, optimiser)
    begun, losses = _resume(scratch, digest, task, optimiser, running, trim=engine.is_main_process)
    if stop and not begun:
        raise LungevalError(
            "usage", "no checkpoint to finish from", where=str(scratch), remedy="train first, without --finish"
        )
    last = begun if stop else max(begun, plan.steps)
    if begun and not stop:
        progress.say(f"  going on after step {begun}")
    mark = time.monotonic()
    with progress.bar("steps", last - begun) as advance:
        for step in range(begun, last):
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, plan)
            share = (engine.process_index, engine.num_processes)
            with engine.autocast():
                loss = wrapped(draws_of(options.seed, step, options.batch, films, share=share))
            engine.backward(loss)
            engine.clip_grad_norm_(parameters, options.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            running.update(task, step)
            losses.append(loss.detach())
            advance(1)
            done = step + 1
            if done % options.log_every == 0 or done == plan.steps:
                value = float(engine.reduce(torch.stack(losses).mean(), "mean"))
                now = time.monotonic()
                if engine.is_main_process:
                    speed = len(losses) * options.batch / (now - mark)
                    row = {"step": done, "loss": value, "images_per_s": round(speed, 2), "rate": rate_at(step, plan)}
                    append_line(scratch / LOG, json.dumps(row))
                _check_finite(value, done, plan)
                losses, mark = [], now
            if done % options.checkpoint_every == 0 or done == plan.steps:
                losses = list(engine.reduce(torch.stack(losses), "mean")) if losses else []
                _check_finite(
                    sum(float(loss) for loss in losses), done, plan
                )  # a checkpoint must not keep what is broken
                if engine.is_main_process:
                    _checkpoint(scratch, done, digest, task, optimiser, running, losses, options.keep)
            if done % options.sheet_every == 0 and done < plan.steps:
                if engine.is_main_process:
                    with running.worn(task):
                        show(done)
                engine.wait_for_everyone()
                mark = time.monotonic()
    return running, last


def _check_finite(loss: float, step: int, plan: Plan) -> None:
    if not math.isfinite(loss):
        raise LungevalError(
            "failed", f"the loss is {loss} at step {step}", where=plan.where,
            remedy="lower train.options.learning_rate, or use precision: fp32",
        )  # fmt: skip


def _checkpoint(
    scratch: Path, step: int, digest: str, task: Task, optimiser: Any, running: Running, losses: list[torch.Tensor],
    keep: int,
) -> None:  # fmt: skip
    scratch.mkdir(parents=True, exist_ok=True)
    state = {
        "step": step, "digest": digest, "weights": {name: value.detach() for name, value in task.trained().items()},
        "means": running.means, "optimiser": optimiser.state_dict(),
        "losses": [loss.cpu() for loss in losses],
    }  # fmt: skip
    path = scratch / f"state-{step:08d}.pt"
    part = path.with_suffix(".part")
    with part.open("wb") as handle:
        torch.save(state, handle)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)
    for old in checkpoints(scratch)[:-keep]:
        old.unlink()


def checkpoints(scratch: Path) -> list[Path]:
    """The finished checkpoints of a folder, oldest first."""
    return sorted(path for path in scratch.glob("state-*.pt") if STATE.fullmatch(path.name))


def _resume(
    scratch: Path, digest: str, task: Task, optimiser: Any, running: Running, *, trim: bool
) -> tuple[int, list[torch.Tensor]]:
    """Bring back the latest checkpoint: the step to go on with (0 where there is none), and losses not yet logged."""
    found = checkpoints(scratch)
    if not found:
        return 0, []
    state = torch.load(found[-1], map_location="cpu", weights_only=True)
    if state["digest"] != digest:
        raise LungevalError(
            "changed", "the checkpoint is of another training: the data, the recipe or the base were changed",
            where=str(found[-1]), remedy="undo the change, or begin anew with `lungeval train --new`",
        )  # fmt: skip
    with torch.no_grad():
        for name, value in task.trained().items():
            value.copy_(state["weights"][name])
            running.means[name] = state["means"][name].to(value.device)
    optimiser.load_state_dict(state["optimiser"])
    if trim:
        _trim(scratch / LOG, int(state["step"]))
    device = next(iter(running.means.values())).device
    return int(state["step"]), [loss.to(device) for loss in state.get("losses", [])]


def _trim(log: Path, step: int) -> None:
    """Drop lines of the log after the checkpoint: those steps are done again."""
    if log.is_file():
        write_atomic(log, "".join(f"{json.dumps(row)}\n" for row in logged(log) if row["step"] <= step))


def logged(log: Path) -> list[dict[str, Any]]:
    """The rows of a log, without a line that a crash tore."""
    rows = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and {"step", "loss"} <= row.keys()]
