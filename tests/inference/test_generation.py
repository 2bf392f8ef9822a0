"""Generation: with and without a cache the same, and the same as by transformers or by hand."""

import itertools
import json

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load, load_language_model, load_trained
from gloze.cli import main
from gloze.core.errors import ConfigError, DataError
from gloze.inference.generation import GenerationConfig, candidates, generate, pick
from gloze.inference.growing import Growing, batch_of
from gloze.inference.likelihood import log_likelihoods
from tests.interop.models import save_large
from tests.interop.test_gpt import SYSTEMS, save, theirs_of
from tests.small import tokenizer

transformers = pytest.importorskip("transformers")

PROMPTS = ["the cat", "", "a small dog sees", "my sister likes"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: save(folder / name, name) for name in SYSTEMS.values()}


def beginning(prompt):
    return np.r_[tokenizer().cls_id, tokenizer().encode([prompt])[0]].astype(np.int64)


@pytest.mark.parametrize("name", SYSTEMS.values())
def test_scores_with_a_cache_are_those_of_the_whole_sequence_at_every_step(folders, name):
    model = load(folders[name])
    sequences = [beginning(prompt) for prompt in PROMPTS]
    growing, draw = Growing(model, sequences), np.random.default_rng(0)
    for step in range(14):
        whole = Growing(model, sequences).next()
        assert torch.allclose(growing.next(), whole, atol=1e-5)
        if step == 6:
            # Sequences leave, change places, and go on twice, as with beams.
            order = [3, 0, 0, 2]
            sequences = [sequences[number] for number in order]
            growing.select(order)
        new = draw.integers(0, 90, len(sequences)).tolist()
        growing.grow(new)
        sequences = [np.r_[ids, token] for ids, token in zip(sequences, new, strict=True)]


@pytest.mark.parametrize("name", SYSTEMS.values())
def test_several_new_tokens_at_once_see_what_came_before(folders, name):
    # Not laid out for inference: the layers that train.
    encoder = load_trained(folders[name]).encoder.eval()
    sequences = [np.arange(5, 5 + n) for n in (9, 4, 14)]
    whole = encoder(batch_of(sequences))
    cache = encoder.new_cache()
    cuts = [(0, 3), (3, 4), (4, 14)]
    parts = [[ids[first:last] for ids in sequences] for first, last in cuts[:2]]
    with torch.no_grad():
        found = [encoder(batch_of(part), cache) for part in parts]
    for layer, states in enumerate(whole):
        rows = np.cumsum([0, 9, 4])
        for part, (first, last) in zip(found, cuts[:2], strict=True):
            wanted = torch.cat([states[row + first : row + last] for row in rows])
            assert torch.allclose(part[layer], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", SYSTEMS)
def test_greedy_text_is_that_of_transformers(tmp_path, kind):
    theirs = theirs_of(kind, tmp_path)
    found = generate(load(tmp_path), PROMPTS, GenerationConfig(max_tokens=12, temperature=0))
    for prompt, [one] in zip(PROMPTS, found, strict=True):
        ids = torch.from_numpy(beginning(prompt))[None]
        wanted = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
            eos_token_id=tokenizer().sep_id, pad_token_id=0,
        )  # fmt: skip
        assert list(one.tokens) == tokenizer().tokens(wanted[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.0])
@pytest.mark.parametrize("kind", SYSTEMS)
def test_beams_are_those_of_transformers(tmp_path, kind, penalty):
    theirs = theirs_of(kind, tmp_path)
    # An end that comes now and then, or nothing would finish before there is no room: it is
    # liked a little better than a token that is written, wherever that is.
    start = torch.from_numpy(beginning(PROMPTS[0]))[None]
    written = theirs.generate(start, max_new_tokens=5, do_sample=False, pad_token_id=0)[0, -1]
    with torch.no_grad():
        table = theirs.get_input_embeddings().weight
        table[tokenizer().sep_id] = 1.05 * table[written]
    theirs.save_pretrained(tmp_path)
    config = GenerationConfig(max_tokens=10, num_beams=4, length_penalty=penalty, num_samples=4)
    found, ended = generate(load(tmp_path), PROMPTS, config), 0
    for prompt, texts in zip(PROMPTS, found, strict=True):
        ids = torch.from_numpy(beginning(prompt))[None]
        wanted = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, do_sample=False,
            num_beams=4, num_return_sequences=4, length_penalty=penalty, early_stopping=False,
            eos_token_id=tokenizer().sep_id, pad_token_id=tokenizer().pad_id,
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        for one, row, score in zip(texts, wanted.sequences, wanted.sequences_scores, strict=True):
            tokens = tokenizer().tokens(row[ids.shape[1] :].tolist())
            assert list(one.tokens) == tokens[: len(one.tokens)]
            assert set(tokens[len(one.tokens) :]) <= {"[PAD]", "[SEP]"}
            own = one.log_probability / len(one.tokens) ** penalty
            assert own == pytest.approx(score.item(), abs=1e-4)
            ended += one.is_ended
    assert ended or penalty > 1


def test_with_a_beam_for_every_text_the_likeliest_of_all_is_found(folders):
    model = load(folders["gpt"])
    vocab, start = tokenizer().vocab_size, beginning("the cat")
    [texts] = generate(
        model, ["the cat"], GenerationConfig(max_tokens=2, num_beams=vocab, length_penalty=0.0)
    )
    first = Growing(model, [start]).next()[0]
    best = first[tokenizer().sep_id].item()
    second = Growing(model, [np.r_[start, token] for token in range(vocab)]).next()
    goes_on = torch.arange(vocab) != tokenizer().sep_id
    best = max(best, (first[:, None] + second)[goes_on].max().item())
    assert texts[0].log_probability == pytest.approx(best, abs=1e-5)


HALF = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {1: 0.4, 3: 0.3, 2: 0.2, 0: 0.1}),
        ({"top_k": 2}, {1: 4 / 7, 3: 3 / 7}),
        ({"top_k": 9}, {1: 0.4, 3: 0.3, 2: 0.2, 0: 0.1}),
        # 0.4 is not enough for a half, and with 0.3 there is enough.
        ({"top_p": 0.5}, {1: 4 / 7, 3: 3 / 7}),
        ({"top_p": 0.75}, {1: 4 / 9, 3: 3 / 9, 2: 2 / 9}),
        ({"top_p": 0.01}, {1: 1.0}),
        # Squares: 0.16, 0.09, 0.04, 0.01 of 0.3.
        ({"temperature": 0.5}, {1: 16 / 30, 3: 9 / 30, 2: 4 / 30, 0: 1 / 30}),
        # Of the first two 4 / 7 is enough.
        ({"top_k": 2, "top_p": 0.5}, {1: 1.0}),
        ({"temperature": 0.5, "top_k": 3, "top_p": 0.8}, {1: 16 / 25, 3: 9 / 25}),
    ],
)
def test_what_is_drawn_from_is_the_distribution_worked_out_by_hand(settings, wanted):
    config = GenerationConfig(**settings)
    ordered, tokens = candidates(HALF, config)
    found = dict(zip(tokens[0].tolist(), ordered[0].tolist(), strict=True))
    assert {token: x for token, x in found.items() if x} == pytest.approx(wanted, abs=1e-6)
    draws = (np.arange(4000) + 0.5) / 4000
    chosen = pick(HALF.expand(4000, -1), config, draws)
    counts = torch.bincount(chosen, minlength=4) / 4000
    assert counts.tolist() == pytest.approx([wanted.get(t, 0) for t in range(4)], abs=1e-3)


def test_the_same_seed_gives_the_same_texts_whatever_else_is_written(folders):
    model = load(folders["gpt"])
    config = GenerationConfig(max_tokens=8, num_samples=3, seed=5)
    found = generate(model, PROMPTS * 30, config)
    assert found == generate(model, PROMPTS * 30, config)
    alone = generate(model, PROMPTS[:1], config)[0]
    assert [each.tokens for each in alone] == [each.tokens for each in found[0]]
    assert len({each.tokens for each in alone}) > 1
    other = generate(model, PROMPTS[:1], GenerationConfig(max_tokens=8, num_samples=3, seed=6))
    assert other[0] != alone


def test_log_probabilities_are_those_of_the_tokens_whatever_was_drawn_from(folders):
    model = load(folders["gpt2"])
    config = GenerationConfig(max_tokens=6, temperature=2.0, top_k=5)
    for prompt, [one] in zip(PROMPTS, generate(model, PROMPTS, config), strict=True):
        ids, total = beginning(prompt), 0.0
        for token in map(tokenizer().token_id, one.tokens):
            total += Growing(model, [ids]).next()[0, token].item()
            ids = np.r_[ids, token]
        assert one.log_probability == pytest.approx(total, abs=1e-4)


def test_a_text_stops_at_its_end_token_or_where_positions_do(folders):
    model = load(folders["gpt"])
    with torch.no_grad():
        hidden = Growing(model, [beginning("the cat")])._last[0]
        model.encoder.token_embeddings.weight[tokenizer().sep_id] = hidden
    [[one]] = generate(model, ["the cat"], GenerationConfig(temperature=0))
    assert (one.tokens, one.text, one.is_ended) == (("[SEP]",), "", True)
    long = "the cat " * 8
    [[one]] = generate(load(folders["gpt"]), [long], GenerationConfig(temperature=0))
    assert len(one.tokens) <= 32 - len(beginning(long))
    with pytest.raises(DataError, match=r"the beginning 'the cat .* this model takes 32 with"):
        generate(model, [long * 2])


def test_likelihoods_are_the_sums_over_all_tokens_but_the_first(folders):
    model = load(folders["gpt"])
    texts = [*PROMPTS, "every child paints."]
    for with_end in (False, True):
        found = log_likelihoods(model, texts, with_end=with_end).sums
        for text, value in zip(texts, found, strict=True):
            ids = np.r_[beginning(text), [tokenizer().sep_id] * with_end].astype(np.int64)
            each = [Growing(model, [ids[:n]]).next()[0, ids[n]] for n in range(1, len(ids))]
            assert value == pytest.approx(sum(map(float, each)), abs=1e-4)
    assert found[0] < log_likelihoods(model, texts).sums[0]
    assert log_likelihoods(model, []).sums.tolist() == []
    with pytest.raises(DataError, match=r"text 2 has .* this model takes 32"):
        log_likelihoods(model, ["a", "the cat " * 30])
    with pytest.raises(ConfigError, match="takes a list of texts"):
        log_likelihoods(model, "the cat")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0; it must be at least 1"),
        ({"top_k": 0}, "top_k is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"top_p": 0.0}, "top_p is 0.0; it must be over 0"),
        ({"num_beams": 2, "top_k": 3}, "top_k does nothing here: beams take"),
        ({"num_beams": 2, "num_samples": 3}, "num_samples is 3, and 2 beams"),
        ({"length_penalty": 2.0}, "length_penalty does nothing here: it is of beams"),
        ({"temperature": 0.0, "num_samples": 2}, "num_samples does nothing here: temperature 0"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        GenerationConfig(**settings)


def test_the_command_writes_text_and_json(folders, capsys):
    model = str(folders["gpt2"])
    words = ["generate", model, "the cat", "a small", "--max-tokens", "5", "--samples", "2"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:7] for line in lines] == ["the cat", "the cat", "a small", "a small"]
    assert main([*words, "--json"]) == 0
    texts = json.loads(capsys.readouterr().out)["texts"]
    assert [text["prompt"] for text in texts] == ["the cat", "a small"]
    shown = [t["prompt"] + s["text"] for t in texts for s in t["samples"]]
    assert shown == lines
    assert all(len(s["tokens"]) <= 5 for t in texts for s in t["samples"])
    found = gloze.generate(model, max_tokens=3, temperature=0)
    assert found.prompts == ("",)
    assert len(found.samples[0]) == 1


def test_what_does_not_write_is_refused_with_the_reason(tmp_path, folders, capsys):
    bert = save_large(tmp_path / "bert")
    assert main(["generate", str(bert), "the cat"]) == 2
    assert "is no language model: it does not predict the next token" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no language model"):
        generate(load(bert), ["the cat"])
    with pytest.raises(ConfigError, match="takes a list of beginnings"):
        generate(load_language_model(folders["gpt"]), "the cat")


def test_words_are_joined_to_the_beginning_they_follow(folders):
    model = load(folders["gpt"])
    for [one], prompt in zip(
        generate(model, PROMPTS, GenerationConfig(max_tokens=9)), PROMPTS, strict=True
    ):
        ids = [*beginning(prompt)[1:].tolist(), *map(tokenizer().token_id, one.tokens)]
        ids = list(itertools.takewhile(lambda i: i != tokenizer().sep_id, ids))
        assert prompt + one.text == tokenizer().decode(ids)


def test_vectors_of_texts_are_those_of_tokens_that_have_seen_something(folders):
    model = load(folders["gpt"])
    assert model.encode(PROMPTS).shape == (4, 32)
    for ask in (model.encode, model.features):
        with pytest.raises(ConfigError, match=r"pooling cls takes the vector of \[CLS\]"):
            ask(PROMPTS, pooling="cls")
