"""Hugging Face's InferenceClient, its answer kept as it came: the client itself hands out decoded pixels alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from huggingface_hub import AsyncInferenceClient
from huggingface_hub.inference._providers import get_provider_helper

from lungeval.backends.text_to_image_api.answers import Reply
from lungeval.backends.text_to_image_api.clients import NO_KEY, Request, lower, trouble_of
from lungeval.backends.text_to_image_api.settings import Options


class _RawClient(AsyncInferenceClient):
    """The client whose `raw_image` gives the service's own bytes, status and header fields."""

    _clean: Callable[[str], str]

    def _prepared(self, prompt: str, attempt: str, parameters: dict[str, Any]) -> tuple[Any, Any]:
        helper = get_provider_helper(self.provider, "text-to-image", self.model)
        asked = helper.prepare_request(
            inputs=prompt, parameters=parameters, model=self.model, api_key=self.token,
            headers={**self.headers, "Accept": "image/png", "X-Client-Request-Id": attempt},
        )  # fmt: skip
        return helper, asked

    async def raw_image(self, prompt: str, attempt: str, parameters: dict[str, Any]) -> Reply:
        try:
            helper, asked = await asyncio.to_thread(self._prepared, prompt, attempt, parameters)
        except Exception as error:  # noqa: BLE001 - nothing is sent yet: told by name, with that fact
            return Reply(None, trouble=self._clean(f"{type(error).__name__}: {error}"), sent=False)
        client = await self._get_async_client()  # type: ignore[no-untyped-call]
        answer = await client.post(
            asked.url, json=asked.json, data=asked.data, headers=asked.headers, cookies=self.cookies,
            timeout=self.timeout,
        )  # fmt: skip
        headers = lower(answer.headers)
        if answer.status_code >= 300:
            return Reply(answer.status_code, headers, answer.content)
        try:  # some providers send a link, which is fetched here: the image is made by now, whatever happens to it
            image = await asyncio.to_thread(helper.get_response, answer.content, asked)
        except Exception as error:  # noqa: BLE001 - one attempt's outcome, told by name
            return replace(trouble_of(error, self._clean), sent=True)
        if not isinstance(image, bytes):
            return Reply(answer.status_code, headers, answer.content)
        return Reply(answer.status_code, headers, answer.content, image)


class HubClient:
    """`text_to_image` of one model at one provider, or at a dedicated endpoint.

    Args:
        model: the model's id on the hub.
        options: size, parameters, provider, address, timeout.
        key: the token; None = the endpoint asks for none.
        clean: takes the token out of a text.
    """

    def __init__(self, model: str, options: Options, key: str | None, clean: Callable[[str], str]) -> None:
        self._options, self._clean = options, clean
        provider: Any = "hf-inference" if options.base_url else options.provider
        self._client = _RawClient(
            model=options.base_url or model, provider=provider, token=key or NO_KEY, timeout=options.timeout_s
        )
        self._client._clean = clean

    async def ask(self, request: Request) -> Reply:
        """Send one request and take its answer, whatever it is."""
        parameters: dict[str, Any] = dict(self._options.parameters)
        if self._options.sides is not None:
            parameters["width"], parameters["height"] = self._options.sides
        if self._options.quality is not None:
            parameters["quality"] = self._options.quality
        if request.seed is not None:
            parameters["seed"] = request.seed
        try:
            return await self._client.raw_image(request.prompt, request.attempt, parameters)
        except Exception as error:  # noqa: BLE001 - whatever breaks on the way is one attempt's outcome, told by name
            return trouble_of(error, self._clean)

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()  # type: ignore[no-untyped-call]
