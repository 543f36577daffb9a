"""The check as people read it: one line a figure, then the remarks, then the sum."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lungeval.checking.judging import Finding
from lungeval.checking.paper import Paper, plain
from lungeval.checking.remarks import Remark

_VERDICTS = {
    "follows": "follows",
    "does_not_follow": "DOES NOT FOLLOW",
    "cannot_be_checked": "cannot be checked",
}
_WIDTH = 110


def table(paper: Paper, findings: Sequence[Finding], remarks: Sequence[Remark]) -> str:
    """The whole check as text."""
    lines = [paper.paper, paper.source, ""]
    result = ""
    for finding in findings:
        if finding.result != result:
            result = finding.result
            lines.append(result)
        lines += _lines(finding)
    if remarks:
        lines += ["", "remarks"]
        lines += [line for remark in remarks for line in _wrapped(_remark(remark), "  - ")]
    lines += ["", summary(findings)]
    return "\n".join(lines)


def summary(findings: Sequence[Finding]) -> str:
    """How many figures follow."""
    counts = {verdict: sum(f.verdict == verdict for f in findings) for verdict in _VERDICTS}
    return (
        f"figures: {len(findings)}; follow from the counts: {counts['follows']}; do not: {counts['does_not_follow']}; "
        f"cannot be checked: {counts['cannot_be_checked']}"
    )


def sentence(finding: Finding) -> str:
    """What is wrong with a figure that does not follow."""
    found = f"{_name(finding)} is printed as {finding.printed}; from the counts it is {finding.recomputed}"
    if finding.value is None or finding.method is None or finding.method.startswith("no whole"):
        return f"{_name(finding)} is printed as {finding.printed}: {finding.method}"
    return f"{found} ({finding.method})"


def _name(finding: Finding) -> str:
    of = f" of {finding.reader}" if finding.reader else ""
    part = {"printed": "", "interval": ", interval", "sd": ", SD over readers"}[finding.part]
    return f"{plain(finding.figure)}{of}{part}"


def _lines(finding: Finding) -> list[str]:
    head = f"  {_VERDICTS[finding.verdict]:18}{_name(finding)} {finding.printed}"
    if finding.verdict == "follows":
        return _wrapped(f"{head:64} {finding.recomputed} by {finding.method}", "")
    if finding.verdict == "cannot_be_checked":
        return _wrapped(f"{head:64} {finding.reason}", "")
    whole = finding.method is not None and finding.method.startswith("no whole")
    said = str(finding.method) if finding.value is None or whole else f"{finding.recomputed} by {finding.method}"
    lines = _wrapped(f"{head:64} {said}", "")
    if finding.would_follow:
        lines += _wrapped(f"as printed: {'; '.join(finding.would_follow)}", " " * 20)
    else:
        lines += _wrapped("as printed: by no method known here", " " * 20)
    return lines


def _remark(remark: Remark) -> str:
    return f"{remark.result}: {remark.text}" if remark.result else remark.text


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=" " * max(20, len(indent)) if not indent.strip()
        else " " * len(indent), drop_whitespace=True, replace_whitespace=False, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
