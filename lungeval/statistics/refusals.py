"""Refusal rates: how often a model that may say no said no, per cell, and over an arm's cells with equal weights.

A generator that refuses what it is asked shows readers a chosen set: the images it was willing to make. So the rate is
a result of the study, beside what readers said of the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from lungeval.records import REAL_ARM, Estimate, Image, Modality, Scope
from lungeval.statistics.estimands import MOVER, WILSON
from lungeval.statistics.proportions import Proportion, weighted_mean, widened, wilson

REFUSAL_RATE = "refusal_rate"
"""Estimate.estimand: refused / (made + refused + rejected), requests; failures are outages and no answers."""
ANSWERED = ("made", "refused", "rejected")
"""Outcomes of a request that the model answered; rejected = made, but not usable."""
METHOD = "Wilson's interval of the requests answered; it speaks of more requests with the same prompts, not of others"
METHOD_MEAN = f"mean of the cells with equal weights; limits of each cell in quadrature. In each cell: {METHOD}"


def refusal_rates(manifest: Sequence[Image], asked: Collection[str] = (), *, alpha: float = 0.05) -> list[Estimate]:
    r"""Refusal rate of every arm that may refuse: in each of its cells, and the mean over them.

    In a cell: k / n, k = refused, n = made + refused + rejected. Over cells: sum of k_i / n_i over their number.

    Args:
        manifest: every image asked for, with its outcome.
        asked: arms whose requests were logged: they may refuse, even where none was refused. Other arms are told of
            only where something was refused.
        alpha: intervals have level 1 - alpha.

    Returns:
        Estimates of `refusal_rate` in order of arm and cell, the mean over cells first: value 0 to 1, k where the
        scope is one cell, n_fake (n_real for the reals) = requests answered. No request answered: None with the reason;
        so is the mean over cells of which one is undefined.

    Source:
        Wilson 1927; Zou & Donner 2008 (the mean over cells).
    """
    arms = sorted({image.arm for image in manifest if image.outcome == "refused" or image.arm in asked})
    return [row for arm in arms for row in _of_arm(arm, [i for i in manifest if i.arm == arm], 1 - alpha)]


def _of_arm(arm: str, images: Sequence[Image], level: float) -> list[Estimate]:
    cells: dict[tuple[Modality, str], Counter[str]] = {}
    for image in sorted(images, key=lambda image: (image.modality, image.condition)):
        cells.setdefault((image.modality, image.condition), Counter())[image.outcome] += 1
    sizes = [sum(outcomes[word] for word in ANSWERED) for outcomes in cells.values()]
    parts = [
        wilson(outcomes["refused"], n, level) if n else Proportion(None, None, None, None, _unanswered(outcomes))
        for outcomes, n in zip(cells.values(), sizes, strict=True)
    ]
    weights = [1 / len(parts)] * len(parts)
    undefined = [f"{m}/{c}: {part.reason}" for (m, c), part in zip(cells, parts, strict=True) if part.value is None]
    mean = Proportion(None, None, None, None, "; ".join(undefined))
    if not undefined:
        mean = widened(weighted_mean(parts, weights), sizes, weights, level)
    alone = len(parts) == 1
    whole = _estimate(
        Scope(arm=arm), mean, sum(sizes), level, METHOD if alone else METHOD_MEAN, WILSON if alone else MOVER,
        k=cells[next(iter(cells))]["refused"] if alone and sizes[0] else None,
    )  # fmt: skip
    rows = [whole]
    for ((modality, condition), outcomes), part, n in zip(cells.items(), parts, sizes, strict=True):
        scope = Scope(arm=arm, modality=modality, condition=condition)
        rows.append(_estimate(scope, part, n, level, METHOD, WILSON, k=outcomes["refused"] if n else None))
    return rows


def _unanswered(outcomes: Counter[str]) -> str:
    return f"no request was answered: {outcomes['failed']} failed"


def _estimate(
    scope: Scope, found: Proportion, n: int, level: float, method: str, source: str, *, k: int | None
) -> Estimate:
    defined = found.value is not None
    return Estimate(
        estimand=REFUSAL_RATE, scope=scope, role="exploratory", value=found.value, se=found.se, low=found.low,
        high=found.high, level=level if defined else None, k=k, n_real=n if scope.arm == REAL_ARM else None,
        n_fake=None if scope.arm == REAL_ARM else n, method=method, source=source, reason=found.reason,
    )  # fmt: skip
