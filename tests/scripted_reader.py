"""A reader that is a program: opens an invite link in Chromium and reads every case with the keyboard.

    python tests/scripted_reader.py http://127.0.0.1:8000/#token --policy bright

It sees what a person sees (the painted canvas) and presses the keys a person presses. Exit status 0 when the page says
thanks. `bright` answers by the picture's brightness, so the same picture gets the same answer; `random` by a seed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
BRIGHTNESS = """() => {
  const small = document.createElement("canvas");
  small.width = small.height = 16;
  const context = small.getContext("2d");
  context.drawImage(document.getElementById("picture"), 0, 0, 16, 16);
  const bytes = context.getImageData(0, 0, 16, 16).data;
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 4) sum += bytes[i];
  return sum / 256;
}"""
Policy = Callable[[Page], tuple[str, int]]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the system's, or Playwright's own."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def bright(page: Page) -> tuple[str, int]:
    """Bright pictures are fake, dark ones real, those between unsure."""
    mean = float(page.evaluate(BRIGHTNESS))
    label = "fake" if mean > 85 else "real" if mean < 75 else "unsure"
    return label, 1 + int(mean) % 10


def at_random(seed: int) -> Policy:
    """Any label, any confidence."""
    draw = random.Random(seed)
    return lambda page: (draw.choice(["real", "fake", "unsure"]), draw.randint(1, 10))


def read_all(page: Page, link: str, policy: Policy, tell: Callable[[str], Any] = lambda text: None) -> int:
    """Read until the end page.

    Practice is read like the study; breaks are not taken.

    Returns:
        How many images were read now, practice included.
    """
    page.goto(link)
    page.wait_for_selector("html:is([data-view=consent], [data-view=intro], [data-view=end])")
    if page.locator("#agree").is_visible():
        page.click("#agree")
        page.wait_for_selector("html:is([data-view=intro], [data-view=end])")
    if page.locator("#start").is_visible():
        page.keyboard.press("Enter")
    read, last = 0, ""
    while True:
        page.wait_for_selector(f"html:is([data-view=end], [data-view=pause], [data-open]:not([data-open='{last}']))")
        if page.locator("html").get_attribute("data-view") == "pause":  # after practice, and between blocks
            tell(page.locator("#pause-eyebrow").inner_text())
            page.click("#go-on")
            page.wait_for_selector("html:not([data-view=pause])")
            continue
        last = page.locator("html").get_attribute("data-open") or ""
        if not last:
            return read
        label, confidence = policy(page)
        if not page.locator(f"input[value={label}]").count():
            label = "real"
        page.keyboard.press(label[0])
        levels = page.locator("input[name=confidence]").count()
        if levels and label != "unsure":
            page.keyboard.press(f"{(1 + (confidence - 1) % levels) % 10}")
        page.keyboard.press("Enter")
        read += 1
        tell(f"image {last}: {label}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("link", help="the invite link")
    parser.add_argument("--policy", choices=["bright", "random"], default="bright")
    parser.add_argument("--seed", type=int, default=0, help="of the random policy")
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    parser.add_argument("--screenshot", type=Path, help="save the end page here")
    options = parser.parse_args()
    tell: Callable[[str], Any] = (lambda text: None) if options.quiet else (lambda text: print(text, file=sys.stderr))
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        policy = bright if options.policy == "bright" else at_random(options.seed)
        count = read_all(page, options.link, policy, tell)
        if options.screenshot:
            page.screenshot(path=options.screenshot)
    tell(f"{count} images read")
    return 0


if __name__ == "__main__":
    sys.exit(main())
