"""What the asking needs of a client: one request, one `Reply`; nothing raised, nothing asked again, nothing decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lungeval.backends.text_to_image_api.answers import Reply
from lungeval.backends.text_to_image_api.settings import Options
from lungeval.errors import LungevalError

CONNECT_S = 20.0
"""Longest time for a connection to come about."""
NO_KEY = "none"
"""Sent in the key's place to a service that asks for none."""
_UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "LocalProtocolError", "ProxyError")
"""Errors after which the request cannot have reached the service."""
PACKAGES = {
    "openai": ("openai", "pip install 'lungeval[openai]'"),
    "huggingface": ("huggingface_hub", "pip install huggingface_hub"),
}
"""The package of each client, and how to get it."""


@dataclass(frozen=True)
class Request:
    """One image asked for."""

    prompt: str
    """The prompt."""
    attempt: str
    """The attempt's name: sent along as X-Client-Request-Id."""
    seed: int | None = None
    """The seed, where the service takes one."""


class Client(Protocol):
    """A service's client, inside an event loop."""

    async def ask(self, request: Request) -> Reply:
        """Send one request and take its answer, whatever it is."""
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


def check_package(options: Options, arm: str, where: str) -> None:
    """Whether the client's package is installed, without importing it.

    Raises:
        LungevalError: `backend` where it is not.
    """
    from importlib.util import find_spec

    package, remedy = PACKAGES[options.client]
    if find_spec(package) is None:
        raise LungevalError(
            "backend", f"the arm '{arm}' needs the package '{package}', which is not installed", where=where,
            remedy=remedy,
        )  # fmt: skip


def make_client(model: str, options: Options, key: str | None, clean: Callable[[str], str]) -> Client:
    """The client that `options.client` names; call it inside the event loop that will use it.

    Raises:
        LungevalError: `backend` where the installed package lacks what is needed of it.
    """
    try:
        if options.client == "openai":
            from lungeval.backends.text_to_image_api.openai_client import OpenAIClient

            return OpenAIClient(model, options, key, clean)
        from lungeval.backends.text_to_image_api.hub_client import HubClient

        return HubClient(model, options, key, clean)
    except ImportError as error:
        package, remedy = PACKAGES[options.client]
        what = f"the installed '{package}' does not fit: {error}"
        raise LungevalError("backend", what, remedy=f"bring it up to date: {remedy}") from None


def trouble_of(error: BaseException, clean: Callable[[str], str]) -> Reply:
    """The reply that stands for an error on the way; the key is in no part of it."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    names = [type(link).__name__ for link in chain]
    root = next((link for link in chain[1:] if str(link)), chain[0])
    sent = not any(name in _UNSENT for name in names)
    return Reply(None, trouble=clean(f"{type(root).__name__}: {root}"), sent=sent)


def lower(headers: Mapping[str, Any]) -> dict[str, str]:
    """Header fields with names in lower case."""
    return {str(name).lower(): str(value) for name, value in headers.items()}
