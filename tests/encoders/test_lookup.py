"""The table of words as an encoder: its states are rows, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gloze.checkpoint import load_any_parts
from gloze.core.batch import Batch
from gloze.encoders.lookup import LookupConfig, LookupEncoder
from gloze.inference.batches import batches
from gloze.tokenizers import TokenizerConfig
from gloze.vectors.folder import ARRAYS, save_vectors
from gloze.vectors.lines import fold
from tests.vectors.small import table

WORDS = ["the", "cat", "The", "Dog", "u.s.", "naïve", "DOG"]
CASED = TokenizerConfig(kind="words", cased=True)


def batch_of(ids) -> Batch:
    [(_, batch)] = batches([np.array(ids)])
    return batch


@pytest.fixture
def folder(tmp_path):
    save_vectors(tmp_path / "v", table(WORDS, cut=CASED))
    return tmp_path / "v"


def test_states_are_the_rows_that_the_table_gives(folder):
    parts, vectors = load_any_parts(folder), table(WORDS, cut=CASED)
    asked = ["the", "The", "THE", "dog", "Dog", "Cat", "U.S.", "bird", "naïve", "naive"]
    ids, lengths, _ = parts.tokenizer.encode_words([asked])
    assert lengths.tolist() == [len(asked)]
    [states] = parts.encoder(batch_of(ids))
    rows = fold(vectors, asked)
    # One word is looked for as it is written, then without regard to capitals.
    assert [WORDS[row] if row >= 0 else None for row in rows] == [
        *("the", "The", "the", "Dog", "Dog", "cat", "u.s.", None, "naïve", None)
    ]
    expected = np.where(
        (rows >= 0)[:, None], vectors.vectors[rows], vectors.vectors.mean(0, keepdims=True)
    )
    np.testing.assert_allclose(states.detach().numpy(), expected, atol=1e-6)


def test_special_tokens_are_zeros_but_the_unknown_which_is_the_mean_of_all(folder):
    parts = load_any_parts(folder)
    [states] = parts.encoder(batch_of(range(5)))
    own = parts.tokenizer
    expected = torch.zeros(5, 8)
    expected[own.unk_id] = torch.from_numpy(table(WORDS).vectors.mean(0))
    torch.testing.assert_close(states.detach(), expected)
    assert [own.pad_id, own.unk_id, own.cls_id, own.sep_id, own.mask_id] == list(range(5))


def test_a_gradient_reaches_the_rows_that_were_asked_for_and_no_others(folder):
    encoder = load_any_parts(folder).encoder
    encoder(batch_of([2, 6, 6, 9, 3]))[0].sum().backward()
    words = encoder.word_embeddings.weight.grad.sum(1) / 8
    special = encoder.special_embeddings.weight.grad.sum(1) / 8
    assert words.tolist() == [0, 2, 0, 0, 1, 0, 0]
    assert special.tolist() == [0, 0, 1, 1, 0]


def test_a_table_of_ours_is_mapped_and_changed_in_memory_alone(folder):
    before = (folder / ARRAYS).read_bytes()
    encoder = load_any_parts(folder).encoder
    with torch.no_grad():
        encoder.word_embeddings.weight += 1
    assert (folder / ARRAYS).read_bytes() == before
    again = load_any_parts(folder).encoder
    np.testing.assert_array_equal(again.word_embeddings.weight.detach(), table(WORDS).vectors)


def test_a_random_table_follows_from_the_seed_and_has_words_of_a_length_near_1():
    def built() -> LookupEncoder:
        torch.manual_seed(3)
        return LookupConfig(hidden_size=400).build(105)

    one, two = built(), built()
    assert torch.equal(one.word_embeddings.weight, two.word_embeddings.weight)
    assert one.vocab_size == 105
    lengths = one.word_embeddings.weight.norm(dim=1)
    assert 0.8 < lengths.min() < lengths.max() < 1.2


def test_words_written_like_special_tokens_are_left_out(tmp_path, capsys):
    words = ["a", "[MASK]", "b", "[PAD]"]
    counts = np.arange(4)
    save_vectors(tmp_path / "v", table(words, counts=counts))
    parts = load_any_parts(tmp_path / "v")
    assert parts.tokenizer.tokens(range(5, 7)) == ["a", "b"]
    np.testing.assert_array_equal(
        parts.encoder.word_embeddings.weight.detach(), table(words).vectors[[0, 2]]
    )
    assert parts.vectors.counts.tolist() == [0, 2]
    assert "2 words written like special tokens" in capsys.readouterr().err


def test_special_rows_of_another_size_are_refused(folder):
    from gloze.core.errors import DataError
    from gloze.core.tensor_file import map_arrays, write_arrays

    arrays = {name: np.array(array) for name, array in map_arrays(folder / ARRAYS).items()}
    write_arrays(folder / ARRAYS, {**arrays, "special": np.zeros((4, 8), np.float32)})
    with pytest.raises(DataError, match=r"special is \(4, 8\), expected \(5, 8\)"):
        load_any_parts(folder)
