"""The draw: which images readers meet, by a seeded order of content keys, with the funnel that led to them.

Per cell and arm the made images are put in an order that depends on the protocol's seed and their content keys alone,
and taken from the top, at most `per_patient` of one cluster; how many are asked, `protocol.asked` says.
"""

from __future__ import annotations

from collections import Counter

from lungeval.errors import LungevalError, raise_all
from lungeval.keys import draw_order
from lungeval.protocol import Protocol, asked
from lungeval.records import REAL_ARM, Image

Selected = Image
"""An image that was drawn."""


def select(manifest: list[Image], protocol: Protocol) -> list[Selected]:
    """The images that readers meet, in order of arm and content key.

    Raises:
        LungevalError: `design`, one fault for each arm and cell with too few eligible images.
    """
    drawn: list[Selected] = []
    faults: list[LungevalError] = []
    fakes = {(image.arm, image.modality, image.condition) for image in manifest if image.arm != REAL_ARM}
    for (arm, modality, condition), count in sorted(asked(protocol, fakes).items()):
        here = [i for i in manifest if (i.arm, i.modality, i.condition) == (arm, modality, condition)]
        taken = _draw([image for image in here if image.outcome == "made"], count, protocol)
        if len(taken) < count:
            faults.append(_too_few(arm, modality, condition, count, taken, here, protocol))
        drawn += taken
    raise_all(faults)
    return sorted(drawn, key=lambda image: (image.arm, image.key))


def _draw(made: list[Image], count: int, protocol: Protocol) -> list[Image]:
    by_key = {image.key: image for image in made}
    taken: list[Image] = []
    clusters: Counter[str] = Counter()
    for key in draw_order(list(by_key), protocol.seed, "draw"):
        image = by_key[key]
        if len(taken) < count and clusters[image.cluster] < protocol.set.per_patient:
            clusters[image.cluster] += 1
            taken.append(image)
    return taken


def _too_few(
    arm: str, modality: str, condition: str, count: int, taken: list[Image], here: list[Image], protocol: Protocol
) -> LungevalError:
    outcomes = Counter(image.outcome for image in here)
    made = outcomes["made"]
    spent = f", of {len({i.cluster for i in here if i.outcome == 'made'})} patients or sources" if made else ""
    others = "".join(f", {n} {word}" for word, n in sorted(outcomes.items()) if word != "made")
    reasons = sorted({image.reason for image in here if image.outcome != "made"})
    others += f": {'; '.join(reasons[:3])}" if reasons else ""
    key = "set.real" if arm == REAL_ARM and protocol.set.real != "match" else "set.per_generator"
    return LungevalError(
        "design", f"arm '{arm}', cell {modality}/{condition}: asked {count}, only {len(taken)} eligible "
        f"({made} usable{spent}{others}; at most {protocol.set.per_patient} of one patient)",
        remedy=f"lower {key}, raise set.pool (now {protocol.set.pool}), add images, or raise set.per_patient "
        "(the patient is then the cluster in every analysis)",
    )  # fmt: skip
