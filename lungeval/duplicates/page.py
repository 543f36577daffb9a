"""Pairs of pictures side by side, as one HTML page that opens from disk and asks no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

THUMB = 192
"""Longest side of a picture on the page, pixels."""


@dataclass(frozen=True)
class Shown:
    """A pair on the page."""

    left: npt.NDArray[np.uint8]
    """rows x cols."""
    right: npt.NDArray[np.uint8]
    """rows x cols, of any size."""
    left_name: str
    """What stands under the left picture."""
    right_name: str
    """What stands under the right one."""
    heading: str
    """What the pair is, in a few words."""
    words: str = ""
    """Figures and what else there is to say."""
    difference: npt.NDArray[np.uint8] | None = None
    """A picture of what differs; mid-grey where nothing does."""
    marked: bool = False
    """Whether the pair stands out: a copy, one image under two patients."""


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6776; --paper: #fff; --line: #d9dfe6; --band: #f4f6f8;
  --stop: #b3261e; --stop-paper: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa7b5; --paper: #12171d; --line: #2d3640;
  --band: #1a2129; --stop: #ff8a80; --stop-paper: #3a1b1a; } }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } p { max-width: 62rem; margin: .5rem 0; } .soft { color: var(--soft); }
ul { max-width: 62rem; padding-left: 1.2rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1rem;
  margin-top: 1.5rem; }
.pair { border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; background: var(--band); }
.pair.marked { border-color: var(--stop); background: var(--stop-paper); }
.pair h2 { font-size: 1rem; margin: 0 0 .5rem; } .pair.marked h2 { color: var(--stop); }
.row { display: flex; gap: .6rem; } figure { margin: 0; flex: 1 1 0; min-width: 0; }
img { width: 100%; height: auto; display: block; background: #000; border-radius: .2rem; }
figcaption { font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; margin-top: .25rem; line-height: 1.3; }
.pair p { font-size: .9rem; margin: .5rem 0 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for line in lead %}
<p{% if not loop.first %} class="soft"{% endif %}>{{ line }}</p>
{% endfor %}
{% if notices %}
<ul class="soft">
{% for notice in notices %}
<li>{{ notice }}</li>
{% endfor %}
</ul>
{% endif %}
<div class="pairs">
{% for pair in pairs %}
<section class="pair{{ ' marked' if pair.marked }}">
<h2>{{ pair.heading }}</h2>
<div class="row">
{% for picture, name in pair.pictures %}
<figure><img src="{{ picture }}" alt="{{ name }}"><figcaption>{{ name }}</figcaption></figure>
{% endfor %}
</div>
{% if pair.words %}
<p>{{ pair.words }}</p>
{% endif %}
</section>
{% endfor %}
</div>
</body>
</html>
"""


def pairs_page(title: str, lead: Sequence[str], pairs: Sequence[Shown], notices: Sequence[str] = ()) -> str:
    """The page as HTML; the same pairs give the same bytes.

    Args:
        title: what it is about.
        lead: paragraphs above the pairs.
        pairs: in the order in which they are shown.
        notices: what limits them.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(PAGE).render(
        title=title, lead=lead, notices=notices, pairs=[_pair(pair) for pair in pairs]
    )


def _pair(pair: Shown) -> dict[str, object]:
    pictures = [(picture_data(pair.left), pair.left_name), (picture_data(pair.right), pair.right_name)]
    if pair.difference is not None:
        pictures.append((picture_data(pair.difference), "what differs"))
    return {"heading": pair.heading, "words": pair.words, "marked": pair.marked, "pictures": pictures}


def picture_data(frame: npt.NDArray[np.uint8]) -> str:
    """A frame as the data of a small PNG: never enlarged, its longest side at most `THUMB` pixels."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(frame))
    picture.thumbnail((THUMB, THUMB), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
