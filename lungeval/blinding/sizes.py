"""The common shape: one size, one number of slices and one set of grey levels a modality, for every arm.

Never above an image's own unless the protocol allows it; and a modality is of single images or of stacks, not of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lungeval import images
from lungeval.errors import LungevalError, raise_all
from lungeval.images.grey import QUANTILES, quantiles
from lungeval.images.harmonise import unit_frames
from lungeval.images.windows import window_of
from lungeval.protocol import Protocol
from lungeval.records import REAL_ARM, Image, Modality, Survey
from lungeval.runs import Run

Surveys = Mapping[tuple[str, str], Survey]


def recipes(eligible: Sequence[Image], surveys: Surveys, protocol: Protocol, run: Run) -> dict[Modality, images.Recipe]:
    """The harmoniser's recipe of each modality, from all eligible images of all its arms.

    Size `auto` is the smallest side that trimming and the field of view leave of any of them; frames `auto` is the
    number of slices of the shortest stack.

    Args:
        eligible: the images that may be drawn.
        surveys: (arm, key) -> what the survey says of it.
        protocol: the study.
        run: where the images lie; looked into for `grey: match` alone.

    Raises:
        LungevalError: `design`: nothing is eligible; a size above an image's own, more slices than a stack has, stacks
            and single images in one modality, or `match` without eligible reals.
    """
    if not eligible:
        raise LungevalError(
            "design", "no arm made a usable image",
            remedy="see the reasons in 0-images/manifest.csv and sealed/survey.csv",
        )  # fmt: skip
    faults: list[LungevalError] = []
    found: dict[Modality, images.Recipe] = {}
    for modality in sorted({image.modality for image in eligible}):
        here = sorted((i for i in eligible if i.modality == modality), key=lambda i: (i.arm, i.key))
        here_faults = [*_mixed(modality, here, surveys)]
        size, fault = _size(modality, here, surveys, protocol)
        here_faults += fault
        frames, fault = _frames(modality, here, surveys, protocol)
        here_faults += fault
        reals = [image for image in here if image.arm == REAL_ARM]
        if protocol.blinding.grey == "match" and not reals:
            here_faults.append(_no_reals(modality))
        if not here_faults:
            found[modality] = _recipe(protocol, size, frames, reals, run)
        faults += here_faults
    raise_all(faults)
    return found


def _mixed(modality: Modality, here: Sequence[Image], surveys: Surveys) -> list[LungevalError]:
    stacks = sorted({i.arm for i in here if surveys[i.arm, i.key].frames > 1})
    single = sorted({i.arm for i in here if surveys[i.arm, i.key].frames == 1})
    if not stacks or not single:
        return []
    return [LungevalError(
        "design", f"{modality}: stacks (arm {', '.join(stacks)}) and single images (arm {', '.join(single)}) cannot be "
        "shown in one study: their number of slices tells them apart",
        remedy="give the arm that brings stacks `options: {series: slices}`, or bring stacks from every arm",
    )]  # fmt: skip


def _size(
    modality: Modality, here: Sequence[Image], surveys: Surveys, protocol: Protocol
) -> tuple[int, list[LungevalError]]:
    least = min(here, key=lambda image: surveys[image.arm, image.key].side)
    side, asked = surveys[least.arm, least.key].side, protocol.blinding.size
    if asked == "auto":
        return side, []
    if asked <= side or protocol.blinding.allow_upsampling:
        return asked, []
    return asked, [LungevalError(
        "design", f"size {asked} is above the smallest {modality} image's own: {side} pixels, arm '{least.arm}'"
        + (" (after trimming and field of view)" if side < min(least.rows, least.cols) else ""),
        where="blinding.size",
        remedy=f"use `auto` or at most {side}, or set `allow_upsampling: true` (printed as a limitation)",
    )]  # fmt: skip


def _frames(
    modality: Modality, here: Sequence[Image], surveys: Surveys, protocol: Protocol
) -> tuple[int, list[LungevalError]]:
    least = min(here, key=lambda image: surveys[image.arm, image.key].frames)
    fewest, asked = surveys[least.arm, least.key].frames, protocol.blinding.frames
    if asked == "auto" or all(surveys[i.arm, i.key].frames == 1 for i in here):  # a single image has no slices to ask
        return fewest, []
    if asked <= fewest:
        return asked, []
    return asked, [LungevalError(
        "design", f"{asked} frames are more than the shortest {modality} stack has: {fewest}, arm '{least.arm}'",
        where="blinding.frames", remedy=f"use `auto` or at most {fewest}",
    )]  # fmt: skip


def _no_reals(modality: Modality) -> LungevalError:
    return LungevalError(
        "design", f"grey levels of {modality} images cannot be matched to those of the reals: none is eligible",
        where="blinding.grey", remedy="add reals, or use `grey: stretch` or `grey: none`",
    )  # fmt: skip


def _recipe(protocol: Protocol, size: int, frames: int, reals: Sequence[Image], run: Run) -> images.Recipe:
    settings = protocol.blinding
    common: dict[str, Any] = {
        "size": size, "frames": frames, "window": window_of(settings.window), "trim": settings.trim,
        "field_of_view": float(settings.field_of_view), "text": settings.text,
    }  # fmt: skip
    reference = None
    if settings.grey == "match":
        reference = _reference(images.Recipe(**common), reals, run)
    return images.Recipe(**common, grey=settings.grey, reference=reference, jpeg=settings.jpeg)


def _reference(recipe: images.Recipe, reals: Sequence[Image], run: Run) -> tuple[float, ...]:
    """The mean, over the pool's eligible reals, of each quantile of the image as resampled; in order of content key."""
    total = np.zeros(QUANTILES)
    for image in reals:
        pixels = images.load(run.path("generate") / image.file)
        shown = np.stack(list(unit_frames(pixels, image.bits, image.offset, recipe)))
        total += quantiles(np.clip(shown, 0.0, 1.0))
    mean = np.maximum.accumulate(np.clip(total / len(reals), 0.0, 1.0))
    return tuple(round(float(level), 9) for level in mean)
