"""A contact sheet drawn with Pillow: a page that grows downwards, with pairs of pictures before | after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.trimming import Box

WIDTH, MARGIN, LABEL, TILE, GAP = 1440, 28, 204, 142, 10
"""Pixels: the sheet, its margin, the column of arms, one picture, the space between pairs."""
Colour = tuple[int, int, int]
PAPER, INK, QUIET, RULE = (255, 255, 255), (28, 32, 36), (106, 114, 122), (222, 226, 230)
FRAME, MARK, EMPTY = (0, 168, 150), (236, 112, 24), (240, 242, 244)


class Sheet:
    """A page that grows downwards."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw

        self._image = Image
        self._page: Any = Image.new("RGB", (WIDTH, 600), PAPER)
        self._pen = ImageDraw.Draw(self._page)
        self._y, self._x, self._low = MARGIN, MARGIN, MARGIN

    def words(self, text: str, size: int, colour: Colour = INK, *, bold: bool = False) -> None:
        """A line of text across the page."""
        self._room(size + 12)
        self._write(MARGIN, self._y, text, size, colour, bold=bold)
        self._y += size + 12

    def legend(self, policy: str) -> None:
        """What the frames mean."""
        self._room(36)
        said = {"refuse": "such images are left out", "mask": "painted over after", "keep": "shown as it is"}[policy]
        x = MARGIN
        for colour, words in ((FRAME, "the part that is shown"), (MARK, f"burned-in text: {said}")):
            self._pen.rectangle((x, self._y + 3, x + 22, self._y + 17), outline=colour, width=3)
            x = self._write(x + 32, self._y, words, 15, QUIET) + 32
        self._y += 36

    def section(self, text: str) -> None:
        """A heading under a rule."""
        self._room(64)
        self._pen.line((MARGIN, self._y + 6, WIDTH - MARGIN, self._y + 6), fill=RULE, width=2)
        self._write(MARGIN, self._y + 18, text, 20, INK, bold=True)
        self._y += 58

    def label(self, arm: str, said: Sequence[str]) -> None:
        """Begin a row: the arm and what is said of it."""
        self._room(TILE + 150)
        low = self._wrapped(MARGIN, self._y, arm, LABEL - 16, 17, INK, bold=True)
        for text in said:
            low = self._wrapped(MARGIN, low + 3, text, LABEL - 16, 14, QUIET)
        self._x, self._low = MARGIN + LABEL, low

    def pair(
        self, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8] | None, part: Box, lines: Sequence[Box],
        caption: str, reason: str,
    ) -> None:  # fmt: skip
        """One image before and after, with its caption."""
        rows, cols = before.shape
        scale = min(TILE / rows, TILE / cols)
        picture = self._image.fromarray(before).resize(
            (max(1, round(cols * scale)), max(1, round(rows * scale))), self._image.Resampling.LANCZOS
        )
        self._pen.rectangle((self._x, self._y, self._x + TILE - 1, self._y + TILE - 1), fill=EMPTY)
        x, y = self._x + (TILE - picture.width) // 2, self._y + (TILE - picture.height) // 2
        self._page.paste(picture.convert("RGB"), (x, y))
        for box, colour, width in ((part, FRAME, 2), *((line, MARK, 2) for line in lines)):
            corners = (x + box.left * scale, y + box.top * scale, x + box.right * scale - 1, y + box.bottom * scale - 1)
            self._pen.rectangle(_at_least(corners, 5), outline=colour, width=width)
        self._after(self._x + TILE + 2, after, reason)
        self._write(self._x, self._y + TILE + 5, caption, 12, QUIET)
        self._low = max(self._low, self._y + TILE + 22)
        self._x += 2 * TILE + 2 + GAP

    def _after(self, x: int, after: npt.NDArray[np.uint8] | None, reason: str) -> None:
        self._pen.rectangle((x, self._y, x + TILE - 1, self._y + TILE - 1), fill=EMPTY)
        if after is None:
            low = self._wrapped(x + 10, self._y + 42, "left out", TILE - 20, 15, INK, bold=True)
            self._wrapped(x + 10, low + 4, reason, TILE - 20, 13, QUIET)
            return
        size = len(after)
        side = TILE if size > TILE else size * (TILE // size)
        how = self._image.Resampling.LANCZOS if size > TILE else self._image.Resampling.NEAREST
        picture = self._image.fromarray(after).resize((side, side), how).convert("RGB")
        self._page.paste(picture, (x + (TILE - side) // 2, self._y + (TILE - side) // 2))

    def end_row(self) -> None:
        """Go below the row."""
        self._y = self._low + 14

    def steps(self, texts: Sequence[str]) -> None:
        """The steps, numbered."""
        self._room(40 + 44 * len(texts))
        self._y += 4
        for number, text in enumerate(texts, start=1):
            self._write(MARGIN, self._y, f"{number}", 14, FRAME, bold=True)
            self._y = self._wrapped(MARGIN + 24, self._y, text, WIDTH - 2 * MARGIN - 24, 14, INK) + 4
        self._y += 12

    def finished(self) -> Any:
        """The page, cut to what is on it."""
        return self._page.crop((0, 0, WIDTH, self._y + MARGIN))

    def _room(self, height: int) -> None:
        from PIL import ImageDraw

        if self._y + height + MARGIN <= self._page.height:
            return
        page = self._image.new("RGB", (WIDTH, 2 * self._page.height + height), PAPER)
        page.paste(self._page, (0, 0))
        self._page, self._pen = page, ImageDraw.Draw(page)

    def _write(self, x: float, y: float, text: str, size: int, colour: Colour, *, bold: bool = False) -> int:
        from PIL import ImageFont

        font = ImageFont.load_default(size)
        self._pen.text((x, y), text, fill=colour, font=font, stroke_width=0.4 if bold else 0, stroke_fill=colour)
        return round(x + self._pen.textlength(text, font=font))

    def _wrapped(self, x: int, y: int, text: str, width: int, size: int, colour: Colour, *, bold: bool = False) -> int:
        """Write text in lines no wider than `width` (a longer word is broken); returns where the next line begins."""
        from PIL import ImageFont

        font = ImageFont.load_default(size)
        line, words = "", text.split(" ")
        while words:
            word = words.pop(0)
            longer = f"{line} {word}" if line else word
            if self._pen.textlength(longer, font=font) <= width:
                line = longer
                continue
            if not line:
                fits = max(1, sum(self._pen.textlength(word[: n + 1], font=font) <= width for n in range(len(word))))
                line, rest = word[:fits], word[fits:]
                words = [rest, *words] if rest else words
            else:
                words = [word, *words]
            self._write(x, y, line, size, colour, bold=bold)
            y, line = y + size + 5, ""
        if line:
            self._write(x, y, line, size, colour, bold=bold)
            y += size + 5
        return y


def _at_least(corners: tuple[float, float, float, float], side: int) -> tuple[float, float, float, float]:
    """A rectangle of at least `side` pixels each way, about the same place."""
    left, top, right, bottom = corners
    return left, top, max(right, left + side), max(bottom, top + side)
