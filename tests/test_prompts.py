"""Prompts by cell: in turn, slots filled from the image's number alone, faults told at once."""

from __future__ import annotations

from typing import Any

import pytest

from lungeval.backends.prompts import PromptBook, filled, prompts_of, slots_in
from lungeval.errors import LungevalError
from lungeval.protocol import Arm, Cell

COVID = Cell(modality="xray", condition="covid_19")
SLOTS = {"view": ["PA", "AP"], "sex": ["woman", "man"], "age": ["40", "50", "60"]}


def arm(prompts: dict[str, Any], **more: Any) -> Arm:
    return Arm(backend="text_to_image_api", prompts=prompts, **more)


def test_every_combination_comes_once_before_any_comes_again() -> None:
    text = "{view} film of a {age}-year-old {sex}, {view}"
    round_ = [filled(text, SLOTS, index) for index in range(12)]
    assert len(set(round_)) == 12
    assert [filled(text, SLOTS, index) for index in range(12, 24)] == round_
    assert round_[:2] == ["PA film of a 40-year-old woman, PA", "AP film of a 40-year-old woman, AP"]
    assert round_[2] == "PA film of a 50-year-old woman, PA"
    assert slots_in(text) == ["view", "age", "sex"]


def test_prompts_come_in_turn_and_an_index_always_gives_the_same() -> None:
    book = PromptBook(
        arm({"xray/covid_19": ["{view} one", "two", "{{three}}"]}, options={"slots": {"view": ["PA", "AP"]}}), where="f"
    )
    assert [book.prompt(COVID, index) for index in range(7)] == [
        "PA one", "two", "{three}", "AP one", "two", "{three}", "PA one",
    ]  # fmt: skip
    assert book.conditions() == {"xray": {"covid_19"}}


def test_makes_maps_the_arm_s_own_words() -> None:
    mapped = arm(
        {"xray/corona": "a", "xray/sars": "b", "ct/covid_19": "c"},
        makes=[{"modality": "xray", "condition": {"corona": "covid_19", "sars": "covid_19"}}],
    )
    book = PromptBook(mapped, where="f")
    assert book.conditions() == {"xray": {"covid_19"}}
    assert prompts_of(mapped, COVID, "f") == ["a", "b"]
    with pytest.raises(LungevalError, match="prompts: none for ct/covid_19"):
        book.prompt(Cell(modality="ct", condition="covid_19"), 0)


@pytest.mark.parametrize(
    ("prompts", "more", "words"),
    [
        ({"xray/a": "{veiw} film"}, {}, r"unknown slot \{veiw\}; did you mean 'view'"),
        ({"xray/a": "{view} film"}, {}, r"the slot \{view\} has no words; set options.slots.view"),
        ({"xray/a": "{view:>3} film"}, {"options": {"slots": {"view": ["PA"]}}}, "slots cannot be read"),
        ({"xray/a": "a { film"}, {}, "slots cannot be read"),
        ({"xray/a": "  "}, {}, "an empty prompt"),
        ({"xray/a": []}, {}, "no prompt is given"),
        ({}, {}, "prompts: none"),
        ({"xray/a": "x"}, {"options": {"slots": {"colour": ["red"]}}}, "options.slots.colour: unknown slot"),
        ({"xray/a": "x"}, {"options": {"slots": {"age": [40]}}}, "put numbers in quotes"),
        ({"xray/a": "x"}, {"makes": [{"modality": "xray", "condition": "b"}]}, "none for xray/b, which `makes` names"),
    ],
)
def test_faults_are_told(prompts: dict[str, Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(LungevalError, match=words) as fault:
        PromptBook(arm(prompts, **more), where="generators/x.yaml")
    assert fault.value.code == "protocol"
