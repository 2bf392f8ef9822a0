"""A corpus on the command line: files, or a lone hyphen for standard input."""

from __future__ import annotations

import io
import json
import sys

import pytest

from gloze.cli import main
from tests.tokenizers.small import TEXT


@pytest.fixture
def standard_input(monkeypatch):
    text = io.TextIOWrapper(io.BytesIO("\n\n".join(TEXT * 3).encode()))
    monkeypatch.setattr(sys, "stdin", text)


def test_a_hyphen_is_standard_input(standard_input, tmp_path, capsys):
    words = ["tokenizer", "-", "-o", str(tmp_path / "vocab"), "--vocab-size", "80", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["vocab_size"] == 80


@pytest.mark.parametrize(
    "words",
    [
        ["tokenizer", "a.txt", "-o", "x", "--vocab-sise", "80"],
        ["prepare", "a.txt", "--tokenizer", "v", "-o", "x", "--vocab-sise"],
    ],
)
def test_a_mistyped_option_is_no_file(words, capsys):
    assert main(words) == 2
    assert "Unknown option: --vocab-sise." in capsys.readouterr().err


def test_the_nearest_option_is_named(capsys):
    assert main(["tokenizer", "a.txt", "-o", "x", "--vocab-sise", "80"]) == 2
    assert "Did you mean '--vocab-size'?" in capsys.readouterr().err


def test_pre_training_reads_standard_input_too(standard_input, tmp_path, capsys):
    sizes = ("hidden_size=16", "num_hidden_layers=1", "num_attention_heads=2")
    changes = ["tokenizer.vocab_size=80", "training.steps=2", *(f"encoder.{s}" for s in sizes)]
    words = ["pretrain", "bert-tiny", "--corpus", "-", "-o", str(tmp_path / "run"), "--json"]
    assert main([*words, *(word for change in changes for word in ("--set", change))]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
