"""The settings of an arm that asks a text-to-image service: checked as a whole, every fault at once, no secret in them.

What alters the picture goes into the content key (service, model, size, quality, parameters); what does not stays out
(address details, attempts, waits, concurrency, budget, price).
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError

from lungeval.backends.base import Context
from lungeval.backends.text_to_image_api.prices import Price
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import Number, Settings

OPENAI_URL = "https://api.openai.com/v1"
"""Where the official service is."""
KEY_ENV = {"openai": "OPENAI_API_KEY", "huggingface": "HF_TOKEN"}
"""The environment variable that holds the key, by client, unless `options.api_key_env` names another."""
SECRET = re.compile(r"\b(sk|hf|pk|rk|key|r8|gsk|xai|fal)[-_][A-Za-z0-9_-]{12,}|\bBearer\s+\S{8,}|\beyJ[\w-]{10,}\.")
"""What API keys look like."""
_HOSTS = {"openai": ("openai.com",), "huggingface": ("huggingface.co", "hf.co", "huggingface.cloud")}
"""Hosts, by client, that the usual key is meant for."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DATED = re.compile(r"-(19|20)\d\d-\d\d-\d\d$|-(19|20)\d{6}$|@[0-9a-f]{7,64}$")
_RESERVED = (
    "prompt", "model", "n", "size", "quality", "seed", "stream", "num_images", "num_images_per_prompt", "num_outputs",
)  # fmt: skip
"""Parameters with a place of their own, and those that would have more than one image made, and paid, a request."""
_SECRET_NAMES = ("api_key", "apikey", "key", "token", "api_token", "secret", "password", "authorization")


class Budget(Settings):
    """The spend cap; counts everything in the arm's store, whichever run spent it."""

    usd: Number | None = Field(default=None, gt=0)
    """US dollars at most."""
    images: StrictInt | None = Field(default=None, gt=0)
    """Images at most: those made, and those that may have been made and never arrived."""


class Options(Settings):
    """`options:` of a text_to_image_api generator."""

    client: Literal["openai", "huggingface"] = "openai"
    """Whose client: openai (any OpenAI-shaped server) or huggingface (inference providers)."""
    base_url: StrictStr | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Address of the service; openai: up to and with /v1; huggingface: a dedicated endpoint."""
    service: StrictStr | None = None
    """The service's name in content keys; by default the host (and port) of base_url."""
    provider: StrictStr = "auto"
    """huggingface: the inference provider, such as hf-inference, fal-ai, together."""
    api_key_env: StrictStr | None = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """NAME of the environment variable that holds the key; null = the service asks for none (base_url is given)."""
    allow_unpinned: StrictBool = False
    """Allow a model name without a dated snapshot, which the service may change under you."""
    size: StrictStr = Field(default="1024x1024", pattern=r"^([1-9]\d{1,4}x[1-9]\d{1,4}|auto)$")
    """Columns x rows asked for, or auto."""
    quality: StrictStr | None = None
    """Such as low, medium, high."""
    parameters: dict[StrictStr, Any] = Field(default_factory=dict)
    """Further parameters that alter the picture, sent as they are: background, output_format, negative_prompt ..."""
    seed: StrictBool = False
    """Send a seed for each image: only for a service that takes one."""
    slots: dict[StrictStr, Any] = Field(default_factory=dict)
    """Words for the slots of prompts (checked with them)."""
    attempts: StrictInt = Field(default=5, ge=1, le=100)
    """Requests for one image at most, in one run."""
    backoff_s: Number = Field(default=1.0, ge=0, le=60)
    """First wait before asking again, doubled each time up to 60 s, times 0.5 to 1.5 at random."""
    retry_after_at_most_s: Number = Field(default=120.0, ge=0, le=3600)
    """Longest wait that the service's Retry-After can ask for."""
    retry_ambiguous: StrictBool = True
    """Ask again after a request of which it is not known whether it was billed."""
    retry: list[Literal["refused"]] = Field(default_factory=list)
    """Ask again for images refused in an earlier run."""
    give_up_after: StrictInt = Field(default=5, ge=1)
    """Stop the arm after so many images in a row have failed."""
    requests_per_minute: Number | None = Field(default=None, gt=0)
    """Requests sent a minute at most, evenly spaced."""
    concurrency: StrictInt = Field(default=4, ge=1, le=64)
    """Requests under way at once."""
    timeout_s: Number = Field(default=180.0, gt=0, le=3600)
    """Longest time for one request from its start to its last byte."""
    budget: Budget = Budget()
    """The spend cap."""

    @property
    def key_env(self) -> str | None:
        """Name of the environment variable with the key; None where no key is sent."""
        return self.api_key_env if self.api_key_env != "" else KEY_ENV[self.client]

    @property
    def foreign(self) -> bool:
        """Whether a key of the client's usual service would go to a host that is neither its own nor this machine."""
        host = urlsplit(self.base_url or "").hostname or ""
        own = any(host == name or host.endswith(f".{name}") for name in _HOSTS[self.client])
        return bool(host) and self.api_key_env == "" and not own and host not in _LOOPBACK

    @property
    def in_clear(self) -> bool:
        """Whether a key would travel unencrypted."""
        address = urlsplit(self.base_url or "")
        return self.key_env is not None and address.scheme == "http" and address.hostname not in _LOOPBACK

    @property
    def official(self) -> bool:
        """Whether this is OpenAI's own service."""
        return self.client == "openai" and urlsplit(self.base_url or OPENAI_URL).hostname == "api.openai.com"

    @property
    def service_name(self) -> str:
        """Who answers, as content keys and the report have it."""
        if self.service:
            return self.service
        if self.base_url is None and self.client == "huggingface":
            return f"huggingface/{self.provider}"
        return urlsplit(self.base_url or OPENAI_URL).netloc.lower()

    @property
    def sides(self) -> tuple[int, int] | None:
        """Columns and rows asked for; None = whatever comes."""
        if self.size == "auto":
            return None
        cols, rows = self.size.split("x")
        return int(cols), int(rows)


def read_settings(context: Context) -> tuple[str, Options, Price | None]:
    """The model, the options and the price of an arm.

    Raises:
        LungevalError: `protocol`, every fault; a value that looks like a key is named by its place, never shown.
    """
    arm, where = context.arm, context.where
    faults = [_bad(where, *told) for told in _secrets({"options": arm.options, "price": arm.price})]
    raise_all(faults)
    options = _checked(Options, arm.options, "options", where, faults)
    price = _checked(Price, arm.price, "price", where, faults) if arm.price else None
    model = str(getattr(arm, "model", "")).strip()
    if not model:
        faults.append(_bad(where, "model: which model is asked is not said", "such as gpt-image-2-2026-04-21"))
    if isinstance(options, Options):
        faults += [_bad(where, *told) for told in _crossed(model, options, price, bool(arm.price))]
    raise_all(faults)
    if options is None:
        raise RuntimeError("options without faults were not read")  # cannot be: _checked gives one or the other
    return model, options, price


def _crossed(model: str, options: Options, price: Price | None, priced: bool) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    if model and options.official and not options.allow_unpinned and not _DATED.search(model):
        what = f"model: '{model}' is no dated snapshot: the service may put another model behind the name"
        remedy = f"write its snapshot, such as {model}-2026-04-21, or set options.allow_unpinned: true"
        told.append((what, remedy))
    if options.base_url:
        address = urlsplit(options.base_url)
        if address.username or address.password or address.query:
            told.append(("options.base_url: holds more than an address", "leave out user, password and ?query"))
    if (
        options.client == "huggingface"
        and options.provider == "auto"
        and not (options.base_url or options.allow_unpinned)
    ):
        what = "options.provider: auto lets the service choose who makes the images"
        told.append((what, "name the provider, such as hf-inference, or set options.allow_unpinned: true"))
    if options.api_key_env is None and options.base_url is None:
        told.append(("options.api_key_env: null without a base_url", "name the variable that holds the key"))
    if options.foreign:
        what = f"options.api_key_env: missing, and {options.key_env} would be sent to {options.service_name}"
        told.append((what, "name the variable that holds the key for that server, or null if it asks for none"))
    if options.budget.usd is not None and price is None and not priced:
        what = "options.budget.usd: a cap in dollars, and no price to count with"
        told.append((what, "add price: {usd_per_image: ...}, or cap by options.budget.images"))
    reserved = [name for name in _RESERVED if name in options.parameters]
    for name in reserved:
        told.append((f"options.parameters.{name}: not to be set here", "it has its own place in the generator file"))
    return told


def _checked(kind: type[Any], given: Any, name: str, where: str, faults: list[LungevalError]) -> Any:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            place = ".".join([name, *map(str, fault["loc"])])
            if fault["type"] == "extra_forbidden":
                last = str(fault["loc"][-1])
                known = kind.model_fields if len(fault["loc"]) == 1 else Budget.model_fields
                faults.append(_bad(where, f"{place}: unknown key", did_you_mean(last, known)))
            elif place == "options.api_key_env":
                what = f"{place}: not the name of an environment variable"
                faults.append(_bad(where, what, f"such as {KEY_ENV['openai']}; the key itself goes into no file"))
            else:
                faults.append(_bad(where, f"{place}: {fault['msg'][:1].lower()}{fault['msg'][1:]}", ""))
        return None


def _secrets(value: Any, place: str = "") -> list[tuple[str, str]]:
    """Places that hold, or would hold, a key."""
    remedy = "put it into an environment variable, name that in options.api_key_env, and make a new key"
    if isinstance(value, dict):
        told: list[tuple[str, str]] = []
        for name, entry in value.items():
            here = f"{place}.{name}" if place else str(name)
            if str(name).lower() in _SECRET_NAMES and isinstance(entry, str):
                told.append((f"{here}: a key does not go into a file", remedy))
            else:
                told += _secrets(entry, here)
        return told
    if isinstance(value, list):
        return [told for index, entry in enumerate(value) for told in _secrets(entry, f"{place}.{index}")]
    if isinstance(value, str) and SECRET.search(value):
        return [(f"{place}: looks like an API key", remedy)]
    return []


def _bad(where: str, what: str, remedy: str) -> LungevalError:
    return LungevalError("protocol", what, where=where, remedy=remedy)
