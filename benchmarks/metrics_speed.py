"""Image metrics beside their peers: the same features in, seconds and values out, in one run.

    python benchmarks/metrics_speed.py --make SIDE              # once: a virtual environment with the peers, 5.6 GB
    python benchmarks/metrics_speed.py --side SIDE/bin/python   # 2 cores: about 20 minutes
    python benchmarks/metrics_speed.py --sizes 200 1000         # without the peers that need the other environment

Peers: torchmetrics (FID in float64, KID with 100 subsets of 1,000), pytorch-fid (covariances, then SciPy's sqrtm),
clean-fid (KID, 100 subsets of 1,000) and prdc. They pull in torchvision, which needs another torch than ours, so they
run in an environment of their own on the same files. All times are from features (float64, d = 2,048) to the number,
imports, reading and a first call on 20 images left out, best of up to nine calls within ten seconds. Features are
rectified mixtures of latent normal variables, see metrics_features.py. Targets are printed with the ratio reached; the
exit code is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

D = 2048
PEERS = [
    "torch==2.14.1",
    "torchvision==0.29.1",
    "torchmetrics",
    "scipy<1.18",
    "scikit-learn",
    "requests",
    "tqdm",
    "pillow",
]
ALONE = ["pytorch-fid", "clean-fid", "prdc"]
TARGETS = {200: 300.0, 1000: 15.0, 10000: 2.5}
"""How many times as fast as torchmetrics the Fréchet distance is to be."""
KERNEL_TARGET = 80.0
"""How many times as fast as torchmetrics the kernel distance is to be, at n = 1,000."""


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds (best of up to nine within ten seconds) and what came out."""
    best, value, whole = float("inf"), None, 0.0
    for _ in range(9):
        began = time.perf_counter()
        value = call()
        took = time.perf_counter() - began
        best, whole = min(best, took), whole + took
        if whole > 10:
            break
    return best, value


def draw(n: int, seed: int, *, different: bool) -> np.ndarray:
    """A set of n images' features, n x 2,048."""
    from metrics_features import features

    return features(np.random.default_rng([seed, n]), n, different=different)


# --- peers, in whichever environment has them ---


def torchmetrics_fid(real: np.ndarray, fake: np.ndarray) -> float:
    """FrechetInceptionDistance on given features, float64: update and compute."""
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Given(torch.nn.Module):
        num_features = D

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    metric = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    return float(metric.compute())


def torchmetrics_kid(real: np.ndarray, fake: np.ndarray) -> float:
    """KernelInceptionDistance on given features: 100 subsets of 1,000 (or of all)."""
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    class Given(torch.nn.Module):
        num_features = D

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    metric = KernelInceptionDistance(feature=Given(), subsets=100, subset_size=min(1000, len(real)))
    metric.update(torch.from_numpy(real.astype(np.float32)), real=True)
    metric.update(torch.from_numpy(fake.astype(np.float32)), real=False)
    return float(metric.compute()[0])


def pytorch_fid(real: np.ndarray, fake: np.ndarray) -> float:
    """pytorch-fid: np.cov, then scipy.linalg.sqrtm."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    parts = [(side.mean(axis=0), np.cov(side, rowvar=False)) for side in (real, fake)]
    return float(calculate_frechet_distance(*parts[0], *parts[1]))


def clean_fid_kid(real: np.ndarray, fake: np.ndarray) -> float:
    """clean-fid's kernel distance: 100 subsets of 1,000 at most."""
    from cleanfid.fid import kernel_distance

    return float(kernel_distance(real, fake, num_subsets=100, max_subset_size=1000))


def prdc(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """The four numbers of prdc, k = 5."""
    from prdc import compute_prdc

    return {name: float(value) for name, value in compute_prdc(real, fake, nearest_k=5).items()}


PEER_CALLS: dict[str, tuple[str, Callable[..., Any]]] = {
    "torchmetrics FID": ("frechet", torchmetrics_fid),
    "pytorch-fid": ("frechet", pytorch_fid),
    "torchmetrics KID": ("kernel", torchmetrics_kid),
    "clean-fid KID": ("kernel", clean_fid_kid),
    "prdc": ("prdc", prdc),
}


def run_peers(folder: Path) -> None:
    """Inside the environment of the peers: one JSON line each."""
    import contextlib
    import io

    real, fake = np.load(folder / "real.npy"), np.load(folder / "fake.npy")
    for name, (_, call) in PEER_CALLS.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                call(real[:20], fake[:20])  # imports and first calls
                seconds, value = timed(lambda call=call: call(real, fake))
            found: dict[str, Any] = {"seconds": seconds, "value": value}
        except Exception as error:  # noqa: BLE001  (a peer that breaks is a finding)
            found = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps({"peer": name, **found}), flush=True)


# --- ours ---


def ours(real: np.ndarray, fake: np.ndarray) -> dict[str, tuple[float, Any]]:
    """Seconds and value of each of our own."""
    from lungeval.metrics.base import Settings
    from lungeval.metrics.frechet import frechet_distance, frechet_with_error
    from lungeval.metrics.frechet_excess import excess_of
    from lungeval.metrics.joint import Joint
    from lungeval.metrics.kernel import KernelMetric, kernel_distance
    from lungeval.metrics.prdc import PrdcMetric

    few = real[:20], fake[:20]
    for call in (frechet_distance, frechet_with_error, kernel_distance):
        call(*few)
    found = {
        "frechet": timed(lambda: frechet_distance(real, fake)),
        "frechet with its error": timed(lambda: frechet_with_error(real, fake)),
        "kernel": timed(lambda: kernel_distance(real, fake)),
        "kernel with error and p": timed(lambda: KernelMetric().rows(Joint(real, fake), Settings())[0].value),
        "prdc": timed(lambda: four_numbers(real, fake)),
        "prdc with their intervals": timed(
            lambda: [row.value for row in PrdcMetric().rows(Joint(real, fake), Settings(shuffles=0))]
        ),
    }
    count = 100 if len(real) <= 1000 else 6
    seconds, excess = timed(lambda: excess_of(Joint(real, fake), Settings(shuffles=count)))
    label = "frechet excess, 100 permutations" + ("" if count == 100 else f" ({count} measured, scaled)")
    found[label] = (seconds * 100 / count, excess.value)
    return found


def four_numbers(real: np.ndarray, fake: np.ndarray) -> list[float]:
    """Precision, recall, density and coverage, k = 5."""
    from lungeval.metrics.joint import Joint
    from lungeval.metrics.prdc import prdc as ours_prdc

    joint = Joint(real, fake)
    return [float(value) for value in ours_prdc(joint, 5, [joint.fakes.astype(np.int8)], 0)[0]]


def shown(value: Any) -> str:
    """A value, or several."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return " ".join(shown(one) for one in value)
    return "-" if value is None else f"{value:.10g}"


def one_size(n: int, python: str) -> list[tuple[str, float, float]]:
    """Every line of one number of images; the targets with the ratio reached."""
    real, fake = draw(n, 1, different=False), draw(n, 2, different=True)
    print(f"\nn = {n:,} a side, d = {D:,}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "real.npy", real)
        np.save(Path(folder) / "fake.npy", fake)
        command = [python, __file__, "--peers", folder]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    peers = {line["peer"]: line for line in map(json.loads, answer.stdout.splitlines())}
    if answer.returncode:
        print(f"  the peers stopped: {answer.stderr.strip().splitlines()[-1:]}")
    mine = ours(real, fake)
    for name, (seconds, value) in mine.items():
        print(f"  lungeval {name:42} {seconds:9.4f} s   {shown(value)}", flush=True)
    targets: list[tuple[str, float, float]] = []
    for name, line in peers.items():
        kind = PEER_CALLS[name][0]
        if "error" in line:
            print(f"  {name:51} not run: {line['error']}")
            continue
        ratio = line["seconds"] / mine[kind][0]
        print(f"  {name:51} {line['seconds']:9.4f} s   {shown(line['value'])}   lungeval {ratio:,.1f} x as fast")
        if name == "torchmetrics FID" and n in TARGETS:
            targets.append((f"n = {n:,}: Fréchet distance against torchmetrics", ratio, TARGETS[n]))
        if name == "torchmetrics KID" and n == 1000:
            targets.append((f"n = {n:,}: kernel distance against torchmetrics", ratio, KERNEL_TARGET))
        if kind == "frechet" and n <= 1000:
            rate = line["seconds"] / mine["frechet with its error"][0]
            targets.append((f"n = {n:,}: value with its error against {name}'s bare value", rate, 1.0))
    return targets


def make(folder: Path) -> None:
    """The environment of the peers."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *PEERS], check=True)
    subprocess.run([*pip, "--no-deps", *ALONE], check=True)


def main() -> None:
    """All sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--side", default=sys.executable, help="Python of the environment of the peers.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000, 10000])
    parser.add_argument("--peers", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peers:
        run_peers(options.peers)
        return
    if options.make:
        make(options.make)
        return
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    targets = [target for n in options.sizes for target in one_size(n, options.side)]
    print("\ntargets")
    for text, reached, wanted in targets:
        print(f"  {'PASS' if reached >= wanted else 'FAIL'}  {text}: {reached:,.1f} x, wanted {wanted:g} x")
    sys.exit(any(reached < wanted for _, reached, wanted in targets))


if __name__ == "__main__":
    main()
