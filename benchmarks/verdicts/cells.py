"""The cells of the simulation: designs that cover each factor's extremes and the pairs that matter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lungeval.statistics.drawing import Design, band_for, dprime_for
from lungeval.statistics.verdicts import dprime_margin

MARGIN = 0.10
"""Equivalence margin of every cell."""
EDGE = dprime_margin(MARGIN) * Design().spread
"""The d' of the evidence at which an unbiased reader's d' is at its margin: cases differ, so the seen d' is smaller."""


@dataclass(frozen=True)
class Cell:
    """One design, with what is false in it."""

    name: str
    """What it varies."""
    design: Design
    """What is drawn."""
    speaks: tuple[str, ...]
    """Inferences whose truth the design fixes: `these` where readers are fixed, `like` where they are drawn anew."""
    null: tuple[int, ...] = ()
    """Arms that nobody can tell apart: `distinguishable` is false of them."""
    unequal: tuple[int, ...] = ()
    """Arms at the margin or beyond, on some condition of the rule: `equivalent` is false of them."""
    plain: bool = False
    """Whether each truth between .2 and .8 must also be covered at most 99% of the time."""
    without: dict[str, str] = field(default_factory=dict)
    """Estimands whose coverage is not judged, and why."""


def one(fakes: int, reals: int | None = None, readers: int = 5, **more: object) -> Design:
    """A design of one arm and one cell."""
    return Design(readers=readers, fakes=((fakes,),), reals=(fakes if reals is None else reals,), **more)  # type: ignore[arg-type]


def at(design: Design, target: float, policy: str = "half") -> Design:
    """The design with a d' that gives its first arm a balanced accuracy."""
    return replace(design, dprime=(dprime_for(design, target, policy), *design.dprime[1:]))


def unsure(design: Design, share: float) -> Design:
    """The design with readers who call a share of the cases unsure at d' = 0."""
    return replace(design, unsure_band=(band_for(design, share),))


BOTH = ("these", "like")
THESE = ("these",)
LIKE = ("like",)
FIXED = (0.6, -0.6)
"""Readers that differ, with a mean of 0: the second calls fakes real."""


def nulls() -> list[Cell]:
    """Nobody tells fakes from reals."""
    out = [
        Cell(f"null, {r} x {n}+{n}", one(n, readers=r), THESE if r == 1 else BOTH, (0,), (), n >= 20)
        for r, n in ((1, 10), (1, 60), (1, 200), (2, 10), (2, 60), (3, 30), (5, 30), (5, 60), (12, 10), (12, 60))
    ]
    out += [
        Cell(
            f"null, unsure {share:.0%}, {r} x {n}+{n}",
            unsure(one(n, readers=r), share),
            THESE if r == 1 else BOTH,
            (0,),
        )
        for share, r, n in ((0.4, 3, 30), (0.8, 1, 30), (0.8, 2, 10), (0.8, 5, 60), (0.8, 12, 30))
    ]
    out += [
        Cell(
            f"null, criterion {c:+.0f}, {r} x {n}+{n}",
            one(n, readers=r, criterion=(c,)),
            THESE if r == 1 else BOTH,
            (0,),
        )
        for c, r, n in ((2.0, 1, 10), (2.0, 3, 60), (-2.0, 5, 30), (-2.0, 12, 60))
    ]
    out.append(Cell("null, criteria +2 and -2, 4 x 40+40", one(40, readers=4, criterion=(2.0, -2.0)), BOTH, (0,)))
    out.append(
        Cell("null, criterion +2, unsure 40%, 5 x 40+40",
             replace(unsure(one(40), 0.4), criterion=(2.0,)), BOTH, (0,))
    )  # fmt: skip
    out += [
        Cell("null, readers drawn (SD .4), 2 x 60+60", one(60, readers=2, reader_sd=0.4), LIKE, (0,), (), True),
        Cell("null, readers drawn (SD .4), 6 x 60+60", one(60, readers=6, reader_sd=0.4), LIKE, (0,), (), True),
        Cell("null, readers drawn (SD .4), 12 x 200+200",
             one(200, readers=12, reader_sd=0.4), LIKE, (0,), (), True),
        Cell("null, readers drawn (SD 1), 3 x 30+30", one(30, readers=3, reader_sd=1.0), LIKE, (0,), (), True),
        Cell("null, strong cases (SD 1.5), 10 x 60+60",
             one(60, readers=10, case_sd=1.5, reader_sd=0.3), LIKE, (0,), (), True),
        Cell("null, patients of 5 (SD 1), 3 x 60+60", one(60, readers=3, cluster=5, cluster_sd=1.0), BOTH, (0,)),
        Cell("null, patients of 10 (SD 1), 6 x 60+60",
             one(60, readers=6, cluster=10, cluster_sd=1.0, reader_sd=0.3), LIKE, (0,)),
        Cell("null, 3 patients of 20 a side, 5 readers", one(60, cluster=20, cluster_sd=0.5), BOTH, (0,)),
        Cell("null, 5 patients of 12 a side, 3 readers", one(60, readers=3, cluster=12, cluster_sd=0.5), BOTH, (0,)),
        Cell("null, 40% missing, 5 x 60+60", one(60, missing=0.4, reader_sd=0.3), LIKE, (0,), (), True),
        Cell("null, 70% missing, 3 x 30+30", one(30, readers=3, missing=0.7), BOTH, (0,)),
        Cell("null, refusals change the mix, 4 x (40, 5) + (20, 25)",
             Design(readers=4, fakes=((40, 5),), reals=(20, 25), cell_shift=(0.8, -0.8)), BOTH, (0,)),
        Cell("null, 10 fakes and 60 reals, 3 readers", one(10, 60, readers=3), BOTH, (0,)),
        Cell("null, 2 arms, 3 x 30+30",
             Design(readers=3, fakes=((30,),) * 2, reals=(30,), dprime=(0.0,) * 2), BOTH, (0, 1)),
        Cell("null, 6 arms, 5 x 20+20", Design(readers=5, fakes=((20,),) * 6, reals=(20,), dprime=(0.0,) * 6), BOTH,
             tuple(range(6))),
        Cell("null, 6 arms, readers drawn, 5 x 20+40",
             Design(readers=5, fakes=((20,),) * 6, reals=(40,), dprime=(0.0,) * 6, reader_sd=0.3, arm_sd=0.3), LIKE,
             tuple(range(6))),
        Cell("null beside an arm told apart, 5 x 40+40",
             Design(readers=5, fakes=((40,),) * 2, reals=(40,), dprime=(0.0, 1.5)), BOTH, (0,)),
        Cell("null on average, half the readers inverted, 4 x 60+60",
             one(60, readers=4, own=FIXED), THESE, (0,), (0,)),
        Cell("null on average, half the readers inverted, 12 x 30+30",
             one(30, readers=12, own=FIXED), THESE, (0,), (0,)),
    ]  # fmt: skip
    return out


def margins() -> list[Cell]:
    """Exactly at the margin on one condition of the rule, so that `equivalent` is false."""
    out = [
        Cell(
            f"margin, {r} x {n}+{n}", at(one(n, readers=r), 0.5 + MARGIN), THESE if r == 1 else BOTH, (), (0,), n >= 20
        )
        for r, n in ((1, 200), (2, 60), (3, 120), (5, 60), (12, 30), (12, 60))
    ]
    out += [
        Cell("margin below chance, 5 x 60+60", at(one(60), 0.5 - MARGIN), BOTH, (), (0,), True),
        Cell("margin, readers drawn (SD .4), 2 x 200+200",
             at(one(200, readers=2, reader_sd=0.4), 0.6), LIKE, (), (0,), True),
        Cell("margin, readers drawn (SD .4), 8 x 200+200",
             at(one(200, readers=8, reader_sd=0.4), 0.6), LIKE, (), (0,), True),
        Cell("margin, unsure 40%, 5 x 60+60", at(unsure(one(60), 0.4), 0.6), BOTH, (), (0,)),
        Cell("margin with unsure left out, unsure 80%, 12 x 60+60",
             at(unsure(one(60, readers=12), 0.8), 0.6, "excluded"), BOTH, (), (0,)),
        Cell("margin with unsure left out, unsure 80%, 3 x 200+200",
             at(unsure(one(200, readers=3), 0.8), 0.6, "excluded"), BOTH, (), (0,)),
        Cell("margin of d', criterion +1, 8 x 100+100",
             one(100, readers=8, dprime=(EDGE,), criterion=(1.0,)), BOTH, (), (0,)),
        Cell("margin of d', criterion -2, 12 x 60+60",
             one(60, readers=12, dprime=(EDGE,), criterion=(-2.0,)), BOTH, (), (0,)),
        Cell("margin of d', criterion +2, 12 x 200+200",
             one(200, readers=12, dprime=(EDGE,), criterion=(2.0,)), BOTH, (), (0,)),
        Cell("margin of d', 6 arms, criterion +2, 12 x 200+200",
             Design(readers=12, fakes=((200,),) * 6, reals=(200,), dprime=(EDGE,) * 6, criterion=(2.0,)), BOTH, (),
             tuple(range(6))),
        Cell("margin, patients of 5 (SD 1), 5 x 100+100",
             at(one(100, cluster=5, cluster_sd=1.0), 0.6), BOTH, (), (0,)),
        Cell("margin, 30% missing, 5 x 100+100", at(one(100, missing=0.3), 0.6), BOTH, (), (0,), True),
        Cell("margin, 3 arms, 5 x 60+60",
             Design(readers=5, fakes=((60,),) * 3, reals=(60,), dprime=(EDGE,) * 3), BOTH, (),
             (0, 1, 2)),
        Cell("margin, refusals change the mix, 6 x (80, 10) + (40, 50)",
             at(Design(readers=6, fakes=((80, 10),), reals=(40, 50), cell_shift=(0.5, -0.5)), 0.6), BOTH, (), (0,)),
    ]  # fmt: skip
    return out


def extremes() -> list[Cell]:
    """Readers who are nearly always right: coverage."""
    return [
        Cell("accuracy .95, 2 x 10+10", at(one(10, readers=2), 0.95), BOTH),
        Cell("accuracy .95, 5 x 30+30", at(one(30), 0.95), BOTH),
        Cell("accuracy .98, 3 x 20+20", at(one(20, readers=3), 0.98), BOTH),
        Cell("accuracy .98, 12 x 60+60", at(one(60, readers=12), 0.98), BOTH),
        Cell("accuracy .98, readers drawn (SD .6), 5 x 60+60", at(one(60, reader_sd=0.6), 0.98), LIKE),
        Cell("accuracy .75, readers drawn (SD .4), 3 x 60+60", at(one(60, readers=3, reader_sd=0.4), 0.75), LIKE,
             plain=True),
        Cell("accuracy .75, 1 x 20+20", at(one(20, readers=1), 0.75), THESE, plain=True),
        Cell("accuracy .25: readers inverted, 3 x 30+30", at(one(30, readers=3), 0.25), BOTH, plain=True),
    ]  # fmt: skip


CELLS: tuple[Cell, ...] = (*nulls(), *margins(), *extremes())
"""Every cell, in the order of the table."""
