"""How often the verdicts are wrong, and the intervals too narrow or too wide: `python benchmarks/verdicts`.

A seeded simulation over the cells of cells.py, through the same code that `run` and `analyse` use. For each cell and
inference: the share of replicates with a false `distinguishable` on any null arm, with a false `equivalent` (or `within
the margin`) on any arm at the margin, and the coverage of 95% intervals. Of a hundred true rates of 5% two or three lie
above the limit of two Monte-Carlo errors by chance; so a cell that fails is run again with four times as many fresh
replicates, both lines are printed, and the second counts. The exit code is 1 where one fails.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cells import CELLS, MARGIN, Cell
from comparisons import LIMIT, MEASURES, PAIRS, compare

from lungeval.keys import generator_of
from lungeval.statistics.crossed import spread_like, spread_these
from lungeval.statistics.drawing import credit, draw, expected, skeleton
from lungeval.statistics.scopes import Part, parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import ReadingTable
from lungeval.statistics.verdicts import judged, verdicts

LONG = {"these": "these_readers", "like": "readers_like_these"}
ESTIMATES = (
    ("balanced_accuracy", "half"), ("balanced_accuracy", "excluded"), ("sensitivity", "half"), ("fool_rate", None),
    ("specificity", "wrong"), ("unsure_rate", None),
)  # fmt: skip
"""Estimand and policy whose intervals are judged."""
LOW, HIGH = 0.91, 0.99
"""Coverage of a 95% interval: at least, and at most where the truth is .2 to .8 and the cell is plain."""


def run(task: tuple[int, int, int, bool]) -> dict[str, Any]:
    """One cell: counts of wrong verdicts and of intervals that cover."""
    index, replicates, seed, coverage = task
    cell = CELLS[index]
    table = skeleton(cell.design)
    parts = judged(parts_of(table))
    settings = Settings(margin=MARGIN, seed=seed)
    rng = generator_of(seed, "verdicts", cell.name)
    truths = {arm: true_values(cell, arm) for arm in range(len(parts))} if coverage else {}
    wrong: Counter[str] = Counter()
    covered: dict[str, list[int]] = {}
    codes: Counter[str] = Counter()
    started = time.process_time()
    for _ in range(replicates):
        drawn = draw(cell.design, rng, table)
        found = {(row.scope.arm, row.inference): row.code for row in verdicts(drawn, settings, parts)}
        for who in cell.speaks:
            said = [found.get((part.arm, LONG[who]), "not_estimable") for part in parts]
            codes.update(f"{who}: {code}" for code in said)
            wrong[f"distinguishable {who}"] += any(said[a].startswith("distinguishable") for a in cell.null)
            wrong[f"equivalent {who}"] += any(
                said[a] in ("equivalent", "distinguishable_within_margin") for a in cell.unequal
            )
        if coverage:
            for who in cell.speaks:
                cover(drawn, parts[0], settings, who, truths[0], covered)
    return {
        "cell": cell.name, "replicates": replicates, "wrong": dict(wrong), "covered": covered, "codes": dict(codes),
        "truth": truths.get(0, {}), "seconds": time.process_time() - started,
    }  # fmt: skip


def true_values(cell: Cell, arm: int) -> dict[str, float]:
    """The truth of each estimate of one arm."""
    cells = expected(cell.design, arm)
    out = {}
    for estimand, policy in ESTIMATES:
        sides = {"sensitivity": ["fake"], "specificity": ["real"], "fool_rate": ["fake"]}.get(
            estimand, ["fake", "real"]
        )
        total = 0.0
        for i, said in enumerate(cells):
            for side in sides:
                hit, miss = said[side]
                value = {"fool_rate": miss, "unsure_rate": 1 - hit - miss}.get(estimand)
                value = credit((hit, miss), policy) if value is None and policy else value
                share = 1 / len(sides)
                if estimand == "unsure_rate":
                    fakes, reals = cell.design.fakes[arm][i], cell.design.reals[i]
                    share = (fakes if side == "fake" else reals) / (fakes + reals)
                total += share * (value or 0.0) / len(cells)
        out[f"{estimand} {policy or ''}".strip()] = total
    return out


def cover(
    table: ReadingTable, part: Part, settings: Settings, who: str, truths: dict[str, float], out: dict[str, list[int]]
) -> None:
    """Whether each interval holds its truth: hits and trials by estimate and inference."""
    for estimand, policy in ESTIMATES:
        name = f"{estimand} {policy or ''}".strip()
        if estimand == "unsure_rate" and truths[name] < 1e-9:
            continue
        data = Share(table, part, estimand, policy, None, settings).strata()  # type: ignore[arg-type]
        if isinstance(data, str):
            continue
        found = spread_these(data[0]) if who == "these" else spread_like(data[0])
        if found.spread is None:
            continue
        low, high = found.spread.limits(0.95)
        tally = out.setdefault(f"{name} {who}", [0, 0])
        tally[0] += low - 1e-9 <= truths[name] <= high + 1e-9
        tally[1] += 1


def judge(cell: Cell, row: dict[str, Any]) -> list[str]:
    """What fails in a cell."""
    n, out = row["replicates"], []
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / n)
    out += [f"false {name} {count / n:.3f}" for name, count in row["wrong"].items() if count / n > limit]
    for name, (hits, trials) in row["covered"].items():
        if trials < n / 2:
            continue
        share, value = hits / trials, row["truth"][name.rsplit(" ", 1)[0]]
        if share < LOW:
            out.append(f"coverage of {name} {share:.3f}")
        if cell.plain and 0.2 <= value <= 0.8 and share > HIGH:
            out.append(f"coverage of {name} {share:.3f} is too large")
    return out


def show(cell: Cell, row: dict[str, Any], faults: list[str]) -> None:
    """Print a cell's line."""
    shares = [hits / trials for hits, trials in row["covered"].values() if trials >= row["replicates"] / 2]
    span = f"{min(shares):.3f} to {max(shares):.3f}" if shares else ""
    numbers = [
        f"{row['wrong'][key] / row['replicates']:.3f}"
        if key in row["wrong"] and (cell.null if key.startswith("dist") else cell.unequal) else ""
        for key in ("distinguishable these", "distinguishable like", "equivalent these", "equivalent like")
    ]  # fmt: skip
    line = f"{row['cell']:58} {numbers[0]:>13} {numbers[1]:>6} {numbers[2]:>13} {numbers[3]:>6} {span:>25}"
    print(line + (f"  FAILS: {'; '.join(faults)}" if faults else ""), flush=True)


def comparisons(args: argparse.Namespace, pool: Any) -> int:
    """Two equal generators, compared; the number of pairs that fail."""
    chosen = [i for i, pair in enumerate(PAIRS) if args.only in pair.name]
    if not chosen:
        return 0
    failing = 0
    print(f"\n{'two equal generators, called different at 5% (readers like these)':66}"
          + " ".join(f"{name:>18}" for name, _ in MEASURES))  # fmt: skip
    for row in pool.imap(compare, [(i, args.replicates, args.seed) for i in chosen]):
        failed = max(row["rates"].values()) > LIMIT
        failing += failed
        numbers = " ".join(f"{rate:>18.3f}" for rate in row["rates"].values())
        print(f"{row['pair']:66}{numbers}" + ("  FAILS" if failed else ""), flush=True)
    return failing


def main() -> int:
    """Run the cells and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20221103)
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-coverage", action="store_true", help="verdicts alone")
    parser.add_argument("--no-comparisons", action="store_true", help="without the comparisons of generators")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    args = parser.parse_args()
    chosen = [i for i, cell in enumerate(CELLS) if args.only in cell.name]
    tasks = [(i, args.replicates, args.seed, not args.no_coverage) for i in chosen]
    print(f"{len(chosen)} cells, {args.replicates} replicates each; a = these readers, b = readers like these")
    print(f"{'cell':58} {'false apart a':>13} {'b':>6} {'false equal a':>13} {'b':>6} {'coverage, least to most':>25}")
    rows: list[dict[str, Any]] = []
    failing = 0
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        for i, row in zip(chosen, pool.imap(run, tasks), strict=True):
            faults = judge(CELLS[i], row)
            rows.append(row | {"faults": faults})
            show(CELLS[i], row, faults)
        again = [i for i, row in zip(chosen, rows, strict=True) if row["faults"]]
        more = [(i, 4 * args.replicates, args.seed + 1, not args.no_coverage) for i in again]
        if again:
            print(f"again, with {4 * args.replicates} fresh replicates:")
        for i, row in zip(again, pool.imap(run, more), strict=True):
            faults = judge(CELLS[i], row)
            failing += bool(faults)
            rows.append(row | {"faults": faults})
            show(CELLS[i], row, faults)
        failing += 0 if args.no_comparisons else comparisons(args, pool)
    print(f"{failing} failing; {len(chosen)} cells; {sum(row['seconds'] for row in rows):.0f} s of CPU")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 1 if failing else 0


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    sys.exit(main())
