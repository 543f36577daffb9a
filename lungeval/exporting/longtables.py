"""The readings as iMRMC, MRMCaov and RJafroc read them: text in, nothing written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from lungeval.errors import LungevalError
from lungeval.exporting.scores import Scored
from lungeval.exporting.workbook import Sheet, workbook

TRUTH = "truth"
"""The reader and modality of a truth row; no reader or arm may have this name."""


def imrmc(study: Scored, title: str) -> str:
    """The `.imrmc` file: lines about the study, `BEGIN DATA:`, one truth row a case, one row a reading and arm.

    A row is readerID,caseID,modalityID,score. In truth rows reader and modality are `truth` and the score is 1 for a
    fake, 0 for a real. A real stands beside the fakes of several arms: its one reading comes once for each of them, so
    that the program sees the reals as shared between arms and the fakes as nested in theirs.

    Args:
        study: The readings of one kind of reader.
        title: A line about the study.

    Raises:
        LungevalError: `labels`, where a reader or arm is called truth, or two names become one.

    Source:
        iMRMC 2.x, doIMRMC and its example data frame; RJafroc reads the same file with format "iMRMC".
    """
    readers, arms = _names(study.readers), _names(study.arms)
    lines = [
        title, f"{study.kind} readers; the score is {study.rule}; it rises with fakeness",
        f"N0: {sum(not fake for fake in study.truth.values())}", f"N1: {sum(study.truth.values())}",
        f"NR: {len(readers)}", f"NM: {len(arms)}", "BEGIN DATA:",
    ]  # fmt: skip
    lines += [f"{TRUTH},{case},{TRUTH},{fake}" for case, fake in study.truth.items()]
    lines += [f"{readers[reader]},{case},{arms[arm]},{score:.10g}" for arm, reader, case, score in _rows(study)]
    return "\n".join(lines) + "\n"


def mrmcaov(study: Scored) -> str:
    """The long table of MRMCaov: reader, test, case, truth (1 = fake), rating, as CSV.

    Reals come once for each arm that they stand beside, under the same case id; fakes have their own. `mrmc()` then
    finds the partly paired design by itself (its design 1), and with no shared real its design 3.

    Args:
        study: The readings of one kind of reader.

    Raises:
        LungevalError: `labels`, as `imrmc`.

    Source:
        MRMCaov 0.3, mrmc() and its VanDyke data.
    """
    readers, arms = _names(study.readers), _names(study.arms)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["reader", "test", "case", "truth", "rating"])
    writer.writerows(
        [readers[reader], arms[arm], case, study.truth[case], f"{score:.10g}"]
        for arm, reader, case, score in _rows(study)
    )
    return out.getvalue()


def rjafroc(study: Scored, arm: str) -> bytes | str:
    """One arm as RJafroc's ROC workbook (sheets Truth, FP, TP); the reason in words where it cannot be one.

    RJafroc takes factorial data alone: every reader reads every case. Its ids are whole numbers: readers and cases are
    numbered from 1 in the order of their ids, reals first; MODALITY 1 is the arm.

    Args:
        study: The readings of one kind of reader.
        arm: One of its arms.

    Source:
        RJafroc 2.x, DfReadDataFile(newExcelFileFormat = TRUE) and its vignette on ROC data.
    """
    cases = sorted(study.arms[arm], key=lambda case: (study.truth[case], case))
    missing = sum((reader, case) not in study.scores for reader in study.readers for case in cases)
    if missing:
        return f"{missing} of {len(study.readers) * len(cases)} readings are missing, and RJafroc takes none such"
    if {study.truth[case] for case in cases} != {0, 1}:
        return "it needs reals and fakes"
    number = {case: index for index, case in enumerate(cases, start=1)}
    everyone = ", ".join(str(index) for index in range(1, len(study.readers) + 1))
    truth: list[list[str | float]] = [["CaseID", "LesionID", "Weight", "ReaderID", "ModalityID", "Paradigm"]]
    truth += [[number[case], study.truth[case], study.truth[case], everyone, "1"] for case in cases]
    truth[1].append("ROC")
    truth[2].append("FCTRL")
    false: list[list[str | float]] = [["ReaderID", "ModalityID", "CaseID", "FP_Rating"]]
    true: list[list[str | float]] = [["ReaderID", "ModalityID", "CaseID", "LesionID", "TP_Rating"]]
    for index, reader in enumerate(study.readers, start=1):
        for case in cases:
            score = study.scores[reader, case]
            if study.truth[case]:
                true.append([index, 1, number[case], 1, score])
            else:
                false.append([index, 1, number[case], score])
    return workbook([Sheet("Truth", truth), Sheet("FP", false), Sheet("TP", true)])


def _rows(study: Scored) -> list[tuple[str, str, str, float]]:
    return [
        (arm, reader, case, study.scores[reader, case])
        for arm, cases in study.arms.items()
        for reader in study.readers
        for case in cases
        if (reader, case) in study.scores
    ]


def _names(names: Iterable[str]) -> dict[str, str]:
    """Names without commas, quotes and spaces, which those programs stumble over."""
    found = {name: re.sub(r"[^\w.-]+", "_", name) for name in names}
    for name, plain in found.items():
        twins = [other for other, its in found.items() if its == plain]
        if len(twins) > 1:
            what = f"'{twins[0]}' and '{twins[1]}' would both be called '{plain}'"
            raise LungevalError("labels", what, remedy="rename one: letters, digits, . _ and - are kept")
        if plain.lower() == TRUTH or not plain:
            raise LungevalError("labels", f"'{name}' cannot be the name of a reader or arm here", remedy="rename it")
    return found
