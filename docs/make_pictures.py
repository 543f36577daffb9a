"""Makes the README's pictures from phantoms: `python docs/make_pictures.py` (needs Chromium and the dev extra)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Page, sync_playwright

from lungeval.auditing.facts import ACCEPTABLE
from lungeval.reading.collecting import invites, store_path
from lungeval.reading.serving import Room
from lungeval.runs import Run

PICTURES = Path(__file__).with_name("pictures")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
STUDY: dict[str, Any] = {
    "version": 1,
    "name": "pictures",
    "seed": 5,
    "real": {"backend": "phantom", "options": {"size": 768}},
    "generators": [{"name": "gan", "backend": "phantom", "options": {"size": 768, "fidelity": 0.9}}],
    "cells": [{"modality": "xray", "condition": "no_finding"}],
    "set": {"per_generator": 10, "pool": 10},
    "blinding": {"accept": dict.fromkeys(sorted(ACCEPTABLE), "phantoms of two fidelities, for a picture")},
    "readers": [{"id": "r1", "kind": "human"}],
    "reading": {"title": "Chest film reading study"},
    "metrics": [],
}


def lungeval(*arguments: str | Path) -> dict[str, Any]:
    """A command's data."""
    command = [sys.executable, "-m", "lungeval", *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout)
    if not answer["ok"]:
        raise SystemExit(str(answer["errors"]))
    return dict(answer["data"])


def reading(page: Page, folder: Path) -> None:
    """The reading page with a phantom film, one answer chosen."""
    protocol = folder / "pictures.yaml"
    protocol.write_text(yaml.safe_dump(STUDY, sort_keys=False), encoding="utf-8")
    lungeval("generate", protocol)
    run = Run(Path(lungeval("blind", protocol)["run"]))
    with Room() as room:
        room.start(run.path("blind"), store_path(run), port=0)
        page.goto(room.links(invites(run))["r1"])
        page.wait_for_selector("html[data-view=intro]")
        page.keyboard.press("Enter")
        for number in range(1, 5):
            page.wait_for_selector(f"html[data-open='{number}']")
            if number < 4:
                page.keyboard.press("u")
                page.keyboard.press("Enter")
        page.keyboard.press("f")
        page.keyboard.press("4")
        page.wait_for_timeout(300)
        page.screenshot(path=PICTURES / "reading.png")


def report(page: Page, folder: Path) -> None:
    """The head of the demonstration's report."""
    page.goto(Path(lungeval("demo", "--into", folder)["report"]).as_uri())
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / "report.png")


def main() -> None:
    """Both pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        report(page, Path(folder))
        reading(page, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
