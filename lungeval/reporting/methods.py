"""The methods paragraph: facts of the protocol in sentences a paper can take over; what is not known is not said."""

from __future__ import annotations

import re
from collections import Counter

from lungeval.records import PAGE_KINDS, REAL_ARM, Estimate, Inference
from lungeval.reporting import image_metrics, methods_blinding, methods_statistics, words
from lungeval.reporting.findings import Findings
from lungeval.reporting.headline import of_whom
from lungeval.reporting.methods_statistics import EACH, cite, plain_method
from lungeval.reporting.reading_tables import READER_ESTIMANDS
from lungeval.statistics.estimands import ESTIMANDS

_NOUNS = {"simulated": "simulated reader", "scripted": "scripted reader", "machine": "machine reader"}
_SHOWN = (*READER_ESTIMANDS, "intra_reader_agreement", "intra_reader_kappa")
_VARIANT = re.compile(r", (?=widened |with |log-linear )")


def paragraph(findings: Findings, kind: str) -> str:
    """What was read and how it was analysed by one kind of reader, as plain text: two paragraphs."""
    study = [
        _readers(findings, kind),
        _set(findings, kind),
        methods_blinding.blinding(findings, kind),
        methods_blinding.lists(findings, kind),
        methods_blinding.audit(findings),
    ]
    cited: set[str] = set()
    analysis = [
        _outcome(findings),
        methods_blinding.status(findings),
        methods_statistics.unsure(findings, kind),
        methods_statistics.rule(findings, kind),
        _intervals(findings, kind, cited),
        methods_statistics.comparisons(findings, kind, cited),
        _reader_methods(findings, kind, cited),
        methods_statistics.others(findings, kind, cited),
        _agreement(findings, kind),
        image_metrics.methods(findings, cited),
        _software(findings),
    ]
    both = (" ".join(part for part in parts if part) for parts in (study, analysis))
    return "\n\n".join(text for text in both if text)


def _readers(findings: Findings, kind: str) -> str:
    """Who read what: only readers who answered; `independently` only where the study's own page saw to it."""
    readers = findings.labellers(kind)
    if not readers:
        return ""
    noun = _NOUNS.get(kind, "reader")
    years = sorted(row["experience_years"] for row in readers if row.get("experience_years") is not None)
    span = ""
    if years:
        low, high = words.number(years[0], "plain"), words.number(years[-1], "plain")
        known = "" if len(years) == len(readers) else f", known for {len(years)} of {len(readers)}"
        span = f" ({low if low == high else f'{low} to {high}'} years of experience{known})"
    labels = "real, fake or unsure" if findings.unsure else "real or fake"
    union = findings.n_cases(kind, None)
    if len(readers) == 1:
        return f"One {noun}{span} labelled {words.counted(union, 'lung image')} as {labels}."
    each = Counter(name for name, _ in {(row.reader, row.case) for row in findings.group(kind, None)})
    least, most = min(each.values()), max(each.values())
    if least == most == union:
        read = f"each read the same {words.counted(union, 'image')}"
    else:
        some = f"{least:,}" if least == most else f"between {least:,} and {most:,}"
        read = f"each read {some} images, {union:,} different ones in all"
    how = "independently labelled" if findings.designed and kind in PAGE_KINDS else "labelled"
    return f"{words.spelled(len(readers))} {noun}s{span} {how} lung images as {labels}; {read}."


def _set(findings: Findings, kind: str) -> str:
    """What was read, by arm, as distinct images."""
    rows = findings.group(kind, None)
    counts = Counter({row.case: REAL_ARM if row.truth == "real" else row.arm for row in rows}.values())
    parts = [f"{counts[REAL_ARM]:,} real"] if counts[REAL_ARM] else []
    for arm in findings.arms:
        facts = findings.arm_facts(arm)
        model = f" ({facts['model']})" if facts.get("model") else ""
        if counts[arm]:
            parts.append(f"{counts[arm]:,} from {arm}{model}" if arm else f"{counts[arm]:,} fake")
    cells = words.joined([words.cell_name(*cell).replace(", ", " / ") for cell in findings.cells if any(cell)])
    of_cells = f", in the cells {cells}" if len(findings.cells) > 1 else f", of {cells}" if cells else ""
    return f"The set read held {words.joined(parts)}{of_cells}." if parts else ""


def _outcome(findings: Findings) -> str:
    if not findings.run.get("analysis"):
        return ""
    fixed = ", fixed before the first answer," if findings.fixed else ""
    text = f"The primary outcome{fixed} was {words.title(findings.primary).lower()}"
    policy = findings.policy_words(findings.primary)
    text += f" ({policy})." if policy else "."
    if findings.margin is not None:
        reason = f" ({findings.margin_reason.rstrip('.')})" if findings.margin_reason else ""
        text += (
            f" The margin around chance was ±{words.number(100 * findings.margin, 'plain')} percentage points{reason}."
        )
    return text


def _intervals(findings: Findings, kind: str, cited: set[str]) -> str:
    """How intervals were made, from the methods that the estimates name: the outcome's by arm, then the other's."""
    groups: dict[str, list[str]] = {}
    for arm in findings.arms:
        found = findings.headline(kind, arm)
        if found is not None and found.low is not None and found.level is not None:
            whom = of_whom(found, found.n_readers or len(findings.labellers(kind)))
            how = f"speaks of {whom} ({words.level(found.level)}): {plain_method(found.method)} [{found.source}]"
            groups.setdefault(how, []).append(words.arm_name(arm))
            cited.update(found.source.split("; "))
    if len(groups) == 1:
        text = f"The interval of the primary outcome {next(iter(groups))}."
    elif groups:
        parts = [f"that of {words.joined(arms)} {how}" for how, arms in groups.items()]
        text = f"The intervals of the primary outcome differ: {'; '.join(parts)}."
    else:
        text = ""
    return " ".join(part for part in (text, _beside(findings, kind, cited)) if part)


def _beside(findings: Findings, kind: str, cited: set[str]) -> str:
    """How the interval of the inference that does not lead was made; nothing where it is not defined."""
    ways: dict[str, dict[str, None]] = {}
    sources: list[str] = []
    for arm in findings.arms:
        lead = findings.headline(kind, arm)
        if lead is None or lead.inference is None:
            continue
        other: Inference = "these_readers" if lead.inference == "readers_like_these" else "readers_like_these"
        found = findings.speaking(findings.primary, kind, other, arm=arm)
        if found is not None and found.low is not None and found.scope.reader is None:
            whom = of_whom(found, found.n_readers or len(findings.labellers(kind)))
            known = plain_method(lead.method).split("; ")
            own = [part for part in plain_method(found.method).split("; ") if part not in known]
            ways.setdefault(whom, {})["; ".join(own) or "the same"] = None
            sources += found.source.split("; ")
    if not ways:
        return ""
    said = words.joined([f"{whom} ({' or '.join(how)})" for whom, how in ways.items()])
    return f"Beside it stands that of {said}{cite(sources, cited)}."


def _reader_methods(findings: Findings, kind: str, cited: set[str]) -> str:
    """The methods of single readers' and pairs' intervals, with the measures that each served."""
    served: dict[str, set[str]] = {}
    variants: dict[str, set[str]] = {}
    sources: dict[str, list[str]] = {}
    for row in findings.estimates:
        if row.scope.reader_kind == kind and row.low is not None and _printed(findings, row):
            base, also = _base(plain_method(row.method))
            served.setdefault(base, set()).add(row.estimand)
            variants.setdefault(base, set()).update(also)
            sources.setdefault(base, []).extend(row.source.split("; "))
    parts = []
    for base, names in served.items():
        measures = words.joined([words.inner(words.title(name)) for name in ESTIMANDS if name in names])
        some = f" (in part: {' or '.join(sorted(variants[base]))})" if variants[base] else ""
        parts.append(f"for {measures}, {base}{some}{cite(sources[base], cited)}")
    if not parts:
        return ""
    whose = "each reader and of pairs of readers" if findings.pairs(kind) else "each reader"
    return f"Intervals of {whose}: {'; '.join(parts)}."


def _base(method: str) -> tuple[str, list[str]]:
    """A method without its variants for sparse counts, and these variants."""
    head, each, tail = method.rpartition(EACH)
    found = [_VARIANT.split(part) for part in tail.split(", or ")]
    bases = list(dict.fromkeys(part[0] for part in found))
    return head + each + " or ".join(bases), [also for part in found for also in part[1:]]


def _printed(findings: Findings, row: Estimate) -> bool:
    """Whether an estimate of one reader or of a pair stands in the report's tables."""
    scope = row.scope
    whole = scope.arm is None and scope.modality is None and scope.subset in (None, "unmatched")
    alone = scope.reader is not None and row.estimand in _SHOWN and row.policy == findings.policy_for(row.estimand)
    return whole and (alone or (row.estimand == "cohen_kappa" and row.policy is None))


def _agreement(findings: Findings, kind: str) -> str:
    pairs = findings.pairs(kind)
    if not pairs:
        return ""
    whom = "the two readers" if len(pairs) == 1 else "each pair of readers"
    labels = words.joined(list(findings.labels))
    text = f"Agreement between {whom} was measured with Cohen's kappa over the answers {labels}"
    named = {"fleiss_kappa": "Fleiss' kappa", "krippendorff_nominal": "Krippendorff's alpha", "gwet_ac1": "Gwet's AC1"}
    there = [name for key, name in named.items() if findings.of(kind, key)]
    text += f", that of all readers together with {words.joined(there)}" if there else ""
    if findings.of(kind, "expected_kappa"):
        text += "; beside it stands the kappa expected if readers erred independently given the truth"
    return f"{text}."


def _software(findings: Findings) -> str:
    run = findings.run
    version = f"Analysis: lungeval {run['version']}" if run.get("version") else ""
    extra = [f"protocol sha256 {run['protocol'][:12]}…"] if run.get("protocol") else []
    extra += [f"seed {run['seed']}"] if run.get("seed") is not None else []
    return f"{version} ({', '.join(extra)})." if version and extra else f"{version}." if version else ""
