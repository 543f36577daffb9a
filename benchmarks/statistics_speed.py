"""CPU time of the statistics beside pandas, statsmodels and scikit-learn doing the same.

`python benchmarks/statistics_speed.py`: 10 readers x 1,000 cases (half of them fakes, 10% unsure), 2,000 bootstrap
replicates. Times are CPU seconds of this process (`time.process_time`) on one thread, the best of three, imports left
out. What would take a peer minutes is run on fewer replicates and multiplied: such times have a ~ before them and say
how many were run. `--quick` runs a tenth of everything.

Peers do what their documentation shows: pandas merges and groups a long table for each replicate; statsmodels counts
with `aggregate_raters` and calls `fleiss_kappa`, or gets a ready square table for `cohens_kappa`; scikit-learn calls
`cohen_kappa_score` for each pair. They are given the draws and draw cases only, while ours weighs readers, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

if Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    sys.path.pop(0)  # this file has the name of a module of Python
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from lungeval.statistics.bootstrap import bootstrap_estimates, draw_weights
from lungeval.statistics.canonical import ordered
from lungeval.statistics.drawing import Design, draw
from lungeval.statistics.resampled import Counted, agreement, pairwise, share
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import ReadingTable

SEVEN = (
    "balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate", "unsure_rate", "dprime", "criterion",
    "observed_agreement", "fleiss_kappa", "light_kappa", "expected_kappa", "excess_kappa",
)  # fmt: skip


def clock(work: Callable[[int], object], times: int = 1) -> float:
    """CPU seconds of one call after a first one; our own is the best of three. `times` is given to the work."""
    work(1)
    best = float("inf")
    for _ in range(3 if times == 1 else 1):
        start = time.process_time()
        work(times)
        best = min(best, time.process_time() - start)
    return best


def told(name: str, ours: float, peers: dict[str, tuple[float, int, int]]) -> None:
    """One line: our time, and each peer's with the ratio; (seconds, replicates run, replicates asked)."""
    print(f"\n{name}\n  {'lungeval':34} {ours:10.3f} s")
    for peer, (seconds, run, asked) in peers.items():
        whole = seconds * asked / run
        note = f"  (~ from {run:,} of {asked:,})" if run < asked else ""
        print(f"  {peer:34} {'~' if run < asked else ' '}{whole:9.3f} s  {whole / ours:8.0f} x{note}")


def long_table(table: ReadingTable) -> pd.DataFrame:
    """One row for each reading: reader, case, truth, code."""
    reader, case = np.nonzero(table.codes >= 0)
    return pd.DataFrame(
        {"reader": reader, "case": case, "fake": table.fake[case], "code": table.codes[reader, case].astype(int)}
    )


def pandas_accuracy(readings: pd.DataFrame, draws: np.ndarray, times: int) -> float:
    """Balanced accuracy of bootstrap samples of cases: merge, group, average."""
    right = readings.assign(score=np.where(readings.code == 1, 0.5, (readings.code == 2) == readings.fake))
    value = 0.0
    for b in range(times):
        sample = pd.DataFrame({"case": draws[b]}).merge(right, on="case")
        value = float(sample.groupby("fake")["score"].mean().mean())
    return value


def statsmodels_fleiss(codes: np.ndarray, draws: np.ndarray, times: int) -> float:
    """Fleiss' kappa of bootstrap samples of cases."""
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    value = 0.0
    for b in range(times):
        counts, _ = aggregate_raters(codes[:, draws[b]].T)
        value = float(fleiss_kappa(counts))
    return value


def statsmodels_pairs(codes: np.ndarray, draws: np.ndarray, times: int) -> float:
    """Mean of Cohen's kappas of all pairs of readers, of bootstrap samples of cases."""
    from statsmodels.stats.inter_rater import cohens_kappa

    value = 0.0
    for b in range(times):
        found = []
        for one, two in itertools.combinations(codes[:, draws[b]], 2):
            square = np.bincount(one * 3 + two, minlength=9).reshape(3, 3)
            found.append(cohens_kappa(square, return_results=False))
        value = float(np.mean(found))
    return value


def sklearn_pairs(codes: np.ndarray, draws: np.ndarray, times: int) -> float:
    """The same with scikit-learn."""
    from sklearn.metrics import cohen_kappa_score

    value = 0.0
    for b in range(times):
        value = float(np.mean([cohen_kappa_score(a, c) for a, c in itertools.combinations(codes[:, draws[b]], 2)]))
    return value


def bootstraps(quick: bool) -> None:
    """The bootstrap, whole and by estimand."""
    replicates = 200 if quick else 2000
    table = ordered(draw(
        Design(readers=10, fakes=((500,),), reals=(500,), dprime=(1.0,), reader_sd=0.3, unsure_band=(0.3,)),
        np.random.default_rng(2022),
    ))  # fmt: skip
    codes, readings, part = table.codes.astype(int), long_table(table), parts_of(table)[0]
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 1000, (replicates, 1000))
    weights = draw_weights(table, replicates, 0)
    columns = np.arange(1000)
    print(f"10 readers x 1,000 cases, {replicates:,} replicates; share unsure {np.mean(codes == 1):.2f}")

    def whole(_: int) -> object:
        return bootstrap_estimates(
            table, Settings(), replicates=replicates, estimands=SEVEN, inferences=["readers_like_these"]
        )

    names = sorted({row.estimand for row in whole(1)})  # type: ignore[attr-defined]
    told(f"bootstrap of {len(names)} estimands at once, weights and limits included ({', '.join(names)})",
         clock(whole), {})  # fmt: skip
    told("  of which drawing the weights", clock(lambda _: draw_weights(table, replicates, 0)), {})
    few = 20 if quick else 100
    told(
        "balanced accuracy, weights given",
        clock(lambda _: share(Counted.of(table, weights.clusters), part.cells, "balanced_accuracy", "half",
                              weights.readers)),
        {"pandas (merge, groupby)": (clock(lambda n: pandas_accuracy(readings, draws, n), few), few, replicates)},
    )  # fmt: skip
    told(
        "Fleiss' kappa, weights given (with observed, expected and excess agreement)",
        clock(lambda _: agreement(table, columns, weights)),
        {
            "statsmodels (aggregate_raters)": (
                clock(lambda n: statsmodels_fleiss(codes, draws, n), few),
                few,
                replicates,
            )
        },
    )
    rare = 5 if quick else 20
    told(
        "mean of 45 pairwise kappas, weights given",
        clock(lambda _: pairwise(table, columns, weights.clusters).mean(weights.readers)),
        {
            "statsmodels (cohens_kappa)": (clock(lambda n: statsmodels_pairs(codes, draws, n), few), few, replicates),
            "scikit-learn (cohen_kappa_score)": (clock(lambda n: sklearn_pairs(codes, draws, n), rare), rare,
                                                  replicates),
        },
    )  # fmt: skip


def models(quick: bool) -> None:
    """The crossed probit on 10,000 readings."""
    if importlib.util.find_spec("lungeval.statistics.crossed_probit") is None:
        print("\ncrossed probit: not in this version")
        return
    from lungeval.statistics.crossed_probit import crossed_probit

    cases = 100 if quick else 1000
    table = draw(
        Design(readers=10, fakes=((cases // 2,),), reals=(cases // 2,), dprime=(1.0,), criterion_sd=0.4, case_sd=0.7),
        np.random.default_rng(3),
    )
    readings = long_table(table)
    peers: dict[str, tuple[float, int, int]] = {}
    if not quick:
        small = readings[readings.case.isin(np.r_[:100, 900:1000])]
        peers["statsmodels (mixed logit, fit_vb)"] = (clock(lambda _: _mixed(small), 2), len(small), len(readings))
    told(
        f"crossed probit, readers and cases random, {len(readings):,} readings",
        clock(lambda _: crossed_probit(table.codes, table.fake)), peers,
    )  # fmt: skip
    if peers:
        print("    statsmodels has the logit only; its time grows faster than the readings, so this is the least")


def _mixed(readings: pd.DataFrame) -> object:
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    data = readings.assign(said=(readings.code == 2).astype(int), x=np.where(readings.fake, 0.5, -0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BinomialBayesMixedGLM.from_formula(
            "said ~ x", {"reader": "0 + C(reader)", "case": "0 + C(case)"}, data
        ).fit_vb()  # fmt: skip


def main() -> None:
    """Print the times."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a tenth of the replicates and readings")
    given = options.parse_args()
    bootstraps(given.quick)
    models(given.quick)


if __name__ == "__main__":
    main()
