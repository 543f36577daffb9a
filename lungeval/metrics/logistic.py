"""Ridge-penalised logistic regression of many labellings of the same images at once."""

from __future__ import annotations

import numpy as np

from lungeval.metrics.base import Array

PENALTY = 1.0
"""Ridge on the weights of standardised features divided by the root of their number."""
TOLERANCE = 1e-5
"""Of the fitted log-odds: a labelling is done when a step moves none of them further."""
MOST_STEPS = 2000


def design(train: Array, test: Array) -> tuple[Array, Array]:
    """Features as the classifier takes them: standardised by the training images, each over the root of their number.

    Where there are more features than training images, both are expressed in the span of the training images, which
    changes neither the penalty nor any fitted value.

    Args:
        train: t x d features.
        test: s x d features.

    Returns:
        (t, r) and (s, r), r = min(t, d) at most; features without spread among the training images are left out.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    kept = spread > 1e-10 * max(float(np.abs(mean).max(initial=0.0)), float(spread.max(initial=0.0)))
    scale = spread[kept] * np.sqrt(max(1, int(kept.sum())))
    first, second = (train[:, kept] - mean[kept]) / scale, (test[:, kept] - mean[kept]) / scale
    if first.shape[1] > len(first):
        basis, root = np.linalg.qr(first.T)
        return np.asarray(root.T), np.asarray(second @ basis)
    return first, second


def fit(rows: Array, labels: Array) -> tuple[Array, Array]:
    """The weights of every labelling.

    Each column y of `labels` minimises over w and b

        sum_i v_i (log(1 + exp(f_i)) - y_i f_i) + PENALTY / 2 |w|^2,    f = rows w + b,
        v_i = t / (2 images of the label of i)

    by steps with the fixed upper bound of the second derivative, v p (1 - p) <= v / 4, factored once for all
    labellings, with momentum that restarts where it overshoots.

    Args:
        rows: t x r features, columns of mean 0.
        labels: t x P, 0 or 1, both in every column.

    Returns:
        w (r, P) and b (P,).

    Source: Hastie, Tibshirani & Friedman 2009, section 4.4 (the objective); Bohning & Lindsay 1988, Ann. Inst. Stat.
        Math. 40:641 (the bound); O'Donoghue & Candes 2015, Found. Comput. Math. 15:715 (restarts).
    """
    from scipy.linalg import cho_factor, cho_solve

    t, r = rows.shape
    ones = labels.sum(axis=0)
    weight = np.where(labels == 1, t / (2 * ones), t / (2 * (t - ones)))
    bound = float(weight.max()) / 4
    factor = cho_factor(bound * (rows.T @ rows) + PENALTY * np.eye(r)) if r else None
    w, b = np.zeros((r, labels.shape[1])), np.zeros(labels.shape[1])
    ahead_w, ahead_b, age = w.copy(), b.copy(), np.ones(labels.shape[1])
    live = np.arange(labels.shape[1])
    for _ in range(MOST_STEPS):
        odds = rows @ ahead_w[:, live] + ahead_b[live]
        off = weight[:, live] * (1 / (1 + np.exp(-np.clip(odds, -500, 500))) - labels[:, live])
        slope = rows.T @ off + PENALTY * ahead_w[:, live]
        step_w = -cho_solve(factor, slope) if factor is not None else slope
        step_b = -off.sum(axis=0) / (bound * t)
        next_w, next_b = ahead_w[:, live] + step_w, ahead_b[live] + step_b
        moved_w, moved_b = next_w - w[:, live], next_b - b[live]
        against = -(slope * moved_w).sum(axis=0) - off.sum(axis=0) * moved_b
        age[live] = np.where(against < 0, 1, age[live])
        later = (1 + np.sqrt(1 + 4 * age[live] ** 2)) / 2
        push = np.where(against < 0, 0.0, (age[live] - 1) / later)
        ahead_w[:, live], ahead_b[live] = next_w + push * moved_w, next_b + push * moved_b
        w[:, live], b[live], age[live] = next_w, next_b, later
        size = np.abs(rows @ step_w + step_b).max(axis=0)
        live = live[size > TOLERANCE]
        if not len(live):
            break
    return w, b
