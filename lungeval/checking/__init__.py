"""`check-paper FILE.yaml`: do a paper's printed figures follow from its printed counts?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lungeval.checking.grim import Grim, grim, possible_percentage
from lungeval.checking.judging import Finding, judge
from lungeval.checking.paper import Paper, load
from lungeval.checking.remarks import Remark, remarks
from lungeval.checking.shown import sentence, summary, table
from lungeval.errors import LungevalError, raise_all
from lungeval.progress import Progress
from lungeval.yamlfile import Document

__all__ = ["Finding", "Grim", "Paper", "Remark", "check", "check_paper", "grim", "load", "possible_percentage"]

CODE = "figure"
"""The error code of a figure that does not follow: exit code 5."""


def check(paper: Paper, document: Document) -> tuple[list[Finding], list[Remark]]:
    """Every printed figure of a paper against its counts, and what else a reviewer would say.

    Args:
        paper: the paper's file, as `load` gives it.
        document: where everything stands in the file.
    """
    findings = [
        judge(result, claim, paper.design, document.where(("results", r, "figures", c)))
        for r, result in enumerate(paper.results)
        for c, claim in enumerate(result.figures)
    ]
    return findings, remarks(paper, findings)


def check_paper(path: Path, progress: Progress) -> tuple[dict[str, Any], str]:
    """The verb: data for `--json`, and the table.

    Args:
        path: the paper's file.
        progress: where the table goes where a figure does not follow, since the verb then ends in an error.

    Raises:
        LungevalError: `protocol` where the file cannot be read; the code of CODE (exit 5), one fault for each figure
            that does not follow, with the whole check as its data.
    """
    paper, document = load(path)
    findings, said = check(paper, document)
    data = {
        "paper": paper.paper, "source": paper.source, "figures": findings, "remarks": said,
        "summary": summary(findings),
    }  # fmt: skip
    text = table(paper, findings, said)
    faults = [
        LungevalError(CODE, f"{finding.result}: {sentence(finding)}", where=finding.where, remedy=_remedy(finding))
        for finding in findings
        if finding.verdict == "does_not_follow"
    ]
    try:
        raise_all(faults)
    except LungevalError as stopped:
        stopped.data = data
        progress.tell(text)
        raise
    return data, text


def _remedy(finding: Finding) -> str:
    known = "; ".join(finding.would_follow)
    return f"as printed: {known}" if known else "no method known here gives the printed figure"
