"""`options:` of an arm or a recipe that its model refuses, in words: every fault at once."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from lungeval.errors import LungevalError, did_you_mean


def refused(error: ValidationError, kind: type[BaseModel], place: str, where: str) -> list[LungevalError]:
    """One fault a key: unknown (with the nearest known one), or a value that cannot be used.

    Values are shown; where they may be secret (`text_to_image_api`), the backend tells its faults itself.

    Args:
        error: pydantic's.
        kind: the model of the options.
        place: where they stand in the file, `options` or `train.options`.
        where: the file.
    """
    faults: dict[str, LungevalError] = {}
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        first = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "extra_forbidden":
            what, remedy = f"{place}.{name}: unknown key", did_you_mean(name, kind.model_fields)
        else:
            message = str(fault["msg"])
            what, remedy = f"{place}.{name}: {_shown(fault['input'])} cannot be used", message[:1].lower() + message[1:]
        faults.setdefault(first, LungevalError("protocol", what, where=where, remedy=remedy))
    return list(faults.values())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
