"""The ribbon: what every page says of images that were drawn and readers who are programs."""

from __future__ import annotations

from lungeval.protocol import LockedProtocol


def ribbon_of(locked: LockedProtocol, stand_in_arms: list[str]) -> str:
    """What every page says of images that were drawn and readers who are programs; empty where all is real.

    Readers see it, too, so it names neither arms nor readers.
    """
    kinds = {reader.kind for reader in locked.protocol.readers}
    parts = ["phantom images"] if stand_in_arms else []
    parts += [f"{kind} readers" for kind in ("simulated", "scripted") if kind in kinds]
    if not parts:
        return ""
    return ("Rehearsal: " if locked.rehearsal else "Not a clinical result: ") + ", ".join(parts)
