"""What else goes with real and fake: sources, scanners, patients on both sides, copies and near-duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lungeval.auditing.samples import Comparison, Sample
from lungeval.images.fingerprint import near
from lungeval.records import ANY_CONDITION, REAL_ARM

NAMED = 3
"""Images or patients that a sentence names at most."""
COPIES = "show each image once: leave the copies out"
ONE_SOURCE = "take reals and training images of every condition from one source, or report conditions apart"


@dataclass(frozen=True)
class Confound:
    """One finding."""

    confound: str
    """What kind."""
    arm: str
    """The arm, or `real`."""
    modality: str
    """xray or ct."""
    what: str
    """The finding, in a sentence."""
    remedy: str
    """What removes it."""
    stops: bool = False
    """Whether a study may not open with it."""

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def find(
    comparisons: Sequence[Comparison],
    *,
    per_patient: int | None = 1,
    training: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Confound]:
    """All confounds of all comparisons; what is found in the reals of several arms is said once.

    Args:
        comparisons: arms with their reals.
        per_patient: images of one patient that the design allows; None = any number.
        training: by arm, fingerprints of its training images by name.
    """
    found: list[Confound] = []
    for pair in comparisons:
        for sample in (pair.real, pair.fake):
            found += [*_repeated(sample, per_patient), *_copies(sample)]
        found += [*_sources(pair.real), *_apart(pair), *_told(pair), *_both(pair), *_across(pair), *_unmatched(pair)]
        found += _trained(pair, (training or {}).get(pair.arm, {}))
    return list(dict.fromkeys(found))


def _sources(real: Sample) -> Iterable[Confound]:
    """A source that holds one condition alone, or a condition from one source alone, where there are several."""
    sources, conditions = real.told.get("source", ()), real.conditions
    pairs = {(s, c) for s, c in zip(sources, conditions, strict=False) if s and c}
    if len({s for s, _ in pairs}) < 2:
        return
    of_source, of_condition = defaultdict(set), defaultdict(set)
    for source, condition in pairs:
        of_source[source].add(condition)
        of_condition[condition].add(source)
    for condition, homes in sorted(of_condition.items()):
        if len(of_condition) > 1 and len(homes) == 1:
            (home,) = homes
            alone = ", which holds nothing else" if len(of_source[home]) == 1 else ""
            yield Confound(
                "source_is_condition", REAL_ARM, real.modality,
                f"every real {condition} comes from {home}{alone}: its scanner and its condition cannot be told apart",
                ONE_SOURCE,
            )  # fmt: skip
        elif len(homes) > 1:
            yield Confound(
                "several_sources", REAL_ARM, real.modality,
                f"the reals of {condition} come from {len(homes)} sources: {_some(sorted(homes))}",
                "take the reals of a condition from the one source that the generator learnt from",
            )  # fmt: skip


def _apart(pair: Comparison) -> Iterable[Confound]:
    """Arms that share neither a condition nor a source."""
    columns = [
        [set(s.conditions) - {"", ANY_CONDITION}, set(s.told.get("source", ())) - {""}] for s in (pair.real, pair.fake)
    ]
    (real, home), (fake, other) = columns
    if real and fake and home and other and not (real & fake or home & other):
        yield Confound(
            "source_is_condition", pair.arm, pair.real.modality,
            f"the arms share neither condition nor source: reals are {_some(sorted(real))} from {_some(sorted(home))}, "
            f"fakes {_some(sorted(fake))} from {_some(sorted(other))}", ONE_SOURCE,
        )  # fmt: skip


def _told(pair: Comparison) -> Iterable[Confound]:
    """Scanners and licences that differ between the arms, where metadata give them for both."""
    for column, remedy in (
        ("scanner", "take reals of the scanners that the generator learnt from"),
        ("licence", "check that the images may be shown and kept together"),
    ):
        real, fake = (set(s.told.get(column, ())) - {""} for s in (pair.real, pair.fake))
        if real and fake and real != fake:
            yield Confound(
                column, pair.arm, pair.real.modality,
                f"{column}s differ: reals have {_some(sorted(real))}, fakes have {_some(sorted(fake))}", remedy,
            )  # fmt: skip


def _repeated(sample: Sample, per_patient: int | None) -> Iterable[Confound]:
    counts = Counter(p for p in sample.patients if p)
    many = {patient: n for patient, n in counts.items() if per_patient is not None and n > per_patient}
    if many:
        yield Confound(
            "patient_repeated", sample.arm, sample.modality,
            f"{len(many)} patients or sources have more than {per_patient} image{'s' * (per_patient != 1)} (at most "
            f"{max(many.values())}): the audit takes each as one", "`set.per_patient` limits them",
        )  # fmt: skip


def _both(pair: Comparison) -> Iterable[Confound]:
    shared = sorted((set(pair.real.patients) & set(pair.fake.patients)) - {""})
    first = [dict(zip(s.patients[::-1], s.keys[::-1], strict=False)) for s in (pair.real, pair.fake)]
    named = [f"{first[0][patient]} and {first[1][patient]}" for patient in shared]  # a patient's own id goes nowhere
    if shared:
        yield Confound(
            "patient_in_both", pair.arm, pair.real.modality,
            f"{len(shared)} patient{'s are' if len(shared) > 1 else ' is'} in both arms: {_some(named)}",
            "take the images of each patient out of one of the arms", stops=True,
        )  # fmt: skip


def _copies(sample: Sample) -> Iterable[Confound]:
    """Copies and near-duplicates within an arm; near-duplicates of one patient are expected and not told."""
    by_hash = defaultdict(list)
    for key, digest in zip(sample.keys, sample.hashes, strict=False):
        by_hash[digest].append(key)
    groups = [sorted(keys) for digest, keys in sorted(by_hash.items()) if digest and len(keys) > 1]
    if groups:
        yield Confound(
            "copies", sample.arm, sample.modality,
            f"{sum(map(len, groups)) - len(groups)} images are copies of others in the arm: "
            f"{_some([' = '.join(group[:3]) for group in groups])}", COPIES,
        )  # fmt: skip
    clusters = sample.clusters()
    pairs = [
        (i, j, r) for i, j, r in near(sample.prints, sample.prints)
        if i < j and clusters[i] != clusters[j] and sample.hashes[i] != sample.hashes[j]
    ] if sample.prints else []  # fmt: skip
    if pairs:
        yield Confound(
            "near_duplicates", sample.arm, sample.modality,
            f"{len(pairs)} pairs of images of different patients or sources are near-duplicates: "
            f"{_pairs(pairs, sample.keys, sample.keys)}", COPIES,
        )  # fmt: skip


def _across(pair: Comparison) -> Iterable[Confound]:
    """Fakes that are, or nearly are, a real: they stop a study."""
    reals = {digest: key for key, digest in zip(pair.real.keys, pair.real.hashes, strict=False) if digest}
    exact = [(k, reals[d]) for k, d in zip(pair.fake.keys, pair.fake.hashes, strict=False) if d in reals]
    if exact:
        yield Confound(
            "copy_of_real", pair.arm, pair.real.modality,
            f"fakes that are copies of a real, pixel by pixel: {len(exact)}: {_some([f'{a} = {b}' for a, b in exact])}",
            "leave them out, and look for how they came into the arm", stops=True,
        )  # fmt: skip
    same = {key for key, _ in exact}
    pairs = [t for t in near(pair.fake.prints, pair.real.prints) if pair.fake.keys[t[0]] not in same]
    if pairs:
        yield Confound(
            "near_duplicate_of_real", pair.arm, pair.real.modality,
            f"fakes that are near-duplicates of a real (resized, recompressed, brightened or mirrored): "
            f"{len({i for i, _, _ in pairs})}: {_pairs(pairs, pair.fake.keys, pair.real.keys)}",
            "leave the real or the fake out: readers could know it by the other", stops=True,
        )  # fmt: skip


def _trained(pair: Comparison, training: Mapping[str, str]) -> Iterable[Confound]:
    """Images shown that the generator has seen."""
    names, prints = list(training), list(training.values())
    for sample, confound, what, stops in (
        (pair.real, "real_in_training", "reals are in the generator's training images", True),
        (pair.fake, "fake_copies_training", "fakes are near-duplicates of training images: memorised", False),
    ):
        pairs = near(sample.prints, prints) if prints and sample.prints else []
        if pairs:
            yield Confound(
                confound, pair.arm, sample.modality,
                f"{len({i for i, _, _ in pairs})} {what}: {_pairs(pairs, sample.keys, names)}",
                "leave them out", stops=stops,
            )  # fmt: skip


def _unmatched(pair: Comparison) -> Iterable[Confound]:
    real, fake = set(pair.real.conditions) - {""}, set(pair.fake.conditions) - {""}
    if real and not pair.matched:
        yield Confound(
            "unmatched", pair.arm, pair.real.modality,
            f"the fakes' conditions ({_some(sorted(fake)) or 'none given'}) are not all among the reals' "
            f"({_some(sorted(real))}): all images are compared at once, so differences between conditions count, too",
            "compare fakes with reals of their own conditions",
        )  # fmt: skip


def _pairs(pairs: Sequence[tuple[int, int, float]], left: Sequence[str], right: Sequence[str]) -> str:
    best = sorted(pairs, key=lambda t: (-t[2], t[0], t[1]))
    return _some([f"{left[i]} ~ {right[j]} ({r:.3f})" for i, j, r in best])


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
