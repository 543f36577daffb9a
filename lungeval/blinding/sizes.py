"""The common size: one square a modality for every arm, never above an image's own unless the protocol allows it."""

from __future__ import annotations

from lungeval.errors import LungevalError
from lungeval.images import Recipe, native_side
from lungeval.protocol import Protocol
from lungeval.records import Image, Modality


def recipes(manifest: list[Image], protocol: Protocol) -> dict[Modality, Recipe]:
    """The harmoniser's settings by modality: `auto` = the smallest native side over all made images of all arms.

    Raises:
        LungevalError: `design` where nothing was made, or the size asked for is above an image's own.
    """
    window = protocol.blinding.window
    made = [image for image in manifest if image.outcome == "made"]
    if not made:
        raise LungevalError("design", "no arm made a usable image", remedy="see the reasons in 0-images/manifest.csv")
    stacks = sorted({image.arm for image in made if image.frames != 1})
    if stacks:
        raise LungevalError(
            "design", f"images of several frames in arm {', '.join(stacks)}: stacks cannot be shown yet",
            remedy="give single films or slices, one file each",
        )  # fmt: skip
    found: dict[Modality, Recipe] = {}
    for modality in sorted({image.modality for image in made}):
        least = min((i for i in made if i.modality == modality), key=lambda i: (native_side(i.rows, i.cols), i.key))
        side = native_side(least.rows, least.cols)
        size = side if protocol.blinding.size == "auto" else protocol.blinding.size
        if size > side and not protocol.blinding.allow_upsampling:
            raise LungevalError(
                "design", f"size {size} is above the smallest {modality} image's own: {side} pixels, arm '{least.arm}'",
                where="blinding.size", remedy=f"use `auto` or at most {side}, or set `allow_upsampling: true` "
                "(printed as a limitation)",
            )  # fmt: skip
        found[modality] = (
            Recipe(size=size) if window is None else Recipe(size=size, window=(window["center"], window["width"]))
        )
    return found
