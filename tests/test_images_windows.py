"""Named windows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from lungeval.errors import LungevalError
from lungeval.images.harmonise import LUNG_WINDOW
from lungeval.images.windows import WINDOWS, window_of
from lungeval.protocol import Blinding, Window


def test_names_pairs_objects_and_the_default():
    assert window_of() == window_of("lung") == (-600.0, 1500.0) == tuple(LUNG_WINDOW)
    assert window_of("mediastinum") == (40.0, 400.0)
    assert window_of((50, 350)) == window_of(SimpleNamespace(center=50, width=350)) == (50.0, 350.0)
    assert window_of(Window(center=-500, width=1400)) == (-500.0, 1400.0)


def test_every_name_that_a_protocol_takes_is_there():
    named = [arg for arg in get_args(Blinding.model_fields["window"].annotation) if get_args(arg)]
    assert set(get_args(named[0])) == set(WINDOWS)


@pytest.mark.parametrize(("window", "words"), [("longs", "did you mean 'lung'"), ((0, 0), "a width above 0")])
def test_what_is_refused(window, words):
    with pytest.raises(LungevalError, match=words):
        window_of(window)
