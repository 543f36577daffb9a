"""A crowd of readers on few cases: the fit turns readers and cases round, and says so of neither."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.keys import generator_of
from lungeval.statistics.crossed_fit import NO_READER_SD, fit_crossed
from lungeval.statistics.laplace import Modes, Point, Readings, laplace
from lungeval.statistics.links import Labels
from lungeval.statistics.scores import FAKE, REAL


def crowd(readers: int, cases: int, reader_sd: float, case_sd: float) -> Readings:
    rng = generator_of(4, "crowd", str(readers), str(reader_sd))
    reader, case = (x.ravel() for x in np.meshgrid(np.arange(readers), np.arange(cases), indexing="ij"))
    fake = case < cases // 2
    eta = np.where(fake, 0.5, -0.5) + reader_sd * rng.normal(size=readers)[reader]
    eta = eta + case_sd * rng.normal(size=cases)[case] + rng.normal(size=len(reader))
    design = np.stack([np.ones(len(reader)), np.where(fake, 0.5, -0.5)], axis=1)
    bars = np.median(eta.reshape(readers, cases), axis=1)[reader] if reader_sd == 0 else 0.0  # alike in what they say
    labels = Labels.of(np.where(eta > bars, FAKE, REAL).astype(np.int8))
    return Readings(labels, design, reader, case, readers, cases)


def test_the_fit_of_a_crowd_is_a_maximum_of_its_own_likelihood():
    data = crowd(40, 16, 0.4, 0.9)
    found = fit_crossed(data, np.zeros(2))
    assert found.converged
    assert found.reader_sd is not None
    assert found.case_sd is not None
    assert found.reader_sd < 0.7 < found.case_sd  # each has its own, not the other's
    point = Point(np.array(found.beta), found.reader_sd, found.case_sd)
    value, slope = laplace(data, point, Modes(np.zeros(40), np.zeros(16)))
    assert value == pytest.approx(found.loglik, abs=1e-6)
    assert np.abs(slope).max() < 1e-2


def test_a_crowd_without_spread_is_told_so_of_readers():
    found = fit_crossed(crowd(60, 30, 0.0, 0.8), np.zeros(2))
    assert (found.reader_sd, found.reader_sd_se, found.notes) == (0.0, None, (NO_READER_SD,))
    assert found.case_sd is not None
    assert found.case_sd > 0.4
