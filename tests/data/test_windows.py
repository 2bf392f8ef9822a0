"""Windows over long texts cover them; each token is read from where it has the most context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.data.windows import has_most_context, token_numbers, windows

SIZES = st.lists(st.integers(0, 60), max_size=6)


def google_windows(length, room, stride):
    """The loop of run_squad.py over one text, except that an empty one has a window too."""
    spans, start = [], 0
    while True:
        size = min(length - start, room)
        spans.append((start, size))
        if start + size == length:
            return spans
        start += min(size, stride)


def google_is_max_context(spans, number, token):
    """``_check_is_max_context`` of run_squad.py, in hundredths."""
    best, chosen = None, None
    for i, (start, size) in enumerate(spans):
        end = start + size - 1
        if not start <= token <= end:
            continue
        score = 100 * min(token - start, end - token) + size
        if best is None or score > best:
            best, chosen = score, i
    return chosen == number


@given(sizes=SIZES, room=st.integers(1, 20), data=st.data())
def test_windows_and_their_best_context_are_those_of_run_squad(sizes, room, data):
    stride = data.draw(st.integers(1, room))
    lengths = np.array(sizes, dtype=np.int64)
    cut = windows(lengths, room, stride)
    expected = [google_windows(size, room, stride) for size in sizes]
    found = list(zip(cut.starts.tolist(), cut.lengths.tolist(), strict=True))
    assert found == [span for spans in expected for span in spans]
    assert cut.owner.tolist() == [i for i, spans in enumerate(expected) for _ in spans]
    best = [
        google_is_max_context(spans, number, token)
        for spans in expected
        for number, (start, size) in enumerate(spans)
        for token in range(start, start + size)
    ]
    assert has_most_context(lengths, cut).tolist() == best


@given(sizes=SIZES, room=st.integers(1, 20), data=st.data())
def test_each_token_is_owned_by_exactly_one_window(sizes, room, data):
    lengths = np.array(sizes, dtype=np.int64)
    cut = windows(lengths, room, data.draw(st.integers(1, room)))
    owned = token_numbers(lengths, cut)[has_most_context(lengths, cut)]
    assert sorted(owned.tolist()) == list(range(sum(sizes)))


def test_a_text_with_room_enough_is_one_window_and_room_may_differ():
    cut = windows(np.array([5, 0, 5]), np.array([5, 1, 3]), 2)
    assert cut.owner.tolist() == [0, 1, 2, 2]
    assert cut.starts.tolist() == [0, 0, 0, 2]
    assert cut.lengths.tolist() == [5, 0, 3, 3]


def test_a_tie_goes_to_the_earlier_window():
    lengths = np.array([6])
    # Tokens 0 1 2 3 and 2 3 4 5: token 2 has one on its right in the first and none on its left
    # in the second; token 3 the other way round.
    best = has_most_context(lengths, windows(lengths, 4, 2))
    assert best.tolist() == [True, True, True, False, False, True, True, True]
    # Tokens 0 1 2, 1 2 3, 2 3 4 and 3 4 5: tokens 1 to 4 are each once the middle one.
    best = has_most_context(lengths, windows(lengths, 3, 1)).reshape(4, 3)
    assert best.tolist() == [[True, True, False], [False, True, False], [False, True, False],
                             [False, True, True]]  # fmt: skip
    # Tokens 0 1 and 1 2: token 1 is at an end of both.
    lengths = np.array([3])
    assert has_most_context(lengths, windows(lengths, 2, 1)).tolist() == [True, True, False, True]


@pytest.mark.parametrize("stride", [0, 4])
def test_a_stride_that_would_leave_tokens_out_is_refused(stride):
    with pytest.raises(ConfigError, match=rf"stride of {stride} tokens .* from 1 to 3"):
        windows(np.array([9]), 3, stride)


def test_a_window_without_room_is_refused():
    with pytest.raises(ConfigError, match="room for 0 tokens"):
        windows(np.array([9]), 0, 1)
