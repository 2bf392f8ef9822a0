"""Features: the states of other implementations, for the user's own words, windows put together."""

import numpy as np
import pytest
import torch

from gloze import load
from gloze.checkpoint import save_model
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError
from gloze.inference.batches import batches
from gloze.inference.features import FeatureConfig, iterate_features
from tests.small import recipe, tokenizer

TEXTS = ["The bank raised its rates.", "", "Na\u00efve caf\u00e9 \U0001f600 owners", "a river"]
LONG = "the cat sees the red house and a small dog follows the old captain " * 9


@pytest.fixture(scope="module")
def real(minilm):
    return load(minilm)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "model"
    torch.manual_seed(3)
    _, learner = build_learner(recipe(), tokenizer())
    save_model(folder, learner, tokenizer(), card="")
    return load(folder)


def states_of_ids(model, ids):
    """Every layer's states of one sequence between [CLS] and [SEP]."""
    [(_, batch)] = batches([np.r_[model.tokenizer.cls_id, ids, model.tokenizer.sep_id]])
    return torch.stack(model.hidden_states(batch))


def test_every_layer_is_that_of_transformers(real, minilm):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModel.from_pretrained(minilm).eval()
    cut = transformers.AutoTokenizer.from_pretrained(minilm)
    layers = tuple(range(7))
    for text, found in zip(TEXTS, real.features(TEXTS, layers), strict=True):
        with torch.inference_mode():
            states = theirs(**cut(text, return_tensors="pt"), output_hidden_states=True)
        expected = torch.stack(states.hidden_states)[:, 0, 1:-1].numpy()
        assert found.vectors.shape == expected.shape
        assert np.abs(found.vectors - expected).max(initial=0) < 1e-4


def test_layers_count_from_either_end_and_are_put_together_as_named(real):
    [stacked] = real.features(TEXTS[:1], (-1, 3, 0))
    [from_below] = real.features(TEXTS[:1], (6, -4, -7))
    assert np.array_equal(stacked.vectors, from_below.vectors)
    made = {
        how: real.features(TEXTS[:1], (-1, 3, 0), combine=how)[0].vectors
        for how in ("sum", "mean", "concat")
    }
    assert np.allclose(made["sum"], stacked.vectors.sum(0), atol=1e-5)
    assert np.allclose(made["mean"], stacked.vectors.mean(0), atol=1e-5)
    assert np.array_equal(made["concat"], np.concatenate(list(stacked.vectors), axis=-1))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_pooled_last_layer_is_what_encode_gives(real, pooling):
    found = np.stack([f.vectors[0] for f in real.features(TEXTS, pooling=pooling)])
    expected = real.encode(TEXTS, pooling=pooling, normalize=False)
    assert np.allclose(found, expected, atol=1e-5)


def test_max_and_first_last_pool_over_all_tokens_with_the_special_ones(small):
    text = "the cat sees the red house."
    ids, _ = small.tokenizer.encode([text])
    states = states_of_ids(small, ids)
    [most] = small.features([text], (0, 2), pooling="max")
    assert np.allclose(most.vectors, states[[0, 2]].amax(1).numpy(), atol=1e-6)
    [ends] = small.features([text], pooling="first_last")
    assert np.allclose(ends.vectors, states[[1, -1]].mean(0).mean(0).numpy(), atol=1e-6)


def test_words_stand_where_the_user_put_them_and_take_first_or_mean_piece(real):
    text = " Unbelievably\u00a0na\u00efve, \u200b (Stra\u00dfe)  \U0001f600\u4e2d\u6587 "
    [tokens] = real.features([text])
    [first] = real.features([text], words=True)
    [mean] = real.features([text], words=True, pieces="mean")
    assert first.words == text.split() == [text[a:b] for a, b in first.offsets]
    assert first.words == [
        "Unbelievably",
        "na\u00efve,",
        "\u200b",
        "(Stra\u00dfe)",
        "\U0001f600\u4e2d\u6587",
    ]
    assert first.pieces.sum() == len(tokens.words) == first.tokens
    assert first.pieces[2] == 0
    ends = np.cumsum(first.pieces)
    for i, (end, size) in enumerate(zip(ends, first.pieces, strict=True)):
        own = tokens.vectors[0, end - size : end]
        inside = tokens.offsets[end - size : end]
        assert ((inside >= first.offsets[i, 0]) & (inside <= first.offsets[i, 1])).all()
        expected = own.mean(0) if size else np.zeros(384)
        assert np.allclose(mean.vectors[0, i], expected, atol=1e-5)
        assert np.allclose(first.vectors[0, i], own[0] if size else 0, atol=1e-6)


def test_words_given_as_such_are_those_of_the_text_they_make(real):
    words = [["Naive", "owners,", "\u200b", "unbelievably"], [], ["x"]]
    given = real.features(words)
    joined = real.features([" ".join(text) for text in words], words=True)
    for one, other, text in zip(given, joined, words, strict=True):
        assert one.words == text == other.words
        assert one.offsets.tolist() == other.offsets.tolist()
        assert np.allclose(one.vectors, other.vectors, atol=1e-6)


def test_pieces_of_words_given_as_such_are_averaged_if_asked_for(real):
    words = [["unbelievably", "Naive"], ["owners"]]
    given = real.features(words, pieces="mean")
    joined = real.features([" ".join(text) for text in words], words=True, pieces="mean")
    for one, other in zip(given, joined, strict=True):
        assert np.allclose(one.vectors, other.vectors, atol=1e-6)
    assert not np.allclose(given[0].vectors, real.features(words)[0].vectors)
    with pytest.raises(ConfigError, match="pieces does nothing here"):
        real.features(words, pieces="mean", pooling="mean")


def test_a_pooled_text_has_no_words_of_its_own_however_it_was_given(small):
    given, text = (
        small.features([text], pooling="mean")[0]
        for text in (["the", "cat", "\u200b"], "the cat \u200b")
    )
    assert np.allclose(given.vectors, text.vectors, atol=1e-6)
    assert given.words == text.words == []
    assert (given.offsets.shape, given.pieces.shape) == ((0, 2), (0,))
    assert (given.tokens, given.unknown) == (text.tokens, text.unknown)


def test_layers_may_be_numbers_of_numpy(small):
    for layers in (np.array([0, -1]), [np.int64(0), np.int32(-1)]):
        [found] = small.features(["the cat"], layers)
        assert np.array_equal(found.vectors, small.features(["the cat"], (0, -1))[0].vectors)


def test_a_long_text_takes_each_token_from_the_window_with_the_most_context(small):
    ids, _ = small.tokenizer.encode([LONG])
    room, stride = small.max_length - 2, 11
    assert len(ids) > 3 * room
    best = {}
    for start in range(0, len(ids), stride):
        window = ids[start : start + room]
        for place, vector in enumerate(states_of_ids(small, window)[-1, 1:-1].numpy()):
            score = 100 * min(place, len(window) - 1 - place) + len(window)
            if score > best.get(start + place, (-1, None))[0]:
                best[start + place] = score, vector
        if start + room >= len(ids):
            break
    [found] = small.features([LONG], stride=stride)
    expected = np.stack([best[i][1] for i in range(len(ids))])
    assert np.allclose(found.vectors[0], expected, atol=1e-5)
    assert (found.tokens, found.left_out) == (len(ids), 0)
    assert found.windows == 1 + -(-(len(ids) - room) // stride)
    assert "".join(LONG[a:b] for a, b in found.offsets) == LONG.replace(" ", "")


def test_the_vector_of_a_long_text_is_pooled_over_its_windows(small):
    [tokens] = small.features([LONG])
    [pooled] = small.features([LONG], pooling="max")
    assert (pooled.vectors[0] >= tokens.vectors[0].max(0) - 1e-6).all()
    [cls] = small.features([LONG], pooling="cls")
    assert cls.windows == tokens.windows > 1
    assert np.isfinite(cls.vectors).all()


def test_texts_that_are_cut_are_told_of_and_keep_their_first_words(small):
    room = small.max_length - 2
    words = ["a"] * (room - 1) + ["captain" * 3, "\u200b", "dog"]
    with pytest.warns(UserWarning, match="1 of 2 texts were cut at 32 tokens"):
        found, whole = small.features([words, ["cat", "\u200b"]], long="cut")
    assert found.words == words[:room]
    assert found.pieces.tolist() == [1] * room
    assert (found.left_out, found.windows) == (found.tokens - room, 1)
    assert whole.words == ["cat", "\u200b"]
    with pytest.warns(UserWarning, match="were cut"):
        [pooled] = small.features([LONG], long="cut", pooling="mean")
    with pytest.warns(UserWarning, match="were cut"):
        assert np.allclose(pooled.vectors, small.encode([LONG]), atol=1e-5)


def test_blocks_do_not_change_what_is_given(small, monkeypatch):
    texts = [*TEXTS, LONG, "the cat"] * 3
    config = FeatureConfig(layers=(0, -1), words=True)
    whole = list(iterate_features(small, texts, config))
    monkeypatch.setattr("gloze.inference.features._BLOCK_BYTES", {"cpu": 1 << 12})
    parts = list(iterate_features(small, iter(texts), config))
    for one, other in zip(whole, parts, strict=True):
        assert one.words == other.words
        assert np.allclose(one.vectors, other.vectors, atol=1e-5)


def test_texts_are_asked_for_block_by_block(small, monkeypatch):
    monkeypatch.setattr("gloze.inference.features._BLOCK_BYTES", {"cpu": 1 << 12})
    asked = []
    texts = (asked.append(i) or "the cat sees" for i in range(1000))
    next(iterate_features(small, texts, FeatureConfig()))
    assert len(asked) < 20


@pytest.mark.parametrize("combine", ["stack", "concat", "sum"])
def test_a_text_of_which_nothing_is_left_has_no_vectors(small, combine):
    for text in ("", "\u200b", []):
        [found] = small.features([text], (0, 1), combine=combine)
        wanted = {"stack": (2, 0, 32), "concat": (0, 64), "sum": (0, 32)}[combine]
        assert (found.words, found.vectors.shape) == ([], wanted)


def test_no_texts_have_no_features(small):
    assert small.features([]) == []


def test_unknown_tokens_are_counted(small):
    found = small.features(["the \U0001f600 cat \u8b1d", "cat"])
    assert [each.unknown for each in found] == [2, 0]
    with pytest.warns(UserWarning, match="cut"):
        cut = small.features(["cat " * 100 + "\u8b1d"], long="cut")[0]
    assert (cut.unknown, cut.tokens - cut.left_out) == (0, 30)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"layers": (3,)}, r"no layer 3: this model has 0 \(the embeddings\) to 2, or -3 to -1"),
        ({"layers": (0, -3)}, r"Layer 0 is named twice: 0, -3"),
        ({"layers": ()}, "No layer is named"),
        ({"combine": "product"}, "no combine 'product': it is one of stack, sum, mean, concat"),
        ({"pooling": "first_last", "layers": (0,)}, "first_last chooses its layers itself"),
        ({"pooling": "mean", "words": True}, "leave words out, or pooling"),
        ({"stride": 31}, "stride of 31 tokens .* from 1 to 30"),
        ({"stride": 0}, "stride of 0 tokens"),
        ({"stride": 8, "long": "cut"}, "stride does nothing here"),
        ({"pieces": "mean"}, "pieces does nothing here"),
        ({"layers": (1.5,)}, "A layer is a whole number, not 1.5"),
        ({"layers": (True,)}, "A layer is a whole number, not True"),
        ({"layers": np.int64(1)}, r"layers is a list: \[1\]"),
        ({"layers": True}, "layers is a list"),
    ],
)
def test_choices_that_make_no_sense_are_refused(small, choice, message):
    with pytest.raises(ConfigError, match=message):
        small.features([LONG], **choice)


def test_what_is_no_text_is_refused(small):
    with pytest.raises(ConfigError, match="list of texts"):
        small.features("a text")
    with pytest.raises(ConfigError, match="texts or lists of words, not 3"):
        small.features([3])
    with pytest.raises(ConfigError, match="not some of each"):
        small.features(["a", ["b"]])
