"""THE MAIN FLOW: read this first. A protocol goes in; a blinded study, its scores and its report come out.

Each stage writes one folder of the run, ends it with a list of hashes, and is passed over when that list is there; so
`run` can be stopped at any moment, by anything, and run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lungeval.amending import settle
from lungeval.blinding import blind, preview, ribbon_of
from lungeval.generation import generate
from lungeval.measuring import measure
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.protocol_files import Loaded
from lungeval.reading.collecting import Address, collect, collected, focus_lost
from lungeval.reporting import report
from lungeval.runs import Run
from lungeval.scoring import score


@dataclass(frozen=True)
class Study:
    """A run, the protocol it follows, and how to talk while it goes on."""

    run: Run
    loaded: Loaded
    progress: Progress
    address: Address | None = None
    """Where the reading page is served; None = it is not."""

    @property
    def locked(self) -> LockedProtocol:
        """The protocol."""
        return self.loaded.protocol

    @property
    def phantoms(self) -> list[str]:
        """Arms whose images are drawn: they carry a ribbon on every page."""
        return sorted({image.arm for image in self.run.manifest() if image.stands_in})


def run_study(study: Study) -> Path:
    """The whole study; returns the report's path."""
    with study.run.working():
        _ready(study)
        for name in ("generate", "blind", "measure"):
            if not study.run.finished(name):
                STEPS[name](study)
        if not study.run.finished("score"):
            STEPS["read"](study)
            STEPS["score"](study)
        return STEPS["report"](study)


def run_stage(name: str, study: Study) -> Path:
    """One stage, if it is not finished; what it builds on must be."""
    with study.run.working():
        _ready(study)
        study.run.need(*NEEDS[name])
        if name in ("read", "report") or not study.run.finished(name):
            return STEPS[name](study)
        return study.run.path(name)


def _ready(study: Study) -> None:
    """Make good what a stop left half done, and refuse a run that was edited."""
    settle(study.run, study.progress)
    study.run.check()
    study.run.encrypt_key(study.locked.protocol.blinding.encrypt_to)


def preview_blinding(study: Study) -> Path:
    """A sheet of images before and after the harmoniser, in sealed/; nothing is drawn, sealed or changed."""
    study.run.need("generate")
    return preview(
        study.run, study.locked, study.loaded.path.parent, study.run.folder / "sealed" / "preview.png", study.progress
    )


def _generate(study: Study) -> Path:
    study.progress.say("generate: asking each arm for its images")
    generate(study.run, study.locked, study.loaded.arms, study.progress)
    return study.run.path("generate")


def _blind(study: Study) -> Path:
    study.progress.say("blind: surveying, drawing, harmonising, auditing, planning, sealing")
    folder = study.loaded.path.parent
    blind(study.run, study.locked, folder, study.progress, ribbon=ribbon_of(study.locked, study.phantoms))
    return study.run.path("blind")


def _measure(study: Study) -> Path:
    study.progress.say("measure: image metrics over the pool")
    measure(study.run, study.locked, study.progress, study.loaded.arms)
    return study.run.path("measure")


def _read(study: Study) -> Path:
    study.progress.say("read: collecting every planned reading")
    collect(study.run, study.locked, study.loaded.path.parent, study.progress, study.address)
    return study.run.path("read")


def _score(study: Study) -> Path:
    readings, readers = collected(study.run, study.locked)
    if not study.run.finished("read"):
        study.run.finish("read")
    study.progress.say("score: opening the key, joining, analysing")
    ribbon, blurs = ribbon_of(study.locked, study.phantoms), focus_lost(study.run)
    score(study.run, study.locked, readings, readers, ribbon=ribbon, drawn_arms=study.phantoms, blurs=blurs)
    return study.run.path("score")


def _report(study: Study) -> Path:
    study.progress.say("report: writing the page and its tables")
    return report(study.run, study.progress, drawn_arms=study.phantoms)


STEPS: dict[str, Callable[[Study], Path]] = {
    "generate": _generate, "blind": _blind, "measure": _measure, "read": _read, "score": _score, "report": _report,
}  # fmt: skip
"""The stages, in order."""
NEEDS: dict[str, tuple[str, ...]] = {
    "generate": (),
    "blind": ("generate",),
    "measure": ("generate", "blind"),
    "read": ("blind",),
    "score": ("generate", "blind", "measure"),
    "report": ("score",),
}
"""What each stage builds on. `score` also needs every planned reading, which it checks itself."""
