"""A paid service that misbehaves: every outcome booked right, the cap kept, nothing asked twice, no key anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from api_server import C2PA, USD, Service, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import write_protocol

from lungeval.backends.base import Context, Made
from lungeval.backends.text_to_image_api import TextToImageBackend
from lungeval.backends.text_to_image_api.answers import Reply, judge
from lungeval.backends.text_to_image_api.ledger import Ledger
from lungeval.backends.text_to_image_api.prices import Price
from lungeval.errors import LungevalError
from lungeval.protocol import Cell, Generator
from lungeval.protocol_files import ASSETS, load_generator

KEY = "testkey51f0c0ffee5EC2E7value"
COVID = Cell(modality="xray", condition="covid_19")
OPTIONS: dict[str, Any] = {
    "size": "64x64", "backoff_s": 0.01, "timeout_s": 5.0, "attempts": 3, "concurrency": 1, "give_up_after": 3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", KEY)
    monkeypatch.setattr("os.fsync", lambda _: None)  # a busy disk takes longer than all the rest


@pytest.fixture
def backends() -> Iterator[list[TextToImageBackend]]:
    made: list[TextToImageBackend] = []
    yield made
    for backend in made:
        backend.close()


def arm(server: Service, prompts: list[str], price: dict[str, Any] | None = None, **options: Any) -> Generator:
    return Generator(
        name="api", backend="text_to_image_api", model="test-image-1-2026-01-01", prompts={"xray/covid_19": prompts},
        options=OPTIONS | {"base_url": server.url} | options,
        price={"usd_per_image": USD} if price is None else price,
    )  # fmt: skip


def backend_of(generator: Generator, store: Path | None) -> TextToImageBackend:
    return TextToImageBackend(
        Context(name="api", arm=generator, folder=Path(), seed=1, where="generators/api.yaml", store=store)
    )


def ask(backend: TextToImageBackend, count: int) -> list[Made]:
    items = backend.offer(COVID, count)
    found = {made.item.key: made for made in backend.make(items)}
    return [found[item.key] for item in items]


def log_of(store: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store / "attempts.jsonl").read_text(encoding="utf-8").splitlines()]


def agree(service: Service, store: Path) -> None:
    """The service's own book against attempts.jsonl: every request that arrived has its line `sent`, and every such
    line arrived once, unless a kill came between the line and the request (then it is told as `lost`)."""
    lines = log_of(store)
    sent = [line["attempt"] for line in lines if line["event"] == "sent"]
    arrived = [line["attempt"] for line in service.book]
    assert len(sent) == len(set(sent))
    assert len(arrived) == len(set(arrived))
    assert set(arrived) <= set(sent)
    assert set(sent) - set(arrived) <= {line["attempt"] for line in lines if line["event"] == "lost"}


# --- each misbehaviour ---

CASES: dict[str, tuple[list[str], str, int, float]] = {
    # behaviours -> outcome, requests, US dollars booked
    "good": (["good"], "made", 1, USD),
    "error": (["error", "good"], "made", 2, USD),
    "errors": (["error"], "failed", 3, 0.0),
    "error_like_refusal": (["error_like_refusal"], "failed", 3, 0.0),
    "outage_400": (["outage_400"], "failed", 3, 0.0),
    "outage_200": (["outage_200", "good"], "made", 2, 2 * USD),
    "moderation": (["moderation"], "refused", 1, 0.0),
    "words_only": (["words_only"], "refused", 1, 0.0),
    "refused_200": (["refused_200"], "refused", 1, 0.0),
    "bad_request": (["bad_request"], "failed", 1, 0.0),
    "gateway": (["gateway", "good"], "made", 2, 2 * USD),
    "silent": (["silent", "good"], "made", 2, 2 * USD),
    "truncated": (["truncated", "good"], "made", 2, 2 * USD),
    "half_json": (["half_json", "good"], "made", 2, 2 * USD),
    "bad_base64": (["bad_base64", "good"], "made", 2, 2 * USD),
    "damaged": (["damaged", "good"], "made", 2, 2 * USD),
    "empty": (["empty", "good"], "made", 2, 2 * USD),
    "wrong_size": (["wrong_size"], "rejected", 1, USD),
    "drip": (["drip", "good"], "made", 2, 2 * USD),
    "drip_error": (["drip_error", "good"], "made", 2, 2 * USD),
    "drip_head": (["drip_head", "good"], "made", 2, 2 * USD),
    "reset": (["reset", "good"], "made", 2, 2 * USD),
}
AMBIGUOUS = ("gateway", "silent", "truncated", "half_json", "drip", "drip_error", "drip_head", "reset")


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Made], Service, Path, float]:
    """All of them in one batch: outcomes, the service's book, the store, US dollars booked."""
    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, serving({f"<{n}>": c[0] for n, c in CASES.items()}) as service:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setattr("os.fsync", lambda _: None)
        prompts = [f"<{name}>" for name in CASES]
        backend = backend_of(arm(service, prompts, concurrency=30, give_up_after=100, timeout_s=2.0), store)
        found = dict(zip(CASES, ask(backend, len(CASES)), strict=True))
        spent = backend.spent_usd
        backend.close()
    assert spent is not None
    return found, service, store, spent


@pytest.mark.parametrize("how", CASES)
def test_misbehaviour_is_booked_as_what_it_is(
    how: str, misbehaved: tuple[dict[str, Made], Service, Path, float]
) -> None:
    _, outcome, requests, usd = CASES[how]
    made, service = misbehaved[0][how], misbehaved[1]
    assert made.outcome == outcome, made.reason
    assert len([line for line in service.book if line["prompt"] == f"<{how}>"]) == requests == len(made.attempts)
    assert sum(line["usd"] for line in made.attempts) == pytest.approx(usd)
    unsure = [bool(line.get("ambiguous")) for line in made.attempts]
    assert unsure == [how in AMBIGUOUS, *[False] * (requests - 1)]
    if outcome in ("made", "rejected"):
        assert made.original is not None
        assert b"caBX" + C2PA in made.original
    if outcome == "made":
        assert made.pixels is not None
        assert (made.pixels.shape, made.pixels.dtype, made.bits, made.suffix) == ((1, 64, 64), np.uint8, 8, ".png")
    if outcome == "refused":
        assert made.attempts[-1]["request_id"].startswith("req_")


def test_the_books_of_both_sides_agree(misbehaved: tuple[dict[str, Made], Service, Path, float]) -> None:
    found, service, store, spent = misbehaved
    agree(service, store)
    assert service.billed <= spent + 1e-9
    code, categories = (found["moderation"].attempts[-1][name] for name in ("code", "categories"))
    assert (code, categories) == ("moderation_blocked", ["sexual", "violence"])
    assert found["moderation"].reason.startswith("code moderation_blocked, categories sexual, violence, request req_")
    assert "code" not in found["words_only"].attempts[-1]
    assert found["wrong_size"].reason == "asked for 64x64, got 48x48"
    assert "no whole answer within 2 s" in found["drip_head"].attempts[0]["reason"]
    assert len([line for line in log_of(store) if line.get("ambiguous")]) == len(AMBIGUOUS)


@pytest.mark.parametrize(
    ("how", "low"), [("busy", 1.0), ("busy_forever", 0.3), pytest.param("busy_date", 0.5, marks=pytest.mark.slow)]
)
def test_retry_after_is_honoured_and_capped(
    how: str, low: float, tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving({"odd": [how, "good"]}) as service:
        most = {"retry_after_at_most_s": 0.3} if how == "busy_forever" else {}
        backends.append(backend_of(arm(service, ["odd"], **most), tmp_path))
        (made,) = ask(backends[0], 1)
        first, second = service.book
    assert made.outcome == "made"
    assert low <= second["at"] - first["at"] <= 20


def test_retry_after_is_read_as_seconds_milliseconds_or_a_date() -> None:
    def wait(**headers: str) -> float | None:
        return judge(Reply(429, {name.replace("_", "-"): text for name, text in headers.items()})).retry_after

    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= (wait(retry_after=date) or 0) <= 30
    assert wait(retry_after="Mon, 01 Jan 2001 00:00:00 GMT") == 0
    assert (wait(retry_after="7"), wait(retry_after_ms="250"), wait(retry_after="soon"), wait()) == (
        7,
        0.25,
        None,
        None,
    )


AZURE = {"code": "contentFilter", "message": "x", "inner_error": {"content_filter_results": {
    "violence": {"filtered": True}, "hate": {"filtered": False}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "kind", "categories"),
    [
        (400, {"error": AZURE}, "refused", ("violence",)),
        (403, {"error": {"code": "moderation_blocked", "message": ""}}, "refused", ()),
        (422, {"error": "NSFW content"}, "refused", ()),
        (200, {"data": [{"finish_reason": "CONTENT_FILTER"}]}, "refused", ()),
        (
            200,
            {"data": [{"error": {"code": "moderation_blocked", "safety_violations": ["gore"]}}]},
            "refused",
            ("gore",),
        ),
        (403, {"error": {"message": "content policy page"}}, "stop", ()),
        (400, {"error": {"code": "billing_hard_limit_reached", "message": ""}}, "stop", ()),
        (402, {}, "stop", ()),
        (503, {"error": {"code": "moderation_blocked", "message": "safety system down"}}, "again", ()),
        (429, {"error": {"message": "content policy service is overloaded"}}, "again", ()),
        (400, {"error": {"code": "invalid_prompt", "message": "see our content policy"}}, "failed", ()),
        (400, {"error": {"message": "Unknown parameter: 'moderation'"}}, "failed", ()),
        (400, {"error": {"message": "refused by our safety system", "param": "moderation"}}, "failed", ()),
        (400, {"error": {"message": "refused by our safety system", "param": "prompt"}}, "refused", ()),
        (400, {"error": {"message": "The prompt was blocked by our moderation."}}, "refused", ()),
        (400, {"error": {"message": "moderation timed out"}}, "again", ()),
        (422, {"detail": "the moderation backend is unavailable"}, "again", ()),
        (200, {"data": [{"url": "https://x/y.png"}]}, "stop", ()),
        (524, {}, "ambiguous", ()),
    ],
)
def test_what_an_answer_means(status: int, body: Any, kind: str, categories: tuple[str, ...]) -> None:
    judgement = judge(Reply(status, body=json.dumps(body).encode()))
    assert (judgement.kind, judgement.categories) == (kind, categories)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["error", "code", "message", "type", "data", "b64_json", "usage", "inner_error", "detail",
                         "safety_violations", "content_filter_results", "finish_reason", "output_tokens"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(status=st.sampled_from([200, 400, 401, 403, 404, 422, 429, 500, 504]), body=_VALUES)
def test_no_answer_breaks_the_judgement(status: int, body: Any) -> None:
    judgement = judge(Reply(status, body=json.dumps(body).encode()))
    if status >= 429:
        assert judgement.kind in ("again", "ambiguous", "stop")
    assert "key" not in judgement.usage


# --- stops ---


@pytest.mark.parametrize(
    ("how", "words"),
    [("quota", "quota is used up"), ("key", "the key is not accepted"), ("model", "the model is not there")],
)
def test_what_stops_the_arm_stops_it_at_once_and_loses_nothing(
    how: str, words: str, tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving({"chest": ["good", "good", how]}) as service:
        backend = backend_of(arm(service, ["chest"]), tmp_path)
        backends.append(backend)
        with pytest.raises(LungevalError, match=words) as stopped:
            ask(backend, 6)
        assert (stopped.value.code, stopped.value.exit, len(service.book)) == ("backend", 6, 3)
        assert "4 images are still to be made" in str(stopped.value)
        assert KEY not in str(stopped.value)
        backend.close()
        service.script = {}
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        assert [made.outcome for made in ask(backends[1], 6)] == ["made"] * 6
        assert len(service.book) == 3 + 4
        agree(service, tmp_path)
    assert KEY not in (tmp_path / "attempts.jsonl").read_text(encoding="utf-8")


def test_images_failing_in_a_row_stop_the_arm_and_stay_open(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving({"chest": ["good", "good", "error"]}) as service:
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        with pytest.raises(LungevalError, match=r"3 images in a row failed .*status 500: boom"):
            ask(backends[0], 7)
        assert len(service.book) == 2 + 3 * 3
        backends[0].close()
        service.script = {}
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        assert [made.outcome for made in ask(backends[1], 7)] == ["made"] * 7


def test_an_image_sent_as_a_link_stops_the_arm_and_is_counted(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving({"chest": ["link"]}) as service:
        backends.append(backend_of(arm(service, ["chest"], budget={"usd": 5 * USD}), tmp_path))
        with pytest.raises(LungevalError, match="sent a link, no image: set parameters"):
            ask(backends[0], 5)
        assert (len(service.book), backends[0].spent_usd) == (1, pytest.approx(service.billed))
        assert log_of(tmp_path)[-1]["images"] == 1


def test_hostile_bodies_are_outcomes_too(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    script = {"<n>": ["nested", "good"], "<h>": ["half_letter"], "<u>": ["echo_in_usage"]}
    price = {"usd_per_million_tokens": {"text_input": 0, "image_output": 40}, "output_tokens_at_most": 2000}
    with serving(script) as service:
        backends.append(backend_of(arm(service, ["<n>", "<h>", "<u>"], price), tmp_path))
        made = ask(backends[0], 3)
        assert [m.outcome for m in made] == ["made", "failed", "made"]
        assert made[1].reason == "1 request: status 400: no: [31m"
        assert made[2].attempts[0]["usd"] == 2 * USD  # an image of no tokens: as the dearest
        agree(service, tmp_path)
    assert KEY not in (tmp_path / "attempts.jsonl").read_text(encoding="utf-8")


def test_a_full_disk_ends_the_arm_though_others_wait_for_room(
    tmp_path: Path, backends: list[TextToImageBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lungeval.backends.text_to_image_api.ledger.Ledger.keep", full)
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"], concurrency=3, budget={"usd": USD}), tmp_path))
        with pytest.raises(OSError, match="No space left"):
            ask(backends[0], 3)
        assert len(service.book) == 1


def test_without_a_price_nothing_is_said_to_cost_nothing(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving({"chest": ["half_json", "good"]}) as service:
        backends.append(backend_of(arm(service, ["chest"], {}), tmp_path))
        (made,) = ask(backends[0], 1)
        assert [line["outcome"] for line in made.attempts] == ["ambiguous", "made"]
        assert all("usd" not in line and "reserved_usd" not in line for line in made.attempts)
        again = backend_of(arm(service, ["chest"], {}), tmp_path)
        assert any(notice.endswith("without an answer may have been billed") for notice in again.notices)
        assert any("no cap is set" in notice for notice in again.notices)


def test_a_service_that_was_never_there_stops_a_short_batch_too(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving() as service:
        pass
    backends.append(backend_of(arm(service, ["chest"]), tmp_path))
    with pytest.raises(LungevalError, match=r"1 image in a row failed .*3 requests: ConnectError"):
        ask(backends[0], 1)
    assert backends[0].spent_usd == 0.0
    assert not any(line.get("ambiguous") for line in log_of(tmp_path))


def test_one_failed_image_among_others_is_an_outcome(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving({"odd": ["error"]}) as service:
        backends.append(backend_of(arm(service, ["odd", "plain"]), tmp_path))
        assert [made.outcome for made in ask(backends[0], 2)] == ["failed", "made"]


# --- money ---

TOKENS = {"usd_per_million_tokens": {"text_input": 5, "image_output": 40}, "output_tokens_at_most": 2000}


def test_the_cap_is_never_passed_whatever_is_under_way(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    """$0.04 an image, $0.0803 reserved for each: with a cap of $0.50 eleven fit, and the twelfth does not."""
    with serving(slow_s=0.02) as service:
        slots = {"budget": {"usd": 0.5}, "concurrency": 4}
        backends.append(backend_of(arm(service, ["chest"], TOKENS, **slots), tmp_path))
        with pytest.raises(LungevalError, match=r"options.budget.usd = 0.5 is reached: \$0.4400 spent") as stopped:
            ask(backends[0], 16)
        assert (stopped.value.code, service.made) == ("backend", 11)
        assert service.billed <= 0.5
        assert "5 images are still to be made" in stopped.value.what
        assert "raise options.budget.usd" in stopped.value.remedy
        worst = 0.0
        held: dict[str, float] = {}
        for line in log_of(tmp_path):
            if line["event"] == "sent":
                held[line["attempt"]] = line["reserved_usd"]
            else:
                worst += line["usd"]
                del held[line["attempt"]]
            assert worst + sum(held.values()) <= 0.5 + 1e-9
        backends[0].close()
        backends.append(backend_of(arm(service, ["chest"], TOKENS, budget={"usd": 5.0}), tmp_path))
        assert [made.outcome for made in ask(backends[1], 16)] == ["made"] * 16
        assert service.made == 16
        assert backends[1].spent_usd == pytest.approx(service.billed)


def test_requests_without_an_answer_stay_counted(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving({"chest": ["reset", "good"]}) as service:
        backends.append(backend_of(arm(service, ["chest"], budget={"usd": 5 * USD}), tmp_path))
        with pytest.raises(LungevalError, match=r"1 request without an answer may have been billed, \$0.04 at most"):
            ask(backends[0], 6)
        assert service.billed == pytest.approx(5 * USD)
        assert service.made == 5


def test_a_cap_in_images_and_no_price(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"], {}, budget={"images": 3}), tmp_path))
        with pytest.raises(LungevalError, match=r"options.budget.images = 3 is reached: 3 images"):
            ask(backends[0], 4)
        assert service.made == 3
        assert backends[0].spent_usd is None
        assert backends[0].forecast(backends[0].offer(COVID, 4)).usd is None
        assert any("no price" in notice for notice in backends[0].notices)


def test_an_answer_dearer_than_the_price_says_raises_what_is_reserved(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    low = TOKENS | {"output_tokens_at_most": 10}
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"], low, budget={"usd": 0.1}), tmp_path))
        with pytest.raises(LungevalError, match=r"the next image may cost \$0.0400"):
            ask(backends[0], 4)
        assert service.billed <= 0.1


def test_the_forecast_counts_what_is_there_and_stays_under_the_cap(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"], budget={"usd": 0.5}), tmp_path))
        backend = backends[0]
        ahead = backend.forecast(backend.offer(COVID, 5))
        assert (ahead.done, ahead.usd, ahead.usd_at_most) == (0, pytest.approx(0.2), pytest.approx(0.5))
        ask(backend, 3)
        later = backend.forecast(backend.offer(COVID, 5))
        assert (later.done, later.usd, later.usd_at_most) == (3, pytest.approx(0.08), pytest.approx(0.24))


# --- the store ---


def test_what_is_in_the_store_is_never_asked_for_again(
    tmp_path: Path, backends: list[TextToImageBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"odd": ["moderation", "good"]}) as service:
        backends.append(backend_of(arm(service, ["odd", "plain"]), tmp_path))
        first = ask(backends[0], 4)
        backends[0].close()
        asked = len(service.book)
        monkeypatch.delenv("OPENAI_API_KEY")
        other = arm(service, ["odd", "plain"], {"usd_per_image": 1.0}, concurrency=2, attempts=9, timeout_s=9.0)
        backends.append(backend_of(other, tmp_path))
        second = ask(backends[1], 4)
        assert len(service.book) == asked
        assert [(m.item.key, m.outcome, m.reason, m.original) for m in first] == [
            (m.item.key, m.outcome, m.reason, m.original) for m in second
        ]
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        backends.append(backend_of(arm(service, ["odd", "plain"], retry=["refused"]), tmp_path))
        assert [made.outcome for made in ask(backends[2], 4)] == ["made"] * 4
        assert len(service.book) == asked + 1
        agree(service, tmp_path)


def test_a_crash_at_any_point_loses_no_image_and_asks_for_none_twice(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    """The log cut off after every byte count of its last lines, as a kill may leave it."""
    with serving() as service:
        generator = arm(service, ["chest"])
        backends.append(backend_of(generator, tmp_path / "whole"))
        ask(backends[0], 2)
        backends[0].close()
        raw = (tmp_path / "whole" / "attempts.jsonl").read_bytes()
        ends = [index for index, byte in enumerate(raw) if byte == 10]
        for number, cut in enumerate([*(e + 1 for e in ends), ends[1] - 7, ends[2] - 7, ends[3] - 7, 5]):
            store = tmp_path / f"cut{number}"
            (store / "originals").mkdir(parents=True)
            (store / "attempts.jsonl").write_bytes(raw[:cut])
            lines = [json.loads(line) for line in raw[:cut].split(b"\n")[:-1]]
            sent = {line["attempt"]: line["key"] for line in lines if line["event"] == "sent"}
            for key in sent.values():  # at the latest moment of this log: the image is there, its line is not
                name = f"{key}.png"
                (store / "originals" / name).write_bytes((tmp_path / "whole" / "originals" / name).read_bytes())
            before = len(service.book)
            backend = backend_of(generator, store)
            assert [made.outcome for made in ask(backend, 2)] == ["made", "made"]
            assert len(service.book) - before == 2 - len(set(sent.values()))
            backend.close()


def test_a_request_under_way_at_a_kill_is_told_as_ambiguous(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        ask(backends[0], 2)
        backends[0].close()
        path = tmp_path / "attempts.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        key = json.loads(lines[2])["key"]
        path.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
        (tmp_path / "originals" / f"{key}.png").unlink()
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        assert backends[1].spent_usd == pytest.approx(USD)
        made = ask(backends[1], 2)[1]
    assert [line["event"] for line in made.attempts] == ["lost", "answered"]
    assert made.attempts[0]["ambiguous"]
    assert backends[1].spent_usd == pytest.approx(3 * USD)


def test_two_processes_cannot_both_spend(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving() as service:
        backends += [backend_of(arm(service, ["chest"]), tmp_path) for _ in range(2)]
        ask(backends[0], 1)
        with pytest.raises(LungevalError, match="another process is asking") as busy:
            ask(backends[1], 2)
        assert busy.value.code == "busy"
        backends[0].close()
        ask(backends[1], 2)
        assert len(service.book) == 2


def test_the_reservation_is_on_disk_before_the_request_and_the_image_before_its_line(
    tmp_path: Path, backends: list[TextToImageBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    reserved: list[bool] = []
    kept: list[bool] = []
    write = Ledger._write

    def watched(ledger: Ledger, line: dict[str, Any]) -> None:
        if line["event"] == "answered":
            kept.append(any((tmp_path / "originals").glob(f"{line['attempt'].partition('-')[0]}*.png")))
        write(ledger, line)

    monkeypatch.setattr(Ledger, "_write", watched)
    with serving() as service:
        service.arrived = lambda attempt: reserved.append(attempt in [line["attempt"] for line in log_of(tmp_path)])
        backends.append(backend_of(arm(service, ["chest"], concurrency=2), tmp_path))
        ask(backends[0], 4)
    assert (reserved, kept) == ([True] * 4, [True] * 4)


def test_stopped_by_the_user_what_is_under_way_is_waited_for(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving(slow_s=0.1) as service:
        backends.append(backend_of(arm(service, ["chest"], concurrency=3, timeout_s=5.0), tmp_path))
        making = backends[0]._make(backends[0].offer(COVID, 12))
        assert next(making).outcome == "made"
        making.close()
        assert len(service.book) < 12
    events = [line["event"] for line in log_of(tmp_path)]
    assert events.count("sent") == events.count("answered") == service.made == len(service.book)


def test_an_edited_original_is_told(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving() as service:
        backends.append(backend_of(arm(service, ["chest"]), tmp_path))
        ask(backends[0], 1)
        (original,) = (tmp_path / "originals").iterdir()
        original.write_bytes(original.read_bytes() + b"x")
        with pytest.raises(LungevalError, match="not the one that the service sent"):
            ask(backends[0], 1)


# --- pace ---


def test_requests_run_side_by_side_up_to_the_limit_and_at_the_rate(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    with serving(slow_s=0.05) as service:
        backends.append(backend_of(arm(service, ["chest"], concurrency=4, timeout_s=5.0), tmp_path / "a"))
        ask(backends[0], 16)
        assert 2 <= service.busiest <= 4
    with serving() as service:
        paced = arm(service, ["chest"], concurrency=4, requests_per_minute=600.0, timeout_s=5.0)
        backends.append(backend_of(paced, tmp_path / "b"))
        ask(backends[1], 6)
        assert service.book[-1]["at"] - service.book[0]["at"] >= 0.4


def test_seeds_are_sent_and_the_order_of_arrival_does_not_matter(
    tmp_path: Path, backends: list[TextToImageBackend]
) -> None:
    found = []
    for number in (1, 8):
        with serving() as service:
            seeded = arm(service, ["a", "b"], seed=True, concurrency=number, service="local", timeout_s=5.0)
            backends.append(backend_of(seeded, tmp_path / str(number)))
            found.append({made.item.key: made.original for made in ask(backends[-1], 8)})
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 8
    items = backends[0].offer(COVID, 4)
    assert len({item.seed for item in items}) == 4
    assert [item.key for item in backends[0].offer(COVID, 8)][:4] == [item.key for item in items]


def test_the_hugging_face_client_keeps_the_raw_bytes(tmp_path: Path, backends: list[TextToImageBackend]) -> None:
    with serving({"<m>": ["moderation"], "<e>": ["error", "good"], "<s>": ["silent", "good"]}) as service:
        hub = arm(service, ["<g>", "<m>", "<e>", "<s>"], client="huggingface", seed=True, concurrency=4, timeout_s=1.0)
        backends.append(backend_of(hub, tmp_path))
        made = ask(backends[0], 4)
        assert [m.outcome for m in made] == ["made", "refused", "made", "made"], [m.reason for m in made]
        assert made[0].original is not None
        assert b"caBX" + C2PA in made[0].original
        assert made[0].attempts[0]["request_id"].startswith("req_")
        assert service.book[0]["auth"] == f"Bearer {KEY}"
        agree(service, tmp_path)


def test_an_image_that_cannot_be_fetched_from_its_link_may_have_been_billed(
    tmp_path: Path, backends: list[TextToImageBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ConnectError(Exception):
        pass

    def gone(*_: Any) -> bytes:
        raise ConnectError("the link's host is not there")

    with serving() as service:
        backends.append(backend_of(arm(service, ["<g>"], client="huggingface", attempts=1), tmp_path))
        monkeypatch.setattr("huggingface_hub.inference._providers.hf_inference.HFInferenceTask.get_response", gone)
        with pytest.raises(LungevalError, match="the link's host is not there"):
            ask(backends[0], 1)
        assert log_of(tmp_path)[-1]["ambiguous"]
        assert backends[0].spent_usd == pytest.approx(service.billed)


# --- settings ---


@pytest.mark.parametrize(
    ("options", "told", "noticed", "pays"),
    [
        ({"base_url": "https://images.example.com/v1"}, "OPENAI_API_KEY would be sent to images.example.com", "", True),
        ({"base_url": "https://openai.com.example.com/v1"}, "would be sent to", "", True),
        ({"base_url": "https://x.huggingface.co.example.com", "client": "huggingface"}, "HF_TOKEN would be", "", True),
        ({"base_url": "https://x.endpoints.huggingface.cloud", "client": "huggingface"}, "", "no cap", True),
        ({"base_url": "https://eu.api.openai.com/v1"}, "", "no cap is set", True),
        ({"base_url": "http://10.0.0.5/v1", "api_key_env": "MINE"}, "", "unencrypted", True),
        ({"base_url": "http://10.0.0.5/v1", "api_key_env": None}, "", "", False),
        ({"base_url": "http://localhost:9/v1"}, "", "", True),
    ],
)
def test_the_key_goes_to_its_own_service_alone(options: dict[str, Any], told: str, noticed: str, pays: bool) -> None:
    service = Service()
    found = arm(service, ["chest"], {}, **options)
    if told:
        with pytest.raises(LungevalError, match=told):
            backend_of(found, None)
        return
    backend = backend_of(found, None)
    assert noticed in " ".join(backend.notices)
    assert backend.pays is pays
    assert ("unencrypted" in " ".join(backend.notices)) is (noticed == "unencrypted")


def test_what_alters_the_picture_is_in_the_key_and_the_rest_is_not(tmp_path: Path) -> None:
    service = Service()
    service.url = "http://127.0.0.1:9/v1"

    def key(model: str = "test-image-1-2026-01-01", prompt: str = "chest", **options: Any) -> str:
        generator = arm(service, [prompt], **options).model_copy(update={"model": model})
        return backend_of(generator, tmp_path).offer(COVID, 1)[0].key

    plain = key()
    assert plain == key(attempts=9, concurrency=9, timeout_s=9.0, requests_per_minute=9.0, budget={"usd": 9.0})
    altered = [
        key(model="test-image-1-2026-02-02"), key(prompt="thorax"), key(size="96x64"), key(quality="low"),
        key(parameters={"background": "opaque"}), key(seed=True), key(service="elsewhere"),
    ]  # fmt: skip
    assert len({plain, *altered}) == len(altered) + 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key_env": f"sk-{KEY}"}, "options.api_key_env: looks like an API key"),
        ({"api_key": "whatever"}, "options.api_key: a key does not go into a file"),
        ({"api_key_env": "my-key"}, "not the name of an environment variable"),
        ({"parameters": {"headers": [f"Bearer {KEY}"]}}, "options.parameters.headers.0: looks like an API key"),
        ({"base_url": "http://me:pass@127.0.0.1/v1"}, "holds more than an address"),
        ({"atempts": 3}, "options.atempts: unknown key; did you mean 'attempts'?"),
        ({"budget": {"dollars": 3}}, "options.budget.dollars: unknown key"),
        ({"size": "large"}, "options.size: string should match"),
        ({"parameters": {"n": 4}}, "options.parameters.n: not to be set here"),
        ({"base_url": "https://api.openai.com/v1"}, "'moving-image' is no dated snapshot"),
        ({"client": "huggingface", "base_url": None}, "lets the service choose"),
        ({"api_key_env": None, "base_url": None}, "null without a base_url"),
    ],
)
def test_faulty_options_are_told_and_no_key_is_shown(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    service = Service()
    service.url = "http://127.0.0.1:9/v1"
    generator = arm(service, ["chest"], **options).model_copy(update={"model": "moving-image"})
    with pytest.raises(LungevalError) as fault:
        backend_of(generator, tmp_path)
    assert words in str(fault.value)
    assert fault.value.code == "protocol"
    assert "51f0c0ffee" not in str(fault.value)


@pytest.mark.parametrize(
    ("price", "options", "words"),
    [
        ({"usd_per_image": 1, "usd_per_million_tokens": {"text_input": 1, "image_output": 1}}, {}, "one of them"),
        ({"usd_per_million_tokens": {"text_input": 1, "image_output": 1}}, {}, "needs output_tokens_at_most"),
        ({"usd_per_image": -1}, {}, "price.usd_per_image"),
        ({}, {"budget": {"usd": 1.0}}, "a cap in dollars, and no price to count with"),
    ],
)
def test_faulty_prices_are_told(price: dict[str, Any], options: dict[str, Any], words: str, tmp_path: Path) -> None:
    service = Service()
    service.url = "http://127.0.0.1:9/v1"
    with pytest.raises(LungevalError, match=words):
        backend_of(arm(service, ["chest"], price, **options), tmp_path)


def test_a_bill_is_made_of_the_tokens_that_the_service_counted() -> None:
    tokens = {"text_input": 5.0, "image_input": 8.0, "image_output": 30.0}
    price = Price.model_validate({"usd_per_million_tokens": tokens, "output_tokens_at_most": 4160})
    usage = {
        "input_tokens": 120,
        "input_tokens_details": {"text_tokens": 100, "image_tokens": 20},
        "output_tokens": 1056,
    }
    assert price.bill(usage) == pytest.approx((100 * 5 + 20 * 8 + 1056 * 30) / 1e6)
    assert price.at_most("täg") == pytest.approx(((4 + 64) * 5 + 4160 * 30) / 1e6)
    assert price.bill({"output_tokens": "many"}) is None
    assert Price(usd_per_image=0.04).bill({}) == 0.04


def test_the_generator_file_that_ships_can_be_read_and_asks_for_what_it_says(tmp_path: Path) -> None:
    generator = load_generator(ASSETS / "gpt-image.yaml")
    backend = backend_of(generator, tmp_path)
    assert backend.conditions() == {"xray": {"no_finding", "covid_19", "pneumonia"}, "ct": {"covid_19"}}
    items = backend.offer(COVID, 60)
    assert len({item.prompt for item in items}) == 60
    assert backend.forecast(items).usd_at_most == pytest.approx(20.0)


def test_what_is_missing_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.url = "http://127.0.0.1:9/v1"
    monkeypatch.delenv("OPENAI_API_KEY")
    backend = backend_of(arm(service, ["chest"]), tmp_path / "store")
    items = backend.offer(COVID, 2)
    assert backend.forecast(items).usd == pytest.approx(2 * USD)
    for act in (lambda: backend.check(items), lambda: list(backend.make(items))):
        with pytest.raises(LungevalError, match="the arm 'api' needs the environment variable OPENAI_API_KEY") as gone:
            act()
        assert gone.value.code == "backend"
    with pytest.raises(LungevalError, match="OPENAI_API_KEY"):
        backend_of(arm(service, ["chest"]), None).offer(COVID, 1)
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LungevalError, match="needs the package 'openai', which is not installed"):
        backend.check(items)


# --- the command line ---


@pytest.mark.slow
def test_killed_and_resumed_it_sends_only_what_is_missing_and_shows_the_key_nowhere(tmp_path: Path) -> None:
    """A refused key, a kill -9 in the middle, and the rest; all with every log switched on."""
    options = {"api_key_env": "PAID_SERVICE_KEY", "budget": {"usd": 2.0}, "concurrency": 2, "timeout_s": 20.0}
    with serving({"chest": ["key", "good"], "odd": ["moderation"]}, slow_s=0.1) as service:
        generator = arm(service, ["odd", "chest"], seed=True, **options)
        cells = [{"modality": "xray", "condition": "covid_19"}]
        study = {"per_generator": 5, "pool": 16, "repeats": 0}
        protocol = write_protocol(tmp_path, generators=["api"], cells=cells, set=study)
        (tmp_path / "generators").mkdir()
        text = yaml.safe_dump(generator.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
        (tmp_path / "generators" / "api.yaml").write_text(text, encoding="utf-8")
        logs = tmp_path / "logs"
        logs.mkdir()

        def start(name: str, *more: str) -> subprocess.Popen[bytes]:
            environment = {
                name: text for name, text in os.environ.items() if name not in ("OPENAI_API_KEY", "HF_TOKEN")
            }
            environment |= {"OPENAI_LOG": "debug", "PAID_SERVICE_KEY": KEY}
            command = [sys.executable, "-m", "lungeval", "generate", str(protocol), *more]
            with (logs / name).open("wb") as out:
                return subprocess.Popen(command, stdout=out, stderr=out, env=environment)

        assert start("refused", "--debug").wait(120) == 1
        assert "the key is not accepted" in (logs / "refused").read_text(encoding="utf-8")
        first = len(service.book)
        assert first <= 4  # at two a time, few leave before the refused key is known
        process = start("killed")
        while len(service.book) < first + 6:
            assert process.poll() is None, (logs / "killed").read_text(encoding="utf-8")
            time.sleep(0.01)
        process.kill()
        process.wait()
        time.sleep(0.4)  # what was under way ends at the server
        made_before = {line["key"] for line in log_of(tmp_path / "reports" / "store" / "api") if "key" in line}
        assert 4 <= len(made_before) < 16
        assert start("resumed").wait(120) == 0, (logs / "resumed").read_text(encoding="utf-8")
    store = tmp_path / "reports" / "store" / "api"
    lines = log_of(store)
    agree(service, store)
    lost = [line for line in lines if line["event"] == "lost"]
    assert len(lost) <= 2
    sent = [line["key"] for line in lines if line["event"] == "sent"]
    twice = {key for key in sent if sent.count(key) > 1}
    stopped = {line["attempt"][:24] for line in lines if line["event"] == "lost" or line.get("outcome") == "stop"}
    assert {key[:24] for key in twice} == stopped
    assert len(set(sent)) == 16
    (images,) = (tmp_path / "reports").glob("*/0-images")
    assert len(list((images / "originals" / "api").iterdir())) == 8
    assert len((images / "attempts.jsonl").read_text(encoding="utf-8").splitlines()) == len(sent)
    booked = sum(line["usd"] for line in lines if "usd" in line)
    assert service.billed <= booked + 1e-9 <= 2.0
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    assert "openai._base_client" in (logs / "resumed").read_text(encoding="utf-8")  # the SDK's own log was on
