"""Does the time that a picture takes to come tell whether it is real?

    python benchmarks/timing_leak.py [--cases 1000] [--readers 4] [--side 128]

A study of real and fake cases (noisy and smooth: their files compress differently) is served by the server's own
process from a folder that holds 1-blinded/ alone; readers read their lists over HTTP as the page does, each list in an
order of its own. The time from request to last byte of every /api/case response is set against the truth:
AUC = P(a fake takes longer) + P(equal)/2, with the 95% interval of DeLong, DeLong & Clarke-Pearson (1988), Biometrics
44:837. Twice: with the study in memory, and from disk with the system's cache of the file dropped after every reading
(what a study of large stacks gets). Exit status 1 where an interval is not inside [0.45, 0.55].
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from blinded_folder import Folder, opaque, write_blinded  # noqa: E402
from page_client import PageClient  # noqa: E402

from lungeval.keys import sha256_pixels  # noqa: E402
from lungeval.records import Presentation, rows_to_csv  # noqa: E402

SERVER = """
import sys
import lungeval.reading.blinded as blinded
from lungeval.reading.server import main
blinded.MEMORY_BYTES = int(sys.argv.pop(1))
sys.exit(main(sys.argv[1:]))
"""


def study(root: Path, cases: int, readers: int, side: int) -> tuple[Folder, dict[str, str]]:
    """The folder, and the truth of each presentation, which is not in it."""
    names = {f"r{n}": "scripted" for n in range(1, readers + 1)}
    folder = write_blinded(root, cases=cases, repeats=0, readers=names, shapes={"xray": (1, side, side)})
    chance, grain = random.Random(1), np.random.default_rng(1)
    ids = [opaque("case", number) for number in range(cases)]
    truth = dict(zip(ids, chance.sample(["real", "fake"] * (cases // 2), cases // 2 * 2), strict=True))
    table = ["case,modality,sha256"]
    for case in ids:
        smooth = np.full((1, side, side), 120.0) + np.linspace(0, 60, side)
        levels = smooth + (grain.normal(0, 25, smooth.shape) if truth[case] == "real" else 0)
        pixels = np.clip(levels, 0, 255).astype(np.uint8)
        (root / "cases" / f"{case}.raw").write_bytes(pixels.tobytes())
        table.append(f"{case},xray,{sha256_pixels(pixels)}")
    (root / "cases.csv").write_text("\n".join(table) + "\n")
    plan, answers = [], {}
    for reader in names:
        for position, case in enumerate(chance.sample(ids, cases), start=1):
            slot = opaque("slot", reader, position)
            plan.append(Presentation(presentation=slot, reader=reader, position=position, case=case, kind="main"))
            answers[slot] = truth[case]
    (root / "plan.csv").write_text(rows_to_csv(Presentation, plan))
    return folder, answers


def times(folder: Folder, store: Path, memory: int) -> dict[str, float]:
    """Seconds of every presentation's picture, over one server's life."""
    command = [sys.executable, "-c", SERVER, str(memory), "--blinded", str(folder.path), "--store", str(store)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the server has no pipes")
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        took: dict[str, float] = {}
        for token in folder.tokens.values():
            client = PageClient(url)
            client.enter(token)
            state = client.state()
            while state["next"]:
                slot = state["next"]
                began = time.perf_counter()
                picture = client.get(f"/api/case/{slot['presentation']}")
                took[slot["presentation"]] = time.perf_counter() - began
                if picture.status != 200:
                    raise RuntimeError(f"status {picture.status}")
                state = client.answer(slot).json
                client.seen.clear()
            client.close()
        process.stdin.close()
    return took


def delong(real: np.ndarray, fake: np.ndarray) -> tuple[float, float, float]:
    """AUC and its 95% interval."""
    above = np.searchsorted(np.sort(real), fake, "left") + np.searchsorted(np.sort(real), fake, "right")
    below = 2 * len(fake) - np.searchsorted(np.sort(fake), real, "left") - np.searchsorted(np.sort(fake), real, "right")
    by_fake, by_real = above / (2 * len(real)), below / (2 * len(fake))
    auc = float(by_fake.mean())
    half = 1.959964 * math.sqrt(by_fake.var(ddof=1) / len(fake) + by_real.var(ddof=1) / len(real))
    return auc, auc - half, auc + half


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--side", type=int, default=128)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as place:
        folder, truth = study(Path(place) / "1-blinded", options.cases, options.readers, options.side)
        for mode, memory in (("memory", 2**40), ("disk", 0)):
            took = times(folder, Path(place) / mode / "readings.db", memory)
            by_truth = {
                word: np.array([s for slot, s in took.items() if truth[slot] == word]) for word in ("real", "fake")
            }
            auc, low, high = delong(by_truth["real"], by_truth["fake"])
            inside = low >= 0.45 and high <= 0.55
            good &= inside
            median = 1000 * float(np.median(list(took.values())))
            print(
                f"{mode:6}  n {len(by_truth['real'])} real, {len(by_truth['fake'])} fake  median {median:.2f} ms  "
                f"AUC {auc:.3f} [{low:.3f}, {high:.3f}]  {'inside' if inside else 'NOT INSIDE'} [0.45, 0.55]"
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
