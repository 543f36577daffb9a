"""Rows kept by content: read back exactly, damaged parts computed anew, kept across stops."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.measuring.features import fill
from lungeval.measuring.store import ENDING, Store, keys_of
from lungeval.progress import Progress

QUIET = Progress(quiet=True)


def keys(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def rows(count, seed=0, width=5):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_an_empty_store_holds_nothing(tmp_path):
    store = Store(tmp_path / "none")
    assert not store.holds(keys(3)).any()
    assert not store.holds(keys(0)).any()
    assert store.width() == 0
    assert not store.read(keys(2), np.zeros((2, 5), np.float32)).any()
    assert keys_of([]).shape == (0, 32)


def test_rows_come_back_bit_by_bit_in_any_order(tmp_path):
    store, k, r = Store(tmp_path), keys(30), rows(30)
    store.save(k[:10], r[:10])
    store.save(k[10:25], r[10:25])
    store.refresh()
    assert store.holds(k).tolist() == [True] * 25 + [False] * 5
    order = np.random.default_rng(1).permutation(30)
    into = np.full((30, 5), -1, np.float32)
    done = store.read(k[order], into)
    assert done.tolist() == (order < 25).tolist()
    assert into[done].tobytes() == r[order][done].tobytes()
    assert (into[~done] == -1).all()
    assert store.width() == 5


def test_two_stores_copied_together_are_one(tmp_path):
    k, r = keys(20), rows(20)
    for name, part in (("a", slice(0, 12)), ("b", slice(8, 20))):
        Store(tmp_path / name).save(k[part], r[part])
    for path in (tmp_path / "b").glob(f"*{ENDING}"):
        path.rename(tmp_path / "a" / path.name)
    into = np.zeros((20, 5), np.float32)
    assert Store(tmp_path / "a").read(k, into).all()
    assert into.tobytes() == r.tobytes()


@pytest.mark.parametrize("where", [0, 40, -200, -1, "cut", "empty", "gone"])
def test_a_damaged_part_is_as_good_as_absent(tmp_path, where):
    k, r = keys(20), rows(20, width=40)
    store = Store(tmp_path)
    store.save(k[:10], r[:10])
    store.save(k[10:], r[10:])
    store.refresh()
    path = next(p for p in tmp_path.glob(f"*{ENDING}") if (np.load(p)["keys"] == k[0]).all(axis=1).any())
    data = bytearray(path.read_bytes())
    if where == "gone":
        path.unlink()
    elif isinstance(where, str):
        path.write_bytes(bytes(data[: len(data) // 2]) if where == "cut" else b"")
    else:
        data[where] ^= 0xFF
        path.write_bytes(bytes(data))
    into = np.zeros((20, 40), np.float32)
    done = store.read(k, into)
    assert done[10:].all()
    assert np.array_equal(into[done], r[done]), "a row that counts as read must be right"
    if not done.all():
        assert not done[:10].any()
        assert not path.exists()


def test_a_flipped_bit_inside_the_rows_is_found_even_where_the_container_does_not_notice(tmp_path):
    k, r = keys(4), rows(4)
    store = Store(tmp_path)
    store.save(k, r)
    store.refresh()
    path = next(tmp_path.glob(f"*{ENDING}"))
    held = dict(np.load(path))
    held["rows"][2, 1] += 1
    np.savez(path.with_suffix(""), **held)  # a sound archive, its hash no longer true
    assert not store.read(k, np.zeros((4, 5), np.float32)).any()
    assert not path.exists()


def test_a_row_of_another_key_is_never_given(tmp_path):
    k = keys(2)
    k[1, :8] = k[0, :8]  # alike in the index, not in whole
    store = Store(tmp_path)
    store.save(k[:1], rows(1))
    store.refresh()
    assert not store.read(k[1:], np.zeros((1, 5), np.float32)).any()


def test_filling_goes_on_where_it_stopped(tmp_path):
    k, r, asked = keys(25), rows(25), []

    def compute(chosen):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(chosen)
        return list(chosen), r[chosen], []

    with pytest.raises(KeyboardInterrupt):
        fill(Store(tmp_path), k, compute, QUIET, "x", part=10)
    assert Store(tmp_path).holds(k).sum() == 20
    asked.clear()
    assert fill(Store(tmp_path), k, compute, QUIET, "x", part=10) == 5
    assert asked == [[20, 21, 22, 23, 24]]
    into = np.zeros((25, 5), np.float32)
    assert Store(tmp_path).read(k, into).all()
    assert into.tobytes() == r.tobytes()


def test_copies_are_computed_once_and_faults_are_told_when_all_else_is_done(tmp_path):
    k, r = keys(30), rows(30)
    k[7] = k[3]
    seen = []

    def compute(chosen):
        seen.extend(chosen)
        bad = [i for i in chosen if i >= 16]
        good = [i for i in chosen if i < 16]
        return good, r[good], [LungevalError("image", f"no {i}", where=str(i)) for i in bad]

    with pytest.raises(LungevalError) as caught:
        fill(Store(tmp_path), k, compute, QUIET, "x", part=4)
    assert 7 not in seen
    assert [str(fault) for fault in caught.value.faults()] == [f"{n}: no {n}" for n in range(16, 30)]
    assert Store(tmp_path).holds(k).sum() == 16
