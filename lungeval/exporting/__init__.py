"""`export`: a run in another form: an archive that replays it, or its readings for other programs' statistics."""

from lungeval.exporting.archive import LOCK, REJECTED, REPLAY, SUFFIX, export_archive, replay
from lungeval.exporting.readings import FORMS, export_readings, is_run, readings_of

__all__ = [
    "FORMS", "LOCK", "REJECTED", "REPLAY", "SUFFIX", "export_archive", "export_readings", "is_run", "readings_of",
    "replay",
]  # fmt: skip
