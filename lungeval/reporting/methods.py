"""The methods paragraph: facts of the protocol in sentences a paper can take over; what is not known is not said."""

from __future__ import annotations

from lungeval.records import REAL_ARM
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.study_tables import shown_counts


def paragraph(findings: Findings, kind: str) -> str:
    """One paragraph about the readings of one kind of reader, as plain text."""
    parts = [
        _readers(findings, kind),
        _set(findings),
        _blinding(findings),
        _outcome(findings),
        _intervals(findings, kind),
    ]
    parts += [_agreement(findings, kind), _metrics(findings), _software(findings)]
    return " ".join(part for part in parts if part)


def _readers(findings: Findings, kind: str) -> str:
    readers = findings.readers(kind)
    years = sorted(row["experience_years"] for row in readers if row.get("experience_years") is not None)
    noun = {"simulated": "simulated reader", "scripted": "scripted reader", "machine": "machine reader"}.get(
        kind, "reader"
    )
    span = ""
    if years:
        low, high = words.number(years[0], "plain"), words.number(years[-1], "plain")
        span = f" ({low if low == high else f'{low} to {high}'} years of experience)"
    labels = "real or fake" if (findings.run.get("answers") or {}).get("unsure") is False else "real, fake or unsure"
    n = len({row.case for row in findings.main if row.reader_kind == kind})
    if not readers or not n:
        return ""
    verb = "labelled" if len(readers) == 1 else "independently labelled"
    who = f"{words.spelled(len(readers))} {noun}{'' if len(readers) == 1 else 's'}"
    return f"{who}{span} {verb} {words.counted(n, 'lung image')} as {labels}."


def _set(findings: Findings) -> str:
    counts = shown_counts(findings)
    parts = [f"{counts[REAL_ARM]:,} real"] if counts[REAL_ARM] else []
    for arm in findings.arms:
        facts = findings.arm_facts(arm)
        model = f" ({facts['model']})" if facts.get("model") else ""
        n = counts.get(arm or "fake", 0)
        if n:
            parts.append(f"{n:,} from {arm}{model}" if arm else f"{n:,} fake")
    cells = words.joined([words.cell_name(*cell).replace(", ", " / ") for cell in findings.cells if any(cell)])
    of_cells = f", in the cells {cells}" if len(findings.cells) > 1 else f", of {cells}" if cells else ""
    return f"The set held {words.joined(parts)}{of_cells}." if parts else ""


def _blinding(findings: Findings) -> str:
    facts = findings.run.get("blinding") or {}
    if not facts:
        return ""
    sizes = words.joined(
        [f"{side} pixels ({words.MODALITY_TITLES.get(m, m)})" for m, side in (facts.get("size") or {}).items()]
    )
    same = f"All images were brought to the same form, squares of {sizes}, and shown" if sizes else "Images were shown"
    told = {"untold": " Readers were not told the share of fakes.", "told": " Readers were told the share of fakes."}
    share = told.get(str(facts.get("prevalence")), "")
    return f"{same} one at a time under opaque identifiers, to each reader in an order of their own.{share}"


def _outcome(findings: Findings) -> str:
    if not findings.run.get("analysis"):
        return ""
    fixed = ", fixed before the first answer," if findings.run.get("protocol") else ""
    text = f"The primary outcome{fixed} was {words.title(findings.primary).lower()}"
    policy = findings.policy_for(findings.primary)
    text += f" ({words.policy_title(policy)})." if policy else "."
    if findings.margin is not None:
        reason = f" ({findings.margin_reason.rstrip('.')})" if findings.margin_reason else ""
        text += (
            f" The margin around chance was ±{words.number(100 * findings.margin, 'plain')} percentage points{reason}."
        )
    return text


def _intervals(findings: Findings, kind: str) -> str:
    for arm in findings.arms:
        found = findings.mean(findings.primary, kind, arm=arm)
        if found is not None and found.low is not None and found.level is not None:
            of_whom = {"these_readers": "these readers", "readers_like_these": "readers like these"}.get(
                found.inference or ""
            )
            speaks = f" and speak of {of_whom}" if of_whom else ""
            how = f"{found.method.rstrip('.')} ({found.source.rstrip('.')})"
            return f"Intervals are {words.level(found.level)} intervals{speaks}; method: {how}."
    return ""


def _agreement(findings: Findings, kind: str) -> str:
    pairs = findings.pairs(kind)
    if not pairs:
        return ""
    whom = "the two readers" if len(pairs) == 1 else "each pair of readers"
    return f"Agreement between {whom} was measured with Cohen's kappa over the answers real, unsure and fake."


def _metrics(findings: Findings) -> str:
    named = [row.estimand.rstrip("]").split("[", 1) for row in findings.metrics if "[" in row.estimand]
    if not named:
        return ""
    metrics = list(dict.fromkeys(words.METRIC_TITLES.get(name, name) for name, _ in named))
    extractors = list(dict.fromkeys(extractor for _, extractor in named))
    text = words.joined([metrics[0], *(f"{name[:1].lower()}{name[1:]}" for name in metrics[1:])])
    return (
        f"{text}, from features of {words.joined(extractors)}, compare the whole pools of images, not only those shown."
    )


def _software(findings: Findings) -> str:
    run = findings.run
    version = f"Analysis: lungeval {run['version']}" if run.get("version") else ""
    extra = [f"protocol sha256 {run['protocol'][:12]}…"] if run.get("protocol") else []
    extra += [f"seed {run['seed']}"] if run.get("seed") is not None else []
    return f"{version} ({', '.join(extra)})." if version and extra else f"{version}." if version else ""
