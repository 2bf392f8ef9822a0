"""Blocks of examples: bounded in number and in characters, whatever the task."""

import pytest

from gloze.tasks import blocks, choice_files, questions
from gloze.tasks.blocks import in_blocks
from gloze.tasks.examples import Example
from gloze.tasks.sentences import Sentence


@pytest.fixture(autouse=True)
def ten_characters(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_CHARACTERS", 10)


def sizes(examples, most=100):
    found = list(in_blocks(iter(examples), most))
    assert [example for block in found for example in block] == examples
    return [len(block) for block in found]


def test_a_block_has_so_many_examples_and_no_more_characters():
    assert sizes([Example("a")] * 5, most=2) == [2, 2, 1]
    assert sizes([Example("abc", "de")] * 5) == [2, 2, 1]
    assert sizes([Example("a"), Example("a" * 30), Example("a"), Example("b")]) == [1, 1, 2]
    assert sizes([]) == []


@pytest.mark.parametrize(
    "example",
    [
        Example("a", row={"text": "a", "tags": ["b", "c"]}),
        questions.Question("1", "ab", "c"),
        choice_files.Question("a", ("b", "c"), "d"),
        Sentence(("ab", "cd")),
    ],
)
def test_the_texts_of_examples_of_every_kind_count(example):
    assert sizes([example] * 4) == [2, 2]
