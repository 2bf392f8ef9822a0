"""A loaded model: computing in bf16 changes its answers by no more than rounding does."""

import numpy as np
import pytest
import torch

from gloze import load
from gloze.checkpoint import save_model
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError
from gloze.inference.model import Model
from gloze.objectives.mlm import MaskedLMConfig
from gloze.text.library_docs import read_library_docs
from tests.small import recipe, tokenizer


def test_vectors_of_a_real_model_in_bf16_point_where_those_in_float32_do(minilm):
    texts = [p for doc in read_library_docs().documents[:40] for p in doc.paragraphs][:200]
    exact = load(minilm).encode(texts)
    rounded = load(minilm, precision="bfloat16").encode(texts)
    assert rounded.dtype == np.float32
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    assert ((exact * rounded).sum(1) / norms).min() > 0.999


def test_the_vector_of_the_first_token_comes_in_bf16_too(minilm):
    texts = ["The bank raised its rates.", "A river"]
    exact = load(minilm).encode(texts, pooling="cls")
    rounded = load(minilm, precision="bfloat16").encode(texts, pooling="cls")
    assert np.abs(exact - rounded).max() < 0.1


def test_auto_takes_one_of_the_two(minilm):
    texts = ["The bank raised its rates.", "A river"]
    made = {
        how: load(minilm, precision=how).encode(texts) for how in ("float32", "bfloat16", "auto")
    }
    assert any(np.array_equal(made["auto"], made[how]) for how in ("float32", "bfloat16"))


def test_blanks_are_filled_in_bf16_too(tmp_path):
    _, learner = build_learner(recipe(), tokenizer())
    save_model(tmp_path / "m", learner, tokenizer(), card="")
    [exact], [rounded] = (
        load(tmp_path / "m", precision=how).fill("the cat [MASK]", top=90)
        for how in ("float32", "bfloat16")
    )
    probabilities = {guess.token: guess.probability for guess in exact}
    assert sum(guess.probability for guess in rounded) == pytest.approx(1, abs=1e-3)
    for guess in rounded:
        assert guess.probability == pytest.approx(probabilities[guess.token], rel=0.05)


def test_blanks_are_filled_among_the_tokens_alone_where_the_table_has_more_rows():
    torch.manual_seed(0)
    encoder = recipe().encoder.build(tokenizer().vocab_size + 40)
    head = MaskedLMConfig().build(encoder, tokenizer()).head
    [guesses] = Model(encoder, tokenizer(), {"mlm": head}).fill("the cat [MASK]", top=200)
    assert len(guesses) == tokenizer().vocab_size
    assert sum(guess.probability for guess in guesses) == pytest.approx(1)


def test_an_unknown_precision_is_refused(minilm):
    with pytest.raises(ConfigError, match=r"precision 'half'.*auto, float32, bfloat16"):
        load(minilm, precision="half")
