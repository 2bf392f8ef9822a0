"""What a frozen encoder makes of examples, kept for all epochs."""

import tracemalloc

import numpy as np
import torch

from gloze.tasks.encoded import EncodedExamples
from gloze.tasks.model import score_rows


def kept(sequences, length, hidden):
    """Return examples whose features are their places in the file."""
    tokens = sequences * length
    nothing = np.zeros(tokens, dtype=bool)
    return EncodedExamples(
        name="test",
        input_ids=np.arange(tokens, dtype=np.int32),
        token_type_ids=np.zeros(tokens, dtype=np.uint8),
        is_special=nothing,
        word_starts=nothing,
        sequence_lengths=np.full(sequences, length),
        states=np.repeat(np.arange(tokens, dtype=np.float32), hidden).reshape(tokens, 1, hidden),
    )


def test_features_are_looked_at_a_batch_at_a_time():
    source = kept(sequences=1024, length=64, hidden=64)
    tracemalloc.start()
    rows = score_rows(lambda batch: batch.states[:, 0, :1], source, "token")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(rows[:, 0], np.arange(1024 * 64))
    assert peak < source.states.nbytes / 2


def test_rows_stand_in_the_order_of_the_examples_whatever_their_lengths():
    lengths = np.array([5, 9000, 3, 9000, 4])
    source = kept(sequences=1, length=int(lengths.sum()), hidden=1)
    source = EncodedExamples(**{**vars(source), "sequence_lengths": lengths})
    rows = score_rows(
        lambda batch: torch.stack(
            [x[:1].float() for x in batch.input_ids.split(batch.cu_seqlens.diff().tolist())]
        ),
        source,
        "sample",
    )
    assert rows[:, 0].tolist() == (np.cumsum(lengths) - lengths).tolist()
