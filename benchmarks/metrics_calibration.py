"""Whether the uncertainty of the Fréchet distance is what it says: errors, excess over chance and p, by simulation.

    python benchmarks/metrics_calibration.py                    # 2 cores: about 40 minutes
    python benchmarks/metrics_calibration.py --quick            # fewer replicates, no n = 5,000: about 4 minutes
    python benchmarks/metrics_calibration.py --processes 16

Features are like those of a network with d = 2,048 pooled ReLU units: 256 latent normal variables with falling spread
through a fixed random layer, rectified, with a little noise of each unit's own. `alike` draws both sets so; `different`
moves and widens the latent variables of the fakes. Every replicate has its own seed, so the number of processes changes
nothing. Each claim is printed with its figure; the exit code is 1 where one fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from metrics_features import features

from lungeval.metrics.base import Settings
from lungeval.metrics.frechet import frechet_with_error
from lungeval.metrics.frechet_excess import excess_of
from lungeval.metrics.joint import Joint
from lungeval.metrics.kernel import KernelMetric


def raw(job: tuple[int, int, bool]) -> tuple[float, float]:
    """One raw distance and its error."""
    seed, n, different = job
    draw = np.random.default_rng([seed, n, different])
    return frechet_with_error(features(draw, n, different=False), features(draw, n, different=different))


def beyond(job: tuple[int, int, int, bool]) -> tuple[float, float, float]:
    """One excess, its error and its p."""
    seed, n, m, different = job
    draw = np.random.default_rng([seed, n, m, different])
    joint = Joint(features(draw, n, different=False), features(draw, m, different=different))
    found = excess_of(joint, Settings(seed=seed))
    return found.value, found.se, found.p


def kernel(job: tuple[int, int, int, bool]) -> tuple[float, ...]:
    """One kernel distance, its error and its p."""
    seed, n, m, different = job
    draw = np.random.default_rng([seed, n, m, different])
    joint = Joint(features(draw, n, different=False), features(draw, m, different=different))
    row = KernelMetric().rows(joint, Settings(seed=seed))[0]
    return tuple(float(x) for x in (row.value, row.se, row.p) if x is not None)


FAILED: list[str] = []


def claim(text: str, holds: bool) -> None:
    """Print a claim, and note where it fails."""
    print(f"  {'PASS' if holds else 'FAIL'}  {text}", flush=True)
    if not holds:
        FAILED.append(text)


def word(different: bool) -> str:
    """As a line says it."""
    return "different" if different else "alike    "


def errors(pool: Any, sizes: Sequence[tuple[int, int]]) -> None:
    """The error of the raw distance."""
    print("raw distance: its error (root mean square) beside the standard deviation over fresh draws")
    for n, replicates in sizes:
        for different in (True, False):
            began = time.perf_counter()
            values, ses = np.array(pool.map(raw, [(s, n, different) for s in range(replicates)], chunksize=1)).T
            se, sd = float(np.sqrt((ses**2).mean())), float(values.std(ddof=1))
            text = f"n = {n:5d} {word(different)} mean {values.mean():8.4f}  SD {sd:.4f}  error {se:.4f}  "
            text += f"ratio {se / sd:.3f}  ({replicates} draws, {time.perf_counter() - began:.0f} s)"
            claim(text + "  within 25%", abs(se / sd - 1) <= 0.25)


def beyond_chance(pool: Any, call: Any, name: str, sizes: Sequence[tuple[int, int]], replicates: int) -> None:
    """What is near 0 where both sets are alike."""
    from scipy.stats import kstest

    print(f"{name}: mean, error, p and coverage of its own mean")
    for n, m in sizes:
        for different in (False, True):
            jobs = [(s, n, m, different) for s in range(replicates)]
            values, ses, ps = np.array(pool.map(call, jobs, chunksize=1)).T
            sd, se = float(values.std(ddof=1)), float(np.sqrt((ses**2).mean()))
            covered = float((abs(values - values.mean()) <= 1.96 * ses).mean())
            off = values.mean() / (sd / np.sqrt(replicates))
            uniform = float(kstest(ps, "uniform").pvalue)
            text = f"n = {n}, m = {m} {word(different)} mean {values.mean():.5g}  SD {sd:.4g}  error {se:.4g}  "
            text += f"ratio {se / sd:.3f}  coverage {covered:.3f}"
            rate = f"p < .05 in {(ps < 0.05).mean():.3f}"
            claim(f"{text}  {rate}: the error is not too small (ratio > .8)", se / sd > 0.8)
            if not different:
                claim(f"    mean {off:+.2f} Monte-Carlo errors from 0, within 3", abs(off) <= 3)
                if n == m or call is kernel:
                    claim(f"    p uniform: KS p = {uniform:.3f} > .01", uniform > 0.01)
                else:
                    claim("    p errs high, if at all: p < .05 in .07 at most", float((ps < 0.05).mean()) <= 0.07)


def main() -> None:
    """Every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        errors(pool, [(200, 60), (500, 40)] if options.quick else [(200, 1000), (500, 1000), (5000, 60)])
        count = 60 if options.quick else 200
        beyond_chance(pool, beyond, "excess over chance, 100 permutations", [(200, 200), (50, 50), (200, 40)], count)
        beyond_chance(pool, kernel, "kernel distance, 999 permutations", [(200, 200), (50, 50), (200, 40)], count)
    print(f"{'all claims hold' if not FAILED else f'{len(FAILED)} claims FAIL'}; {time.perf_counter() - began:.0f} s")
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
