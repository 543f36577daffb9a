"""The prompts of a text-to-image arm: by cell, several in turn, with slots filled from the image's number alone.

    prompts:
      xray/covid_19:
        - "{view} chest radiograph of a {age} {sex} with COVID-19 pneumonia, {severity}"
    options:
      slots: {view: [PA, AP], sex: [woman, man], age: [41-year-old, 67-year-old], severity: [mild, severe]}

`PromptBook(arm, where=...)` checks all of it at once; `prompt(cell, index)` is the text for image number `index` of a
cell: the same text at every call, on every machine, whatever else is asked for. Prompts are used in turn; the slots of
one prompt go through their combinations like the digits of a counter, the first slot of the text fastest, so that
every combination comes once before any comes again. `conditions()` says which of the protocol's cells have a prompt,
after `makes` has been applied. `prompts_of` and `filled` are the two steps of it, for backends that need them apart.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.backends.base import native_conditions
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import Arm, Cell
from lungeval.records import MODALITIES

SLOTS = ("view", "sex", "age", "severity")
"""Slots that a prompt may have."""

Slots = Mapping[str, Sequence[str]]
"""The words of each slot."""


class PromptBook:
    """Every prompt of an arm, checked.

    Args:
        arm: its `prompts`, `makes` and `options.slots`.
        where: the file that holds it, for errors.

    Raises:
        LungevalError: `protocol`, every fault at once: an unknown slot, a slot without words, an empty prompt, a cell
            that `makes` names and no prompt describes.
    """

    def __init__(self, arm: Arm, *, where: str) -> None:
        self._arm = arm
        self._where = where
        self.slots: dict[str, list[str]] = {}
        faults = self._read_slots(arm.options.get("slots", {}))
        for key, texts in arm.prompts.items():
            for text in [texts] if isinstance(texts, str) else texts:
                faults += self._faults_of(key, text)
            if not isinstance(texts, str) and not texts:
                faults.append(self._fault(f"prompts.{key}: no prompt is given", "write one"))
        for entry in arm.makes:
            for own in entry.condition if isinstance(entry.condition, dict) else [entry.condition]:
                if f"{entry.modality}/{own}" not in arm.prompts:
                    what = f"prompts: none for {entry.modality}/{own}, which `makes` names"
                    faults.append(self._fault(what, f"add prompts: {{{entry.modality}/{own}: ...}}"))
        if not arm.prompts and not arm.makes:
            faults.append(self._fault("prompts: none", "write prompts by cell, such as xray/covid_19: ..."))
        raise_all(faults)

    def prompt(self, cell: Cell, index: int) -> str:
        """The prompt of image number `index` (from 0) of a cell.

        Raises:
            LungevalError: `protocol` where the cell has none.
        """
        texts = prompts_of(self._arm, cell, self._where)
        return filled(texts[index % len(texts)], self.slots, index // len(texts))

    def conditions(self) -> dict[str, set[str]]:
        """The protocol's conditions that have a prompt, by modality, after `makes`."""
        there: dict[str, set[str]] = {}
        if not self._arm.makes:
            for key in self._arm.prompts:
                modality, _, condition = key.partition("/")
                there.setdefault(modality, set()).add(condition)
            return there
        for entry in self._arm.makes:
            words = entry.condition if isinstance(entry.condition, dict) else {entry.condition: entry.condition}
            there.setdefault(entry.modality, set()).update(words.values())
        return there

    def _read_slots(self, given: Any) -> list[LungevalError]:
        if not isinstance(given, dict):
            return [self._fault("options.slots: expected words by slot", "such as {view: [PA, AP]}")]
        faults: list[LungevalError] = []
        for name, words in given.items():
            listed = [words] if isinstance(words, str) else words
            if name not in SLOTS:
                faults.append(self._fault(f"options.slots.{name}: unknown slot", did_you_mean(str(name), SLOTS)))
            elif not isinstance(listed, list) or not listed or not all(isinstance(w, str) for w in listed):
                what = f"options.slots.{name}: expected a list of texts"
                faults.append(self._fault(what, "put numbers in quotes"))
            else:
                self.slots[name] = list(listed)
        return faults

    def _faults_of(self, key: str, text: str) -> list[LungevalError]:
        if key.partition("/")[0] not in MODALITIES:
            return [self._fault(f"prompts.{key}: not a cell", "write modality/condition, such as xray/covid_19")]
        if not text.strip():
            return [self._fault(f"prompts.{key}: an empty prompt", "write what the image shows")]
        try:
            used = slots_in(text)
        except ValueError as error:
            remedy = "slots are written {view}; a brace that is none, {{ or }}"
            return [self._fault(f"prompts.{key}: the slots cannot be read ({error})", remedy)]
        faults: list[LungevalError] = []
        for name in used:
            if name not in SLOTS:
                what = f"prompts.{key}: unknown slot {{{name}}}"
                faults.append(self._fault(what, did_you_mean(name, SLOTS)))
            elif name not in self.slots:
                what = f"prompts.{key}: the slot {{{name}}} has no words"
                faults.append(self._fault(what, f"set options.slots.{name}: [...]"))
        return faults

    def _fault(self, what: str, remedy: str) -> LungevalError:
        return LungevalError("protocol", what, where=self._where, remedy=remedy)


def prompts_of(arm: Arm, cell: Cell, where: str) -> list[str]:
    """The templates of a cell, in the file's order: those of every native word that `makes` maps to it.

    Raises:
        LungevalError: `protocol` where there is none.
    """
    texts: list[str] = []
    for own in native_conditions(arm, cell):
        given = arm.prompts.get(f"{cell.modality}/{own}", [])
        texts += [given] if isinstance(given, str) else given
    if not texts:
        raise LungevalError(
            "protocol", f"prompts: none for {cell.modality}/{cell.condition}", where=where,
            remedy=f"add prompts: {{{cell.modality}/{cell.condition}: ...}}",
        )  # fmt: skip
    return texts


def slots_in(template: str) -> list[str]:
    """Names of the slots of a template, in order, each once.

    Raises:
        ValueError: a brace without its partner, or a format after the name.
    """
    names: list[str] = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is not None and (spec or conversion):
            raise ValueError(f"a format after {{{name}}}")
        if name is not None and name not in names:
            names.append(name)
    return names


def filled(template: str, slots: Slots, index: int) -> str:
    """The template with its slots filled: combination number `index`, modulo the number of combinations.

    Args:
        template: text with slots such as {view}; {{ and }} are braces.
        slots: the words of each slot.
        index: number of the image among those of this template, from 0.
    """
    rest, chosen = index, {}
    for name in slots_in(template):
        words = slots[name]
        rest, digit = divmod(rest, len(words))
        chosen[name] = words[digit]
    return template.format_map(chosen)
