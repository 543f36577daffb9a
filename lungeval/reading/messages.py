"""What the page may send: every body's fields, with units and ranges. Anything else is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", strict=True)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", strict=True)]
Size = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Level = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=0, le=10**9)]


class Body(BaseModel):
    """A request's body; by itself, an empty one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Enter(Body):
    """POST api/enter: an invite's token, or the seat of a page that is loaded again."""

    token: StrictStr | None = None
    """The invite's token."""
    seat: StrictStr | None = None
    """Without a token: the seat whose session the cookie holds."""


class Viewing(Body):
    """How a picture was looked at."""

    window: Size | None = None
    """Width of the grey-level window at the answer, levels."""
    level: Level | None = None
    """Centre of the window at the answer, levels."""
    zoom_max: Size | None = None
    """Largest magnification used; 1 = the whole picture fits."""
    inverted: StrictBool | None = None
    """Whether the picture was ever shown inverted."""
    blurs: Count | None = None
    """How often the page lost the focus."""
    hidden_ms: Count | None = None
    """How long the page was hidden, milliseconds."""
    dpr: Size | None = None
    """Device pixels per page pixel."""
    width: Size | None = None
    """Width of the picture's frame on the page, page pixels."""
    height: Size | None = None
    """Its height, page pixels."""
    slices_seen: Count | None = None
    """Stacks: how many of the slices were on the screen."""


class Answer(Body):
    """POST api/answer."""

    presentation: Id
    """What is answered."""
    label: StrictStr
    """One of the labels offered."""
    confidence: StrictInt | None = None
    """1 .. levels where it is asked (with `unsure` it may be left out)."""
    rt_ms: Count
    """From the picture painted to the answer, milliseconds."""
    attempt: Uuid
    """The page's id of this answer: the same when it is sent again."""
    viewing: Viewing = Viewing()
    """How the picture was looked at."""
