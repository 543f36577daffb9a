"""Image metrics: over a run's pool (the stage `measure` -> 2-measures/), over two folders, or over files of features.

Metrics judge the pool (every usable image of a cell, harmonised as readers meet it), not the few images shown. A value
is always named with its extractor and its two counts, and depends on what the images are, never on what they are
called or on the order in which they come. `stage` measures a run, `sets` folders and features, `rows` makes the rows of
results, `store` keeps features by content.
"""

from lungeval.measuring.features import EXTRACTOR_FACTS
from lungeval.measuring.stage import measure

__all__ = ["EXTRACTOR_FACTS", "measure"]
