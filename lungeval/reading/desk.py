"""What a reader is shown and what is taken from them: the own plan in its order, one presentation at a time.

Nothing that leaves here tells more of a case than its pixels and their shape, which is one for all cases of a modality.
"""

from __future__ import annotations

from typing import Any

from lungeval.errors import LungevalError
from lungeval.reading.blinded import Blinded
from lungeval.reading.messages import Answer
from lungeval.reading.security import RefusalError
from lungeval.reading.store import Store
from lungeval.records import Presentation, Reading


class Desk:
    """The study, reader by reader.

    Args:
        blinded: the study.
        store: where the answers go.
    """

    def __init__(self, blinded: Blinded, store: Store) -> None:
        self._blinded = blinded
        self._study = blinded.study
        self._store = store
        self._kinds = {seat.id: seat.kind for seat in blinded.study.readers}

    def state(self, reader: str) -> dict[str, Any]:
        """All that the page needs to begin, or to go on."""
        study = self._study
        return {
            "reader": reader,
            "title": study.title,
            "instructions": study.instructions,
            "consent": study.consent,
            "consented": self._may_read(reader),
            "prevalence": study.prevalence,
            "ribbon": study.ribbon,
            "labels": list(study.answers.labels),
            "confidence": study.answers.confidence,
            **self.progress(reader),
        }

    def progress(self, reader: str) -> dict[str, Any]:
        """How far the reader is, the open presentation, and the one after it (for the page to fetch ahead).

        Practice is counted by itself. Blocks are numbered in the order in which this reader meets them, so that their
        numbers say nothing of the order that others have; a repeat looks like any other presentation.
        """
        plan, left = self._blinded.plans[reader], self._left(reader)
        ahead = left if self._may_read(reader) else []
        practice = [slot for slot in plan if slot.kind == "practice"]
        practised = len(practice) - sum(slot.kind == "practice" for slot in left)
        blocks = list(dict.fromkeys(slot.block for slot in plan if slot.kind != "practice"))
        return {
            "progress": {
                "done": len(plan) - len(left) - practised,
                "total": len(plan) - len(practice),
                "practised": practised,
                "practice": len(practice),
                "blocks": len(blocks),
            },
            "next": self._slot(ahead[0], blocks) if ahead else None,
            "following": self._slot(ahead[1], blocks) if len(ahead) > 1 else None,
        }

    def consent(self, reader: str) -> dict[str, Any]:
        """Note the reader's consent; the state after it."""
        self._store.give_consent(reader)
        return self.state(reader)

    def pixels(self, reader: str, presentation: str) -> bytes:
        """Bytes of the open presentation, or of the one after it.

        Raises:
            RefusalError: 404 for any other.
        """
        if self._may_read(reader):
            for slot in self._left(reader)[:2]:
                if slot.presentation == presentation:
                    return self._blinded.pixels(slot.case)
        raise RefusalError(404, "nothing", "This picture is not open now.")

    def take(self, reader: str, answer: Answer) -> str:
        """Store an answer to the open presentation, or recognise one that is stored.

        Returns:
            `stored` or `already`.

        Raises:
            RefusalError: 404 for a presentation of another list; 409 before consent, out of turn, or where the first
                answer was another; 422 for a label or a confidence that was not offered.
        """
        slot = next((s for s in self._blinded.plans[reader] if s.presentation == answer.presentation), None)
        if slot is None:
            raise RefusalError(404, "nothing", "This picture is not in your list.")
        if not self._may_read(reader):
            raise RefusalError(409, "consent", "Please agree to take part first.")
        self._check_words(answer)
        left = self._left(reader)
        if slot in left[1:]:
            raise RefusalError(409, "order", "Another picture comes first.")
        reading = Reading.model_validate(
            {
                **slot.model_dump(exclude={"block"}),
                "reader_kind": self._kinds[reader],
                "label": answer.label,
                "confidence": answer.confidence,
                "rt_ms": answer.rt_ms,
            }
        )
        try:
            return self._store.add(
                reading, attempt=answer.attempt, viewing=answer.viewing.model_dump(exclude_none=True)
            )
        except LungevalError as fault:
            if fault.code != "labels":
                raise
            raise RefusalError(409, "answered", "This picture is answered already; the first answer stands.") from None

    def _slot(self, slot: Presentation, blocks: list[int]) -> dict[str, Any]:
        practice = slot.kind == "practice"
        return {
            "presentation": slot.presentation,
            "practice": practice,
            "block": 0 if practice else 1 + blocks.index(slot.block),
            **self._blinded.shapes[slot.case].model_dump(),
        }

    def _left(self, reader: str) -> list[Presentation]:
        answered = self._store.answered(reader)
        return [slot for slot in self._blinded.plans[reader] if slot.presentation not in answered]

    def _may_read(self, reader: str) -> bool:
        return self._study.consent is None or self._store.consent(reader)

    def _check_words(self, answer: Answer) -> None:
        labels, levels = self._study.answers.labels, self._study.answers.confidence
        if answer.label not in labels:
            raise RefusalError(422, "label", f"The label must be one of: {', '.join(labels)}.")
        if answer.confidence is None:
            if levels and answer.label != "unsure":
                raise RefusalError(422, "confidence", f"Confidence is needed: 1 to {levels}.")
        elif not 1 <= answer.confidence <= levels:
            told = f"Confidence must be 1 to {levels}." if levels else "Confidence is not asked in this study."
            raise RefusalError(422, "confidence", told)
