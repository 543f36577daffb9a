"""What a service's answer means: an image, a refusal, a failure worth asking again, or a reason to stop the arm.

A refusal needs evidence that the service judged the request: an error code or type of moderation, or (code null, status
400 or 422) a message that names the safety system or the content policy. A server's trouble is never a refusal, however
it is worded, and neither is a fault of a parameter.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Kind = Literal["image", "refused", "failed", "again", "ambiguous", "stop"]

REFUSAL_CODES = (
    "moderation_blocked", "content_policy_violation", "content_filter", "contentfilter", "responsibleaipolicyviolation",
    "safety_violation", "image_content_policy_violation",
)  # fmt: skip
"""Error codes (lower case) of a judgement on content."""
STOP_CODES = {
    "insufficient_quota": "the account's quota is used up",
    "billing_hard_limit_reached": "the billing limit is reached",
    "billing_not_active": "the account's billing is not active", "account_deactivated": "the account is closed",
    "invalid_api_key": "the key is not accepted", "model_not_found": "the model is not there",
    "organization_must_be_verified": "the organisation is not verified",
}  # fmt: skip
"""Error codes after which no other image will fare better."""
STOP_STATUS = {
    401: "the key is not accepted", 402: "the account has to be paid", 403: "access is denied",
    404: "the model or the address is not there", 405: "the address takes no such request",
}  # fmt: skip
UNSEEN_STATUS = (504, 524)
"""A gateway's timeout: the service behind it may have made, and billed, the image."""
_STRUCK = "(?:blocked|flagged|rejected|refused)"
_SAFETY = re.compile(
    r"safety system|safety_violations|content[ _]polic|content management policy|violates? our polic|\bnsfw\b|"
    rf"{_STRUCK}[^.]{{0,40}}\bmoderation|\bmoderation[^.]{{0,40}}\b{_STRUCK}",
    re.I,
)
_OUTAGE = re.compile(
    r"server had an error|internal (server )?error|overloaded|try again later|temporarily|unavailable|timed[ -]?out",
    re.I,
)
_SETTING = re.compile(
    r"\b(unknown|unsupported|unrecogni[sz]ed|unexpected|invalid)( request)? (parameter|argument|value|keyword)", re.I
)
"""A fault of what was sent beside the prompt, such as a parameter called `moderation`: no judgement of content."""
_COUNTED = (
    "input_tokens", "output_tokens", "total_tokens", "text_tokens", "image_tokens", "cached_tokens",
    "reasoning_tokens", "prompt_tokens", "completion_tokens", "input_tokens_details", "output_tokens_details",
)  # fmt: skip
_MOST_TOKENS = 10**9
_CATEGORIES = re.compile(r"safety_violations=\[([^\]]*)\]")
_REQUEST_IDS = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id", "x-amzn-requestid")


@dataclass(frozen=True)
class Reply:
    """What came back for one request."""

    status: int | None
    """HTTP status; None where there was no answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields, names in lower case."""
    body: bytes = b""
    """The body as it came."""
    image: bytes | None = None
    """The image's bytes, where the client hands out those."""
    trouble: str = ""
    """What went wrong on the way."""
    sent: bool = True
    """False where the request cannot have reached the service."""


@dataclass(frozen=True)
class Judgement:
    """What an answer means."""

    kind: Kind
    reason: str = ""
    code: str = ""
    categories: tuple[str, ...] = ()
    request_id: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    image: bytes | None = None
    retry_after: float | None = None
    status: int | None = None

    @property
    def status_ok(self) -> bool:
        """Whether the service said that it had done the work."""
        return self.status is not None and self.status < 300


def judge(reply: Reply) -> Judgement:
    """The meaning of a reply."""
    if reply.status is None:
        return Judgement("ambiguous" if reply.sent else "again", reply.trouble)
    request_id = next((reply.headers[name] for name in _REQUEST_IDS if name in reply.headers), "")
    if reply.status < 300 and reply.image is not None:
        return Judgement("image", image=reply.image, request_id=request_id, status=reply.status)
    body = _object(reply.body)
    usage = _counts((body or {}).get("usage"))
    said = _Said(reply.body, body)

    def told(kind: Kind, reason: str, **more: Any) -> Judgement:
        return Judgement(kind, reason, said.code, said.categories, request_id, usage, status=reply.status, **more)

    if reply.status < 300:
        if body is None:
            return told("ambiguous", "the answer is cut short or is no JSON")
        if said.refuses_by_code:
            return told("refused", said.text or said.code)
        if said.error:
            return told("again", f"an error in an answer of status {reply.status}: {said.text}")
        return _image(body, told)
    wait = _retry_after(reply.headers)
    reason = f"status {reply.status}: {said.text}"
    if reply.status < 500:
        if said.refuses_by_code and reply.status in (400, 403, 409, 422):
            return told("refused", said.text or said.code)
        for word in (said.code, said.kind):
            if word in STOP_CODES:
                return told("stop", f"{STOP_CODES[word]} ({reason})")
        if reply.status in STOP_STATUS:
            return told("stop", f"{STOP_STATUS[reply.status]} ({reason})")
    if reply.status in UNSEEN_STATUS:
        return told("ambiguous", reason, retry_after=wait)
    if reply.status in (408, 409, 425, 429) or reply.status >= 500:
        return told("again", reason, retry_after=wait)
    if _OUTAGE.search(said.text) or said.kind in ("server_error", "internal_error"):
        return told("again", reason, retry_after=wait)
    if reply.status in (400, 422) and not said.code and not said.of_setting and _SAFETY.search(said.text):
        return told("refused", said.text)
    return told("failed", reason)


class _Said:
    """The error of a body, in whichever shape services give it."""

    def __init__(self, raw: bytes, body: dict[str, Any] | None) -> None:
        self.error: Any = (body or {}).get("error")
        table: dict[str, Any] = self.error if isinstance(self.error, dict) else body or {}
        data = (body or {}).get("data")
        first = next((entry for entry in data if isinstance(entry, dict)), {}) if isinstance(data, list) else {}
        own = first.get("error")
        inner: dict[str, Any] = own if isinstance(own, dict) else {}
        ended = str(first.get("finish_reason") or "").lower()
        self.code = str(table.get("code") or inner.get("code") or "").lower()
        self.code = self.code or (ended if ended in REFUSAL_CODES else "")
        self.kind = str(table.get("type") or inner.get("type") or "").lower()
        words = self.error if isinstance(self.error, str) else table.get("message") or inner.get("message")
        words = words or table.get("detail") or ("" if body is not None else raw[:400].decode("utf-8", "replace"))
        self.text = str(words)
        param = str(table.get("param") or "").lower()
        self.of_setting = param not in ("", "prompt", "input", "inputs") or bool(_SETTING.search(self.text))
        listed = table.get("safety_violations") or inner.get("safety_violations")
        found = _CATEGORIES.search(self.text)
        if not isinstance(listed, list):
            listed = found[1].split(",") if found else _filtered(table)
        self.categories = tuple(str(word).strip() for word in listed if str(word).strip())

    @property
    def refuses_by_code(self) -> bool:
        """Whether a code, or a type with a message, says that content was judged."""
        if self.code in REFUSAL_CODES:
            return True
        return self.kind == "image_generation_user_error" and bool(_SAFETY.search(self.text))


def _filtered(table: Mapping[str, Any]) -> list[str]:
    """Categories of an Azure content filter that struck."""
    inner = table.get("inner_error") or table.get("innererror") or {}
    if not isinstance(inner, dict):
        return []
    results = inner.get("content_filter_results") or inner.get("content_filter_result") or {}
    struck = results.items() if isinstance(results, dict) else ()
    return [str(name) for name, entry in struck if isinstance(entry, dict) and entry.get("filtered")]


def _image(body: Mapping[str, Any], told: Callable[..., Judgement]) -> Judgement:
    data = body.get("data")
    entry = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    text = entry.get("b64_json")
    if not isinstance(text, str) or not text:
        if entry.get("url"):
            return told("stop", "the service sent a link, no image: set parameters: {response_format: b64_json}")
        return told("again", "no image in the answer")
    try:
        return told("image", "", image=base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return told("again", "the image is no valid base64")


def _counts(usage: Any) -> dict[str, Any]:
    """The counts of tokens in a `usage`, one level of tables deep: nothing else of it is kept, no name of its own."""
    if not isinstance(usage, dict):
        return {}
    found: dict[str, Any] = {name: usage[name] for name in _COUNTED if name in usage}
    flat = {name: value for name, value in found.items() if _is_count(value)}
    return flat | {
        name: {k: table[k] for k in _COUNTED if _is_count(table.get(k))}
        for name, table in found.items() if isinstance(table, dict)
    }  # fmt: skip


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST_TOKENS


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait: retry-after-ms, or Retry-After as seconds or a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "").strip()
        if not text:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text)
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
