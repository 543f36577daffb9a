"""The reading page in a real browser."""

from __future__ import annotations

import base64
import io
import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blinded_folder import Folder, write_blinded
from PIL import Image

from lungeval.reading.serving import Room
from lungeval.reading.store import Store
from lungeval.records import Reading

playwright = pytest.importorskip("playwright.sync_api")
scripted_reader = pytest.importorskip("scripted_reader")

pytestmark = pytest.mark.browser
PAGE = Path(__file__).parents[1] / "lungeval" / "reading" / "page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with scripted_reader.chromium() as opened:
        yield opened


class House:
    """A served study and a browser to read it in."""

    def __init__(self, root: Path, browser: Any) -> None:
        self.root = root
        self.browser = browser
        self.room = Room()
        self.contexts: list[Any] = []
        self.complaints: list[str] = []
        self.asked: list[str] = []

    def serve(self, public_url: str = "", port: int = 0, **study: Any) -> House:
        self.folder: Folder = write_blinded(self.root / "1-blinded", **study)
        self.room.start(self.folder.path, self.root / "readings.db", public_url=public_url, port=port)
        self.links = self.room.links(self.folder.tokens)
        return self

    def page(self, width: int = 1280, height: int = 800, **options: Any) -> Any:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.on("request", lambda request: self.asked.append(request.url))
        return page

    def readings(self, reader: str = "r1") -> list[Reading]:
        with Store.open(self.root / "readings.db") as store:
            assert store.verify_chain() == []
            return [row for row in store.readings() if row.reader == reader]

    def viewing(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.root / "readings.db")) as raw:
            return [json.loads(text) for (text,) in raw.execute("SELECT viewing FROM readings ORDER BY number")]

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.room.stop()


@pytest.fixture
def house(tmp_path: Path, browser: Any) -> Iterator[House]:
    made = House(tmp_path, browser)
    yield made
    made.close()


def open_(page: Any, number: int) -> None:
    page.wait_for_selector(f"html[data-open='{number}']")


def begin(page: Any, link: str, number: int = 1) -> None:
    page.goto(link)
    page.wait_for_selector("html[data-view=intro]")
    page.click("#start")
    open_(page, number)


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def cases(house: House) -> list[str]:
    return [url.rpartition("/")[2] for url in house.asked if "/api/case/" in url]


def test_a_study_is_read_by_keys(house: House) -> None:
    house.serve(consent="I take part.", ribbon="Rehearsal", prevalence="Half are fake.", cases=4)
    page = house.page(color_scheme="dark")
    page.goto(house.links["r1"])
    page.wait_for_selector("html[data-view=consent]")
    assert page.locator("#ribbon").inner_text() == "Rehearsal"
    assert "token" not in page.url
    assert not page.evaluate("history.length > 2")
    press(page, "Enter")  # agreeing is a decision: no key does it unasked
    page.wait_for_selector("html[data-view=consent]")
    page.click("#agree")
    page.wait_for_selector("html[data-view=intro]")
    assert "Half are fake." in page.locator("#intro").inner_text()
    press(page, "Enter")
    open_(page, 1)
    assert page.locator("#count").inner_text() == "1 of 5"
    assert page.locator(":checked").count() == 0
    press(page, "Enter", "3", "Enter")  # nothing is chosen: nothing happens
    press(page, "r", "f", "2", "5", "Enter")  # the last choice of each counts
    open_(page, 2)
    press(page, "u", "Enter")
    open_(page, 3)
    press(page, "R", "1", "Enter")
    open_(page, 4)
    press(page, "f", "4", "u", "f", "Enter")  # unsure has no confidence, so it must be said again
    assert page.locator("html").get_attribute("data-open") == "4"
    press(page, "2", "Enter")
    open_(page, 5)
    press(page, "r", "3", "Enter")
    page.wait_for_selector("html[data-view=end]")
    assert "all 5 images" in page.locator("#end").inner_text()
    rows = house.readings()
    assert [(row.label, row.confidence) for row in rows] == [
        ("fake", 5), ("unsure", None), ("real", 1), ("fake", 2), ("real", 3),
    ]  # fmt: skip
    assert all(row.rt_ms is not None and 0 <= row.rt_ms < 15_000 for row in rows)
    assert all(url.startswith(house.room.url) for url in house.asked)
    assert house.complaints == []


def test_a_study_is_read_by_mouse_and_nothing_jumps(house: House) -> None:
    house.serve(cases=2)
    page = house.page()
    begin(page, house.links["r1"])
    places = page.evaluate("[...document.querySelectorAll('.face, #confirm')].map(e => e.getBoundingClientRect().top)")
    assert page.locator("#confirm").is_disabled()
    page.get_by_label("Fake").check()
    assert page.locator("#confirm").is_disabled()
    page.get_by_label("4").check()
    after = page.evaluate("[...document.querySelectorAll('.face, #confirm')].map(e => e.getBoundingClientRect().top)")
    assert after == places
    page.click("#tool-invert")
    page.click("#theme")
    press(page, "Enter")  # a tool that was clicked does not keep the focus
    open_(page, 2)
    page.get_by_label("Unsure").check()
    page.get_by_role("button", name="Confirm").click()
    open_(page, 3)
    assert [(row.label, row.confidence) for row in house.readings()] == [("fake", 4), ("unsure", None)]
    assert [view["inverted"] for view in house.viewing()] == [True, False]


def test_a_study_without_unsure_or_confidence(house: House) -> None:
    house.serve(cases=2, repeats=0, answers={"labels": ["real", "fake"], "confidence": 0})
    page = house.page()
    begin(page, house.links["r1"])
    assert page.locator("#sure").is_hidden()
    press(page, "u", "Enter", "f", "Enter")
    open_(page, 2)
    press(page, "r", "Enter")
    page.wait_for_selector("html[data-view=end]")
    assert [(row.label, row.confidence) for row in house.readings()] == [("fake", None), ("real", None)]


def test_ten_levels_have_the_zero_for_ten(house: House) -> None:
    house.serve(cases=1, repeats=0, answers={"labels": ["real", "fake"], "confidence": 10})
    page = house.page()
    begin(page, house.links["r1"])
    press(page, "f", "0", "Enter")
    page.wait_for_selector("html[data-view=end]")
    assert house.readings()[0].confidence == 10


def test_reload_resumes_and_another_window_takes_over(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    press(page, "f", "3", "Enter")
    open_(page, 2)
    page.reload()
    page.wait_for_selector("html[data-view=intro]")
    assert "Welcome back" in page.locator("#intro").inner_text()
    page.click("#start")
    open_(page, 2)
    other = house.page()
    begin(other, house.links["r1"], 2)
    press(page, "r", "3", "Enter")
    page.wait_for_selector("html[data-view=message]")
    assert "Opened elsewhere" in page.locator("#message").inner_text()
    press(other, "u", "Enter")
    open_(other, 3)
    assert [row.label for row in house.readings()] == ["fake", "unsure"]


def test_a_second_tab_of_one_browser_takes_over(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    other = page.context.new_page()
    begin(other, house.links["r1"])
    press(page, "r", "3", "Enter")
    page.wait_for_selector("html[data-view=message]")
    page.click("#message-act")
    page.wait_for_selector("html[data-view=intro]")
    assert "1 of 7 images read" in page.locator("#intro").inner_text()  # the answer was kept, and sent now
    assert [row.label for row in house.readings()] == ["real"]


def test_two_readers_share_a_browser(house: House) -> None:
    house.serve()
    first = house.page()
    begin(first, house.links["r1"])
    second = first.context.new_page()
    begin(second, house.links["r2"])
    press(first, "f", "1", "Enter")
    open_(first, 2)
    press(second, "r", "2", "Enter")
    open_(second, 2)
    assert [row.label for row in house.readings("r1")] == ["fake"]
    assert [row.label for row in house.readings("r2")] == ["real"]


def test_an_answer_outlives_a_lost_connection(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    page.context.set_offline(True)
    press(page, "f", "3", "Enter")
    page.wait_for_selector("#status[data-kind=trouble]")
    assert "Your answer is kept" in page.locator("#status").inner_text()
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    press(page, "r", "Enter")  # too late to change it
    page.context.set_offline(False)
    open_(page, 2)
    assert "your answer is saved" in page.locator("#status").inner_text()
    assert [row.label for row in house.readings()] == ["fake"]


def test_an_answer_outlives_a_reload(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    page.route("**/api/answer", lambda route: route.abort())
    press(page, "f", "3", "Enter")
    page.wait_for_selector("#status[data-kind=trouble]")
    page.unroute("**/api/answer")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.wait_for_selector("html[data-view=intro]")
    assert "1 of 7 images read" in page.locator("#intro").inner_text()
    assert [row.label for row in house.readings()] == ["fake"]


def test_an_answer_that_arrived_unheard_is_stored_once(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])

    def deaf(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/answer", deaf, times=1)
    press(page, "f", "3", "Enter")
    open_(page, 2)
    assert len(house.readings()) == 1


def test_a_page_goes_on_when_the_server_was_killed_and_started_again(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    port = int(house.room.url.rpartition(":")[2])
    process = house.room._process
    assert process is not None
    process.kill()
    process.wait()
    press(page, "f", "3", "Enter")
    page.wait_for_selector("#status[data-kind=trouble]")
    house.room.start(house.folder.path, house.root / "readings.db", port=port)
    open_(page, 2)
    press(page, "r", "3", "Enter")
    open_(page, 3)
    assert [row.label for row in house.readings()] == ["fake", "real"]


def test_a_broken_picture_is_fetched_again(house: House) -> None:
    house.serve()
    page = house.page()
    page.route("**/api/case/*", lambda route: route.fulfill(body=b"short"), times=2)
    begin(page, house.links["r1"])
    assert len(cases(house)) >= 2


def test_exactly_one_picture_is_fetched_ahead(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    slots = [slot.presentation for slot in house.folder.of("r1")]
    for number in range(1, 8):
        page.wait_for_load_state("networkidle")
        assert cases(house) == slots[: number + 1]
        press(page, "f", "3", "Enter")
        page.wait_for_selector(f"html:is([data-view=end], [data-open='{number + 1}'])")


def picture(page: Any) -> np.ndarray[Any, Any]:
    """The painted canvas, one channel."""
    png = page.evaluate("document.getElementById('picture').toDataURL('image/png').split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L"))


def shows(page: Any, place: str, words: str) -> None:
    playwright.expect(page.locator(place)).to_contain_text(words)


def no_longer(page: Any, place: str, words: str) -> None:
    playwright.expect(page.locator(place)).not_to_contain_text(words)


def test_the_picture_is_what_was_served(house: House) -> None:
    house.serve(shapes={"xray": (1, 200, 200)})
    page = house.page(800, 500)
    begin(page, house.links["r1"])
    raw = np.frombuffer((house.folder.path / "cases" / f"{house.folder.plan[0].case}.raw").read_bytes(), np.uint8)
    raw = raw.reshape(200, 200)
    page.click("#tool-one")
    no_longer(page, "#zoom", "100%")
    page.wait_for_timeout(50)
    seen = picture(page)
    top, left = ((n - 200) // 2 for n in seen.shape)
    rows, cols = min(200, seen.shape[0]), min(200, seen.shape[1])
    best = min(
        float(np.abs(window.astype(int) - raw[y : y + rows, :cols].astype(int)).mean())
        for y in range(200 - rows + 1)
        for dy in (0, 1)
        for dx in (0, 1)
        if (window := seen[max(top, 0) + dy :, left + dx :][:rows, :cols]).shape == (rows, cols)
    )
    assert best < 4  # a half-pixel shift of grainy pixels at most


def test_window_zoom_and_pan(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    zoom, levels = page.locator("#zoom"), page.locator("#levels")
    first = picture(page)
    page.mouse.move(400, 400)
    page.mouse.wheel(0, -400)
    shows(page, "#zoom", "190%")
    page.mouse.down()
    page.mouse.move(500, 380, steps=4)
    page.mouse.up()
    no_longer(page, "#levels", "W 256")
    assert levels.text_content() == "W 331  L 118"
    before = picture(page)
    page.mouse.down(button="right")
    page.mouse.move(430, 380, steps=4)
    page.mouse.up(button="right")
    page.wait_for_timeout(60)
    moved = picture(page)
    assert np.array_equal(moved[:, :-70], before[:, 70:])
    assert levels.text_content() == "W 331  L 118"
    press(page, "i")
    page.wait_for_selector("#tool-invert[aria-pressed=true]")
    press(page, "Escape")
    shows(page, "#zoom", "100%")
    assert np.array_equal(picture(page), first)
    press(page, "z")
    no_longer(page, "#zoom", "100%")
    page.mouse.dblclick(400, 400)
    shows(page, "#zoom", "100%")
    assert zoom.text_content() == "100%"
    press(page, "ArrowRight", "ArrowUp")
    press(page, "f", "1", "Enter")
    open_(page, 2)
    (view,) = house.viewing()
    assert view["window"] == 264
    assert view["level"] == 124
    assert view["zoom_max"] == 1.9
    assert view["inverted"] is True
    assert view["dpr"] == 1
    assert view["width"] == 960
    assert {"blurs", "hidden_ms", "height"} < view.keys()
    page.wait_for_timeout(60)
    assert levels.text_content() == "W 256  L 128"


def test_space_moves_and_touch_pinches(house: House) -> None:
    house.serve()
    page = house.page(has_touch=True)
    begin(page, house.links["r1"])
    page.click("#tool-in")
    page.mouse.move(400, 300)
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(440, 300, steps=2)
    page.mouse.up()
    page.keyboard.up(" ")
    assert page.locator("#levels").text_content() == "W 256  L 128"
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    before = page.locator("#zoom").text_content()
    touch("touchStart", (400, 300), (500, 300))
    touch("touchMove", (350, 300), (550, 300))
    touch("touchMove", (300, 300), (600, 300))
    touch("touchEnd")
    no_longer(page, "#zoom", before)
    assert int(page.locator("#zoom").text_content()[:-1]) > 250
    assert page.locator("#levels").text_content() == "W 256  L 128"


def slice_told(page: Any, number: int, total: int) -> None:
    playwright.expect(page.locator("#slice-told")).to_have_text(f"Slice {number} of {total}")
    assert page.locator("#slice").get_attribute("aria-valuetext") == f"slice {number} of {total}"


def raw_slice(house: House, case: str, number: int, side: int) -> np.ndarray[Any, Any]:
    levels = np.frombuffer((house.folder.path / "cases" / f"{case}.raw").read_bytes(), np.uint8)
    return levels.reshape(-1, side, side)[number - 1]


def test_a_stack_opens_in_the_middle_and_is_scrolled_by_wheel_and_keys(house: House) -> None:
    house.serve(shapes={"ct": (24, 48, 48)}, cases=2)
    page = house.page()
    begin(page, house.links["r1"])
    slice_told(page, 12, 24)
    first = picture(page)
    page.mouse.move(400, 400)
    page.mouse.wheel(0, 120)
    slice_told(page, 14, 24)
    page.wait_for_timeout(60)
    assert not np.array_equal(first, picture(page))
    assert page.locator("#zoom").text_content() == "100%"
    press(page, "ArrowUp", "ArrowUp")
    slice_told(page, 12, 24)
    page.wait_for_timeout(60)
    assert np.array_equal(picture(page), first)
    assert page.locator("#levels").text_content() == "W 256  L 128"
    press(page, "Shift+ArrowUp", "ArrowRight")
    slice_told(page, 12, 24)
    shows(page, "#levels", "W 264  L 124")
    press(page, "Escape", "PageDown", "PageDown")
    slice_told(page, 24, 24)
    press(page, "Home")
    slice_told(page, 1, 24)
    press(page, "End", "ArrowDown")
    slice_told(page, 24, 24)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    no_longer(page, "#zoom", "100%")
    slice_told(page, 24, 24)
    press(page, "f", "3", "Enter")
    open_(page, 2)
    slice_told(page, 12, 24)
    page.wait_for_timeout(60)
    assert 4 <= house.viewing()[0]["slices_seen"] <= 6  # 12, 14, 24, 1; 13 and 22 where a frame was drawn in between
    assert house.complaints == []


def test_a_stack_is_scrolled_by_slider_and_by_dragging(house: House) -> None:
    house.serve(shapes={"ct": (24, 48, 48)}, cases=1, repeats=0)
    page = house.page()
    begin(page, house.links["r1"])
    box = page.locator("#slice").bounding_box()
    assert box["width"] >= 43.9
    assert box["height"] > 400
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    slice_told(page, 24, 24)
    assert page.evaluate("document.activeElement.id") == "picture"  # so that Enter stays Confirm
    page.locator("#slice").focus()
    press(page, "ArrowUp", "ArrowLeft", "ArrowRight", "ArrowUp", "PageUp")
    slice_told(page, 12, 24)
    press(page, "s")
    page.wait_for_selector("#tool-slice[aria-pressed=true]")
    page.mouse.move(400, 300)
    page.mouse.down()
    page.mouse.move(400, 400, steps=10)
    page.mouse.up()
    page.wait_for_timeout(60)
    turned = int(page.locator("#slice-told b").inner_text())
    assert 15 <= turned <= 18
    assert page.locator("#levels").text_content() == "W 256  L 128"
    press(page, "w")
    page.mouse.down()
    page.mouse.move(500, 400, steps=4)
    page.mouse.up()
    no_longer(page, "#levels", "W 256")
    slice_told(page, turned, 24)


def test_a_finger_turns_the_slices_of_a_stack_at_first(house: House) -> None:
    house.serve(shapes={"ct": (24, 48, 48), "xray": (1, 48, 48)}, cases=2, repeats=0)
    page = house.page(1024, 768, has_touch=True, is_mobile=True)
    begin(page, house.links["r1"])
    session = page.context.new_cdp_session(page)

    def drag() -> None:  # ends at rest: browsers take a tap upon a fling for its end
        for kind, y in (("touchStart", 300), ("touchMove", 320), ("touchMove", 380)):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": 300, "y": y, "id": 0}]})
        page.wait_for_timeout(250)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(60)

    drag()
    assert int(page.locator("#slice-told b").inner_text()) > 13
    assert page.locator("#levels").text_content() == "W 256  L 128"
    page.locator(".choice", has_text="Unsure").tap()
    page.locator("#confirm").tap()
    open_(page, 2)
    assert page.locator("#rail").is_hidden()
    assert page.locator("#tool-slice").is_hidden()
    drag()
    no_longer(page, "#levels", "W 256  L 128")  # a radiograph has no slices: dragging is the window, as ever
    assert [view.get("slices_seen", 0) > 1 for view in house.viewing()] == [True]


SLOW_LINE = """(() => {
  const fast = window.fetch;
  window.fetch = async (path, options) => {
    const response = await fast(path, options);
    if (!path.startsWith("api/case/")) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    let come = 0;
    return new Response(new ReadableStream({
      async pull(stream) {
        await new Promise((done) => setTimeout(done, 150));
        if (come >= bytes.length) return stream.close();
        stream.enqueue(bytes.slice(come, (come += Math.ceil(bytes.length / 12))));
      },
    }));
  };
})()"""


def test_a_large_stack_tells_how_much_of_it_has_come(house: House) -> None:
    house.serve(shapes={"ct": (64, 256, 256)}, cases=1, repeats=0)
    page = house.page()
    page.add_init_script(SLOW_LINE)
    page.goto(house.links["r1"])
    page.wait_for_selector("html[data-view=intro]")
    page.click("#start")
    shows(page, "#loading", "Loading 64 slices")
    page.wait_for_selector("#loading progress:visible")
    first = page.locator("#loading progress").evaluate("bar => bar.value")
    page.wait_for_timeout(350)
    assert page.locator("#loading progress").evaluate("bar => bar.value") > first
    assert page.locator("#loading progress").is_visible()
    open_(page, 1)
    assert page.locator("#loading").is_hidden()
    slice_told(page, 32, 64)
    case = house.folder.of("r1")[0].case
    page.click("#tool-one")
    page.wait_for_timeout(80)
    seen, raw = picture(page), raw_slice(house, case, 32, 256)
    top, left = ((size - 256) // 2 for size in seen.shape)
    near = seen[top : top + 256, left : left + 256].astype(int) - raw
    assert np.abs(near).mean() < 6  # half a pixel of grain at most


def test_practice_comes_first_and_breaks_come_between_blocks(house: House) -> None:
    house.serve(cases=4, repeats=0, practice=2, blocks=2)
    page = house.page()
    page.goto(house.links["r1"])
    page.wait_for_selector("html[data-view=intro]")
    assert "4 images" in page.locator("#intro-eyebrow").inner_text()
    assert "First come 2 practice images" in page.locator("#intro").inner_text()
    press(page, "Enter")
    for number in (1, 2):
        page.wait_for_selector(f"html[data-open=practice-{number}]")
        assert page.locator("#count").inner_text() == f"Practice {number} of 2: not counted"
        press(page, "f", "3", "Enter")
    page.wait_for_selector("html[data-view=pause]")
    assert page.locator("#pause h1").inner_text() == "The study begins now"
    assert page.evaluate("document.activeElement.id") == "pause-title"
    assert "right" not in page.locator("#pause").inner_text()  # no feedback
    page.reload()  # closing the page at the threshold is no harm
    page.wait_for_selector("html[data-view=intro]")
    assert page.locator("#start").inner_text() == "Go on with image 1"
    assert page.locator("#practice-first").is_hidden()
    press(page, "Enter")
    for number in (1, 2):
        open_(page, number)
        assert page.locator("#count").inner_text() == f"{number} of 4"
        press(page, "r", "3", "Enter")
    page.wait_for_selector("html[data-view=pause]")
    assert "Block 1 of 2 is done" in page.locator("#pause").inner_text()
    assert "2 of 4 images" in page.locator("#pause").inner_text()
    press(page, "r", "3")  # no key answers here
    page.wait_for_timeout(400)
    press(page, "Enter")
    open_(page, 3)
    assert page.locator(":checked").count() == 0
    press(page, "r", "3", "Enter")
    open_(page, 4)
    press(page, "r", "3", "Enter")
    page.wait_for_selector("html[data-view=end]")
    assert "all 4 images" in page.locator("#end").inner_text()
    rows = house.readings()
    assert [row.kind for row in rows] == ["practice"] * 2 + ["main"] * 4
    assert rows[4].rt_ms is not None
    assert house.complaints == []


@pytest.mark.parametrize("frames", [1, 40])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1280, 680), (768, 1024), (1024, 768), (390, 844)])
def test_every_size_has_room_for_fingers(house: House, width: int, height: int, frames: int) -> None:
    house.serve(ribbon="Rehearsal: phantom images and simulated readers", shapes={"ct": (frames, 48, 48)})
    page = house.page(width, height, has_touch=True)
    begin(page, house.links["r1"])
    boxes = page.evaluate(
        """[...document.querySelectorAll("#reading button, .choice, #bar button, #slice")].filter(e => e.offsetParent)
        .map(e => { const b = e.getBoundingClientRect(); return [e.textContent, b.left, b.top, b.right, b.bottom] })"""
    )
    assert len(boxes) >= 17
    for text, left, top, right, bottom in boxes:
        assert right - left >= 43.9, text
        assert bottom - top >= 43.9, text
        assert left >= 0, text
        assert right <= width, text
        assert bottom <= height, text
    stage = page.locator("#stage").bounding_box()
    assert stage["height"] >= min(0.45 * height, 0.8 * width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".choice", has_text="Fake").tap()
    page.locator("#sure .choice", has_text="4").tap()
    page.locator("#confirm").tap()
    open_(page, 2)
    assert [(row.label, row.confidence) for row in house.readings()] == [("fake", 4)]


def test_names_focus_and_contrast(house: House) -> None:
    house.serve()
    page = house.page()
    begin(page, house.links["r1"])
    assert page.evaluate("document.activeElement.id") == "picture"
    tree = page.locator("#reading").aria_snapshot()
    for name in ('group "Is this image real or fake?"', 'radio "Real"', 'radio "Unsure"', 'radio "Fake"', 'radio "5"',
                 'group "How sure are you?"', 'button "Zoom in"', 'toolbar "How the image is shown"',
                 'img "Lung image 1 of 7"'):  # fmt: skip
        assert name in tree
    press(page, "f", "3", "Enter")
    open_(page, 2)
    assert page.evaluate("document.activeElement.id") == "picture"
    press(page, "?")
    assert page.locator("#help").is_visible()
    press(page, "f")
    assert page.locator(":checked").count() == 0  # behind the help no key answers
    press(page, "Escape")
    assert page.locator("#help").is_hidden()
    assert page.evaluate("document.activeElement.id") == "picture"
    names = "text muted accent warn on-accent ground panel raised line warn-ground edge"
    colours = f"""() => {{ const set = getComputedStyle(document.documentElement);
      return "{names}".split(" ").map(name => ["--" + name, set.getPropertyValue("--" + name).trim()]) }}"""
    for _ in ("dark", "light"):
        known = {name: luminance(value) for name, value in page.evaluate(colours)}
        for ink, ground, least in (
            ("--text", "--ground", 7), ("--text", "--panel", 7), ("--text", "--raised", 7), ("--text", "--line", 7),
            ("--muted", "--ground", 4.5), ("--muted", "--panel", 4.5), ("--muted", "--raised", 4.5),
            ("--on-accent", "--accent", 4.5), ("--warn", "--warn-ground", 7), ("--warn", "--panel", 4.5),
            ("--edge", "--panel", 3), ("--accent", "--panel", 3),
        ):  # fmt: skip
            low, high = sorted((known[ink], known[ground]))
            assert (high + 0.05) / (low + 0.05) >= least, (ink, ground)
        page.click("#theme")


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = (int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4))
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_theme_follows_the_system_but_reading_is_dark(house: House) -> None:
    house.serve()
    page = house.page(color_scheme="light")
    theme = "document.documentElement.dataset.theme"
    page.goto(house.links["r1"])
    page.wait_for_selector("html[data-view=intro]")
    assert page.evaluate(theme) == "light"
    page.click("#start")
    open_(page, 1)
    assert page.evaluate(theme) == "dark"
    page.click("#theme")
    assert page.evaluate(theme) == "light"
    page.reload()
    page.wait_for_selector("html[data-view=intro]")
    page.click("#start")
    open_(page, 1)
    assert page.evaluate(theme) == "light"


def test_without_a_link_the_page_asks_for_it(house: House) -> None:
    house.serve()
    page = house.page()
    for address, words in (("/", "open the link"), ("/#guess", "not valid"), ("/#%E0%A4%A", "not valid")):
        page.goto("about:blank")
        page.goto(house.room.url + address)
        shows(page, "#message", words)
    page.goto(house.links["r1"])  # the same page but for the fragment: it is read all the same
    page.wait_for_selector("html[data-view=intro]")


def test_below_a_path(house: House) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    house.serve(public_url=f"http://127.0.0.1:{port}/study/one", port=port, cases=1, repeats=0)
    page = house.page()
    begin(page, house.links["r1"].replace("/#", "#"))
    press(page, "f", "3", "Enter")
    page.wait_for_selector("html[data-view=end]")
    assert house.complaints == []


def test_the_scripted_reader_reads_to_the_end(house: House) -> None:
    house.serve(consent="I take part.", readers={"r1": "scripted", "r2": "scripted"}, cases=4, practice=1, blocks=2)
    program = [sys.executable, str(Path(__file__).parent / "scripted_reader.py")]
    for reader, more in (("r1", ["--quiet"]), ("r2", ["--policy", "random", "--seed", "5"])):
        done = subprocess.run([*program, house.links[reader], *more], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert (done.stderr == "") == (reader == "r1")
    rows = house.readings("r1")
    assert len(rows) == 6
    assert (rows[1].label, rows[1].confidence) == (rows[5].label, rows[5].confidence)  # the repeat of the first
    assert len(house.readings("r2")) == 6


def test_the_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
