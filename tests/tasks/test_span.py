"""Spans: windows of contexts, labels in them, the best answer out of all of them, the head."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.encoders.transformer import TransformerConfig
from gloze.nn.readout import Readout, ReadoutConfig
from gloze.tasks.learned import Judged, Learned
from gloze.tasks.questions import Gold, Question
from gloze.tasks.span import Span
from gloze.tasks.span_answers import best_spans
from gloze.tasks.span_head import SpanHead
from gloze.tokenizers import load_tokenizer
from tests import small

TEXT = "the cat sees the red house. my sister paints warm bread."
PATH = Path("train.json")
CAN_BE_NONE = Learned(values={"null_threshold": 0.0})
WORDS = small.tokenizer(143)


def task(**changes):
    return Span(**{"max_length": 13, "max_question": 4, "stride": 3, "max_answer": 5, **changes})


def question(text=TEXT, answer="red house", asks="the cat", **changes):
    answers = () if answer is None else (Gold(answer, text.find(answer)),)
    return Question(asks, text, **{"id": "q", "answers": answers, **changes})


def encode(config, *questions, path=PATH):
    return config.encode(list(questions), WORDS, Learned(), path=path)


def judged(encoded, questions, rows, learned=CAN_BE_NONE):
    return Judged(
        examples=questions, encoded=encoded, learned=learned, head=nn.Identity(), rows=rows
    )


def shown(encoded, window):
    samples = encoded.samples(0, np.array([window]))
    return WORDS.tokens(samples.input_ids), samples.token_type_ids.tolist()


def rows_of(encoded, marks=(), low=-5.0):
    """Return scores that are ``low`` but where a mark says (window, place, column, score)."""
    rows = np.full((len(encoded.input_ids), 2), low, dtype=np.float32)
    for window, place, column, score in marks:
        rows[encoded.starts[window] + place, column] = score
    return rows


def test_a_window_begins_every_stride_and_the_last_reaches_the_end():
    encoded = encode(task(), question())
    # 13 tokens, 8 of them beside [CLS] the cat [SEP] ... [SEP].
    assert encoded.cut.starts.tolist() == [0, 3, 6]
    assert encoded.cut.lengths.tolist() == [8, 8, 7]
    assert shown(encoded, 1) == (
        [
            *("[CLS]", "the", "cat", "[SEP]", "the", "red", "house", "."),
            *("my", "sister", "paints", "warm", "[SEP]"),
        ],
        [0] * 4 + [1] * 9,
    )
    assert encoded.lengths(0).tolist() == [13, 13, 12]
    assert encoded.summary()["examples"] == 1


def test_labels_are_places_in_the_window_and_cls_where_the_answer_is_not_whole_in_it():
    encoded = encode(task(), question())
    # "red house" is tokens 4 and 5 of the context: 4 behind [CLS] question [SEP], less 3 a window.
    assert encoded.labels.tolist() == [[8, 9], [5, 6], [0, 0]]
    cut_off = encode(task(), question(answer="house. my sister paints"))
    assert cut_off.labels.tolist() == [[0, 0], [6, 10], [0, 0]]
    # Its last token is the first behind the first window.
    at_the_edge = encode(task(), question(answer="my sister"))
    assert at_the_edge.labels.tolist() == [[0, 0], [8, 9], [5, 6]]
    assert encode(task(), question(answer=None)).labels.tolist() == [[0, 0]] * 3


def test_of_several_gold_answers_the_first_that_is_placed_is_learned():
    several = (Gold("cold", 0), Gold("red house", 17), Gold("cat", 4))
    encoded = encode(task(), question(answers=several))
    assert encoded.labels.tolist() == encode(task(), question()).labels.tolist()


def test_questions_that_are_too_long_are_cut_and_counted():
    encoded = encode(task(max_length=16), question(asks="the cat sees the red house"))
    assert shown(encoded, 0)[0][:6] == ["[CLS]", "the", "cat", "sees", "the", "[SEP]"]
    assert encoded.summary()["truncated_share"] == 1.0


def test_contexts_that_several_questions_share_are_encoded_once():
    encoded = encode(task(), question(), question(asks="my sister", answer="bread"))
    assert len(encoded.contexts.lengths) == 1
    assert encoded.cut.owner.tolist() == [0, 0, 0, 1, 1, 1]
    assert encoded.labels[5].tolist() == [9, 9]


def test_answers_inside_words_take_in_the_word_or_not():
    inside = question("sisters paint.", "ister")
    whole, part = (encode(task(whole_words=w), inside).labels[0].tolist() for w in (True, False))
    tokens = shown(encode(task(), inside), 0)[0]
    assert (whole[0], tokens[whole[1] + 1].startswith("##")) == (4, False)
    assert part[1] <= whole[1]
    assert tokens[4] == "sister"


@pytest.mark.parametrize("how", ["search", "skip"])
def test_answers_that_are_misplaced_are_counted_and_said(how, capfd):
    moved = question(answers=(Gold("warm bread", 40),), id="moved")
    absent = question(answers=(Gold("cold bread", 40),), id="absent")
    second = question(answers=(Gold("cold bread", 40), Gold("red house", 17)), id="second")
    encoded = encode(task(misplaced=how), absent, moved, question(), second)
    said = capfd.readouterr().err
    assert (
        "train.json: 3 of 5 gold answers do not stand where answer_start says (the first: " in said
    )
    taken = "is taken there" if how == "search" else "is not learned there"
    assert f"question absent); of 1 the text stands elsewhere, and {taken}." in said
    left = ["absent"] if how == "search" else ["absent", "moved"]
    assert f"{len(left)} of 4 questions have no gold answer whose place is known" in said
    assert encoded.summary()["left_out"] == len(left)
    # What cannot be learned from is in no step of training, and is still judged.
    source = task().asked(encoded)
    assert len(source.lengths(0)) == 3 * (4 - len(left))
    assert len(encoded.all_lengths) == 12
    last = source.samples(0, np.array([0, len(source.lengths(0)) - 1]))
    assert last.indices.tolist() == [0, len(source.lengths(0)) - 1]
    assert last.labels["span"].tolist() == [encoded.labels[3 * len(left)].tolist(), [0, 0]]
    config = replace(task(misplaced=how), scoring="squad")
    examples = [absent, moved, question(), second]
    marks = [(place, 5, column, 9.0) for place in range(12) for column in (0, 1)]
    answers = config.answers(judged(encoded, examples, rows_of(encoded, marks), Learned()))
    assert len(answers) == 4
    assert all(answer.text for answer in answers)


def test_misplaced_answers_are_refused_if_so_set_but_not_in_other_files():
    wrong = question(answers=(Gold("warm bread", 40),), id="q7", place="data[0].paragraphs[1]")
    config = task(misplaced="error")
    message = (
        r"train.json: data\[0\]\.paragraphs\[1\]: the answer 'warm bread' of question q7.*says 40"
    )
    with pytest.raises(DataError, match=message):
        config.learn([question(), wrong], PATH)
    assert len(config.asked(encode(config, wrong)).lengths(0)) == 0


def test_answers_that_stand_nowhere_are_said_so(capfd):
    encode(task(), question(answers=(Gold("cold bread", 0),)), question(id="2"))
    assert "(the first: question q); none of them stands elsewhere." in capfd.readouterr().err


def test_training_without_a_single_answer_is_refused():
    with pytest.raises(DataError, match="no question has an answer"):
        task().learn([question(answer=None)], PATH)


def test_answers_longer_than_an_answer_may_be_are_counted(capfd):
    encode(task(max_answer=3), question(answer="the red house."), question(answer="red house."))
    assert "1 of 2 answers are longer than task.max_answer, 3 tokens" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": 60, "max_question": 64, "stride": 1}, "Set task.max_length to 68 or more"),
        ({"max_length": 128, "max_question": 64}, "task.stride is 128; it must be from 1 to 61"),
        ({"stride": 0}, "task.stride is 0"),
        ({"n_best": 0}, "task.n_best is 0; it must be at least 1"),
        ({"max_answer": 0}, "task.max_answer is 0"),
        ({"dropout": 1.0}, "task.dropout is 1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Span(**changes)


def test_predict_takes_pairs_of_question_and_text():
    assert task().take([("Who?", TEXT), ["Why?", TEXT]])[1].question == "Why?"
    for wrong in ("Who?", ("Who?",), ("Who?", " "), ("Who?", 3)):
        with pytest.raises(ConfigError, match="predict takes pairs of a question and the text"):
            task().take([wrong])
    with pytest.raises(ConfigError, match=r"Question 'Who\?': the context has 200,001 characters"):
        task().take([("Who?", "a" * 200_001)])


def test_encoders_of_one_segment_type_are_refused():
    config = TransformerConfig(type_vocab_size=1, hidden_size=8, num_attention_heads=2)
    with pytest.raises(ConfigError, match="one segment type"):
        task().check(config, [question()], Learned())


@pytest.mark.parametrize("positions", [5, 32, 128, 512])
def test_what_a_model_of_few_positions_is_told_to_set_can_be_set(positions):
    config = TransformerConfig(
        max_position_embeddings=positions, hidden_size=8, num_attention_heads=2
    )
    theirs, _ = Span.from_theirs({}, positions)
    theirs.check(config, [question()], Learned())
    with pytest.raises(ConfigError, match="the model has positions for") as caught:
        Span(max_length=513).check(config, [question()], Learned())
    told = dict(re.findall(r"task\.(\w+)=(\d+)", str(caught.value)))
    assert Span(**{name: int(value) for name, value in told.items()}).max_length == positions


SCORE = st.integers(-4, 4).map(float) | st.just(-np.inf)


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(SCORE, SCORE, st.integers(1, 9)), min_size=1, max_size=12),
    most=st.integers(1, 6),
    count=st.integers(1, 20),
)
def test_the_best_spans_are_those_of_all_pairs(pairs, most, count):
    starts, ends, left = (np.array(each, dtype=np.float64) for each in zip(*pairs, strict=True))
    left = left.astype(np.int64)
    every = [
        (-(starts[i] + ends[j]), i, j)
        for i in range(len(pairs))
        for j in range(i, min(len(pairs), i + most, i + left[i]))
        if starts[i] + ends[j] > -np.inf
    ]
    expected = sorted(every)[:count]
    first, last, totals = best_spans(starts, ends, left, most, count)
    found = list(zip((-totals).tolist(), first.tolist(), last.tolist(), strict=True))
    assert found == expected


@pytest.mark.parametrize("text", ["the cafe\u0301 sees", "the \u0939\u0948 sees"])
def test_an_answer_keeps_the_marks_on_its_last_character(text):
    said = text.split()[1]
    ask = question(text, said)
    encoded = encode(task(), ask)
    rows = np.zeros((int(encoded.all_lengths.sum()), 2), dtype=np.float32)
    rows[encoded.labels[0]] = 5
    (answer,) = task().answers(judged(encoded, [ask], rows, Learned()))
    assert answer.text == text[answer.start : answer.end] == said


def test_the_answer_is_the_best_of_all_windows_as_it_stands_in_the_text():
    text = "the  Cat sees THE red\u2003house. my sister paints warm bread."
    ask = question(text)
    encoded = encode(task(), ask, path=None)
    rows = rows_of(encoded, [(0, 7, 0, 3.0), (0, 9, 1, 2.0), (1, 8, 0, 1.0), (1, 9, 1, 1.0)])
    (answer,) = task().answers(judged(encoded, [ask], rows, Learned()))
    assert answer.text == "THE red\u2003house"
    assert text[answer.start : answer.end] == answer.text
    assert [each.text for each in answer.n_best[:2]] == ["THE red\u2003house", "my sister"]
    assert answer.n_best[0].start_logit == 3.0
    assert answer.probability == answer.n_best[0].probability
    assert sum(each.probability for each in answer.n_best) == pytest.approx(1)
    assert answer.null_odds is None


def test_a_token_is_a_start_only_in_the_window_that_has_most_context_around_it():
    encoded = encode(task(), question(), path=None)
    # Token 3 has 3 before it in the first window, and none in the second one.
    rows = rows_of(encoded, [(1, 4, 0, 9.0), (1, 4, 1, 9.0), (0, 8, 0, 1.0), (0, 8, 1, 1.0)])
    (answer,) = task().answers(judged(encoded, [question()], rows, Learned()))
    assert answer.text != "the"
    best = encoded.window_tokens()
    counts = np.bincount(best.tokens[best.is_best], minlength=13)
    assert counts.tolist() == [1] * 13


def test_neither_question_nor_separators_nor_other_windows_are_answers():
    encoded = encode(task(), question(), path=None)
    marks = [(w, place, column, 9.0) for w in range(3) for place in range(4) for column in (0, 1)]
    rows = rows_of(encoded, [*marks, (0, 12, 1, 9.0), (0, 11, 0, 8.0), (1, 11, 1, 8.5)])
    (answer,) = task(n_best=99).answers(judged(encoded, [question()], rows, Learned()))
    assert {TEXT[each.start : each.end] for each in answer.n_best} == {
        each.text for each in answer.n_best
    }
    assert max(each.start_logit + each.end_logit for each in answer.n_best) < 16


def test_candidates_have_different_texts_and_as_many_as_asked_for():
    ask = question("the cat. the cat. the cat.")
    config = task(max_length=30, n_best=4)
    encoded = encode(config, ask, path=None)
    (answer,) = config.answers(judged(encoded, [ask], rows_of(encoded), Learned()))
    assert len({each.text for each in answer.n_best}) == len(answer.n_best) == 4


def test_answers_are_whole_words_unless_a_word_is_longer_than_an_answer():
    ask = question("sisters paint.")
    config = task(max_length=20)
    encoded = encode(config, ask, path=None)
    inside = rows_of(encoded, [(0, 4, 0, 9.0), (0, 4, 1, 9.0)])
    said = [
        each.answers(judged(encoded, [ask], inside, Learned()))[0].text
        for each in (config, replace(config, whole_words=False), replace(config, max_answer=1))
    ]
    assert said[0].startswith("sisters")
    assert said[1] == "sister"
    assert " " not in said[2]


def test_a_context_without_a_token_has_no_answer():
    ask = question("\u200b\u200b", None)
    encoded = encode(task(), ask, path=None)
    for learned in (Learned(), CAN_BE_NONE):
        (answer,) = task().answers(judged(encoded, [ask], rows_of(encoded), learned))
        assert (answer.text, answer.start, answer.end) == ("", None, None)
    assert answer.null_odds == -10.0


def test_there_is_no_answer_where_cls_scores_over_the_best_span_by_more_than_the_threshold():
    encoded = encode(task(), question(), path=None)
    # The least of the windows' scores at [CLS] counts: 4 of 4, 6 and 8.
    nulls = [(w, 0, 0, float(w + 2)) for w in range(3)] + [
        (w, 0, 1, float(w + 2)) for w in range(3)
    ]
    rows = rows_of(encoded, [*nulls, (0, 4, 0, 1.0), (0, 5, 1, 2.0)])
    (none,) = task().answers(judged(encoded, [question()], rows))
    assert (none.text, none.start, none.null_odds) == ("", None, 1.0)
    assert none.best_text == "the cat"
    assert [each.text for each in none.n_best[:2]] == ["", "the cat"]
    share = np.exp(4) / (np.exp(4) + np.exp(3))
    assert none.probability == pytest.approx(share, abs=1e-2)
    higher = Learned(values={"null_threshold": 1.0})
    (some,) = task().answers(judged(encoded, [question()], rows, higher))
    assert (some.text, some.null_odds) == ("the cat", 1.0)


def test_the_threshold_is_the_best_on_dev():
    config = task(max_length=30)
    asks = [
        question(id="1", answer="cat"),
        question(id="2", answer=None),
        question(id="3", answer="cat"),
    ]
    encoded = config.encode(asks, WORDS, Learned())
    # "cat" scores 2 at each; no answer -2, 10 and 6. So the odds are -4, 8 and 4.
    marks = [(n, 0, c, null) for n, null in enumerate((-1.0, 5.0, 3.0)) for c in (0, 1)]
    marks += [(n, 5, c, 1.0) for n in range(3) for c in (0, 1)]
    found = judged(encoded, asks, rows_of(encoded, marks))
    assert config.figures(found, PATH)["exact"] == pytest.approx(2 / 3)
    tuned = config.tune(found, PATH)
    # On a null score itself rounding would decide.
    assert tuned.values == {"null_threshold": 6.0}
    assert config.figures(replace(found, learned=tuned), PATH)["exact"] == 1.0


def test_where_it_is_best_to_answer_nothing_nothing_is_answered():
    config, ask = task(max_length=30), question(answer=None)
    encoded = config.encode([ask], WORDS, Learned())
    found = judged(encoded, [ask], rows_of(encoded, [(0, 5, 0, 1.0), (0, 5, 1, 1.0)]))
    assert config.figures(found, PATH)["NoAns_exact"] == 0.0
    tuned = config.tune(found, PATH)
    assert config.figures(replace(found, learned=tuned), PATH)["NoAns_exact"] == 1.0


def test_a_threshold_is_neither_tuned_nor_asked_for_where_every_question_has_an_answer():
    encoded = encode(task(), question(), path=None)
    for learned in (Learned(), CAN_BE_NONE):
        found = judged(encoded, [question()], rows_of(encoded), learned)
        assert task().tune(found, PATH) == learned


def test_figures_go_by_the_texts_and_the_loss_by_the_known_places():
    asks = [question(id="1"), question(id="2", answers=(Gold("cold bread", 0),))]
    config = task(max_length=30)
    encoded = config.encode(asks, WORDS, Learned())
    rows = rows_of(
        encoded, [(n, 8, 0, 9.0) for n in (0, 1)] + [(n, 9, 1, 9.0) for n in (0, 1)], 0.0
    )
    figures = config.figures(judged(encoded, asks, rows, Learned()), PATH)
    assert (figures["exact"], figures["f1"], figures["misplaced"]) == (0.5, 0.5, 1)
    size = int(encoded.all_lengths[0])
    assert figures["loss"] == pytest.approx(np.log(1 + (size - 1) * np.exp(-9.0)), rel=1e-6)
    assert figures["scoring"] == "squad"


def head(dropout=0.0):
    torch.manual_seed(0)
    return SpanHead(Readout([8, 8], ReadoutConfig()), dropout)


def test_the_loss_is_the_mean_of_two_cross_entropies_in_each_window():
    encoded = encode(task(), question(), question(asks="my", answer="bread"))
    batch = collate(encoded.samples(0, np.arange(6)))
    states = [torch.randn(batch.num_tokens, 8)] * 2
    module = head()
    mark = module(states, batch)
    parts = module.scores(states, batch).split(encoded.all_lengths.tolist())
    gold = torch.from_numpy(encoded.labels)
    losses = [
        (F.cross_entropy(p[None, :, 0], g[:1]) + F.cross_entropy(p[None, :, 1], g[1:])) / 2
        for p, g in zip(parts, gold, strict=True)
    ]
    assert mark.loss.item() == pytest.approx(sum(losses).item(), rel=1e-6)
    right = sum(bool((p.argmax(0) == g).all()) for p, g in zip(parts, gold, strict=True))
    assert int(mark.correct) == right
    halves = [collate(encoded.samples(0, part)) for part in (np.arange(2), np.arange(2, 6))]
    cuts = torch.split(states[0], [each.num_tokens for each in halves])
    split = [module([x, x], each).loss for x, each in zip(cuts, halves, strict=True)]
    assert sum(split).item() == pytest.approx(mark.loss.item(), rel=1e-6)


def test_scores_that_spell_the_answers_have_a_loss_near_0_and_give_them_back(shared_data, minilm):
    config = Span(max_answer=100, whole_words=False).resolve(is_plain=True)
    path = shared_data / "xquad/xquad.zh.json.gz"
    asks = list(config.reader().read(path))[:100]
    encoded = config.encode(asks, load_tokenizer(minilm), Learned(), path=path)
    marks = [(w, p, c, 30.0) for w, pair in enumerate(encoded.labels) for c, p in enumerate(pair)]
    figures = config.figures(judged(encoded, asks, rows_of(encoded, marks), Learned()), path)
    assert figures["loss"] == pytest.approx(0, abs=1e-6)
    assert (figures["exact"], figures["f1"], figures["scoring"]) == (1.0, 1.0, "cmrc")


def test_the_head_is_that_of_transformers():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = transformers.BertForQuestionAnswering(
        transformers.BertConfig(
            vocab_size=143, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=8,
        )
    ).eval()  # fmt: skip
    module = head()
    module.output.load_state_dict(theirs.qa_outputs.state_dict())
    encoded = encode(task(), question())
    batch = collate(encoded.samples(0, np.arange(1)))
    ids, types = batch.input_ids[None], batch.token_type_ids[None]
    with torch.no_grad():
        states = theirs.bert(input_ids=ids, token_type_ids=types)[0][0]
        start, end = theirs(input_ids=ids, token_type_ids=types).to_tuple()
        ours = module([states] * 2, batch)
        scores = module.scores([states] * 2, batch)
    torch.testing.assert_close(scores, torch.stack([start[0], end[0]], -1))
    gold = batch.labels["span"]
    with torch.no_grad():
        loss = theirs(
            ids, token_type_ids=types, start_positions=gold[:, 0], end_positions=gold[:, 1]
        )
    assert ours.loss.item() == pytest.approx(loss.loss.item(), rel=1e-5)
