"""What an image costs: the price block of the generator file, the dearest answer, and the bill from reported usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, StrictInt, model_validator

from lungeval.protocol import Number, Settings

EXTRA_TOKENS = 64
"""Input tokens that a service may add to a prompt."""


class TokenPrices(Settings):
    """US dollars for a million tokens."""

    text_input: Number = Field(ge=0)
    """Tokens of the prompt."""
    image_input: Number = Field(default=0.0, ge=0)
    """Tokens of images sent (none are)."""
    image_output: Number = Field(ge=0)
    """Tokens of the image."""


class Price(Settings):
    """`price:` of a generator file: by image, or by token."""

    usd_per_image: Number | None = Field(default=None, ge=0)
    """US dollars for one image."""
    usd_per_million_tokens: TokenPrices | None = None
    """US dollars for a million tokens, with output_tokens_at_most."""
    output_tokens_at_most: StrictInt | None = Field(default=None, gt=0)
    """Most output tokens of one image at the size and quality asked for: what is reserved before each request."""
    output_tokens: StrictInt | None = Field(default=None, gt=0)
    """Output tokens of a usual image, for the forecast; by default output_tokens_at_most."""

    @model_validator(mode="after")
    def _one_way(self) -> Price:
        if (self.usd_per_image is None) == (self.usd_per_million_tokens is None):
            raise ValueError("give usd_per_image or usd_per_million_tokens, one of them")
        if self.usd_per_million_tokens is not None and self.output_tokens_at_most is None:
            raise ValueError("usd_per_million_tokens needs output_tokens_at_most")
        return self

    def at_most(self, prompt: str) -> float:
        """US dollars of the dearest answer to a prompt: each byte a token, the most output tokens."""
        return self._guess(prompt, self.output_tokens_at_most or 0)

    def usual(self, prompt: str) -> float:
        """US dollars of a usual answer."""
        return self._guess(prompt, self.output_tokens or self.output_tokens_at_most or 0)

    def bill(self, usage: Mapping[str, Any], *, image: bool = False) -> float | None:
        """US dollars of an answer by its `usage`; None where that says nothing that can be priced.

        Args:
            usage: input_tokens, output_tokens and, where told apart, input_tokens_details {text_tokens, image_tokens}.
            image: the answer is for an image, which no output tokens cannot be.
        """
        if self.usd_per_image is not None:
            return self.usd_per_image
        tokens = self.usd_per_million_tokens
        total, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
        if tokens is None or output is None or (image and not output):
            return None
        details = usage.get("input_tokens_details")
        images = (_count(details, "image_tokens") if isinstance(details, Mapping) else None) or 0
        text = max(0, (total or 0) - images)
        return (text * tokens.text_input + images * tokens.image_input + output * tokens.image_output) / 1e6

    def _guess(self, prompt: str, output: int) -> float:
        if self.usd_per_image is not None:
            return self.usd_per_image
        tokens = self.usd_per_million_tokens
        if tokens is None:
            raise RuntimeError("a price of neither kind")  # cannot be: the model refuses it
        return ((len(prompt.encode()) + EXTRA_TOKENS) * tokens.text_input + output * tokens.image_output) / 1e6


def _count(table: Mapping[str, Any], name: str) -> int | None:
    value = table.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
