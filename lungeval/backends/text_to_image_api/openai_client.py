"""The openai SDK for any OpenAI-shaped server: one request a call, the raw answer kept, no retries of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from lungeval.backends.text_to_image_api.answers import Reply
from lungeval.backends.text_to_image_api.clients import CONNECT_S, NO_KEY, Request, lower, trouble_of
from lungeval.backends.text_to_image_api.settings import OPENAI_URL, Options


class OpenAIClient:
    """`images.generate` of one model.

    Args:
        model: the model's name.
        options: size, quality, parameters, address, timeout.
        key: the key; None = the server asks for none.
        clean: takes the key out of a text.
    """

    def __init__(self, model: str, options: Options, key: str | None, clean: Callable[[str], str]) -> None:
        self._options, self._clean = options, clean
        self._fixed: dict[str, Any] = {"model": model, "n": 1, "size": options.size}
        if options.quality is not None:
            self._fixed["quality"] = options.quality
        self._client = openai.AsyncOpenAI(
            api_key=key or NO_KEY, base_url=options.base_url or OPENAI_URL, max_retries=0,
            timeout=openai.Timeout(options.timeout_s, connect=min(CONNECT_S, options.timeout_s)),
        )  # fmt: skip

    async def ask(self, request: Request) -> Reply:
        """Send one request and take its answer, whatever it is."""
        extra: dict[str, Any] = dict(self._options.parameters)
        if request.seed is not None:
            extra["seed"] = request.seed
        try:
            response = await self._client.images.with_raw_response.generate(
                prompt=request.prompt, extra_body=extra or None,
                extra_headers={"X-Client-Request-Id": request.attempt}, **self._fixed,
            )  # fmt: skip
            return Reply(response.status_code, lower(response.headers), response.content)
        except openai.APIStatusError as error:
            return Reply(error.status_code, lower(error.response.headers), error.response.content)
        except Exception as error:  # noqa: BLE001 - whatever breaks on the way is one attempt's outcome, told by name
            return trouble_of(error, self._clean)

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()
