"""Tagging: which tokens are asked, what is shown around them, losses, answers and figures."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.batch import IGNORE
from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.encoders.transformer import TransformerConfig
from gloze.nn.readout import ReadoutConfig
from gloze.tasks import tag_answers
from gloze.tasks.learned import Judged, Learned
from gloze.tasks.model import TaskModel, build_head
from gloze.tasks.schemes import breaches
from gloze.tasks.sentences import Sentence
from gloze.tasks.tag_counts import sentence_counts
from gloze.tasks.tag_encoding import encode_sentences
from gloze.tasks.tagging import Tagging
from tests import small

PATH = Path("data.conll")
WORDS = ["the", "cat", "captain", "remembers", "\u200b", "garden", ".", "zzz", "window"]


def sentence(text, tags=None, document=None, line=1):
    words = tuple(text.split(" "))
    lines = tuple(range(line, line + len(words)))
    return Sentence(words, None if tags is None else tuple(tags.split()), document, line, lines)


def encode(*sentences, max_length=32, **options):
    found = [s if isinstance(s, Sentence) else sentence(s) for s in sentences]
    return encode_sentences(
        "tagging", found, small.tokenizer(143), max_length=max_length, **options
    )


def shown(encoded):
    """The tokens of each sequence, those asked about in capitals."""
    tokens = small.tokenizer(143).tokens(encoded.input_ids)
    for position in encoded.positions:
        tokens[position] = tokens[position].upper()
    ends = np.cumsum(encoded.sequence_lengths)
    return [
        " ".join(tokens[end - size : end])
        for end, size in zip(ends, encoded.sequence_lengths, strict=True)
    ]


def model(task=None, examples=None, layers=1):
    """A model with random weights that learned the labels of some sentences."""
    task = task or Tagging(max_length=32)
    given = examples or [sentence("the cat sees my sister", "B-ANI I-ANI O B-PER I-PER")]
    torch.manual_seed(0)
    encoder = TransformerConfig(
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    ).build(small.tokenizer(143).vocab_size)
    learned = task.learn(given, PATH)
    head = build_head(encoder, task, learned, ReadoutConfig(), initializer_range=1.0).head
    if head.crf is not None:
        for weight in head.crf.parameters():
            torch.nn.init.normal_(weight)
    return TaskModel(encoder, head, small.tokenizer(143), task, learned, ReadoutConfig())


def test_the_first_token_of_each_word_is_asked_about():
    encoded = encode("the captain sees windows", "a cat")
    first, second = shown(encoded)
    pieces = small.tokenizer(143).tokens(small.tokenizer(143).encode(["windows"])[0])
    assert len(pieces) > 1
    rest = " ".join(pieces[1:])
    assert first == f"[CLS] THE CAPTAIN SEES {pieces[0].upper()} {rest} [SEP]"
    assert second == "[CLS] A CAT [SEP]"
    assert encoded.words.tolist() == [0, 1, 2, 3, 4, 5]
    assert encoded.num_words.tolist() == [4, 2]


def test_a_word_of_which_nothing_is_left_stands_as_unknown_and_is_asked_about():
    encoded = encode("the \u200b cat", "\u200b")
    assert shown(encoded) == ["[CLS] THE [UNK] CAT [SEP]", "[CLS] [UNK] [SEP]"]
    assert len(encoded.positions) == 4
    assert encoded.without_tokens == 2


def test_a_sentence_over_the_limit_is_read_through_windows():
    encoded = encode("the cat sees my old sister", max_length=6)
    assert shown(encoded) == [
        "[CLS] THE CAT SEES my [SEP]",
        "[CLS] sees MY OLD SISTER [SEP]",
    ]
    assert encoded.in_windows == 1
    assert encoded.counts()["examples"] == 1
    assert encoded.counts()["truncated"] == 0


def test_the_document_fills_the_sequence_up_on_both_sides():
    story = [
        sentence("the cat", document=0),
        sentence("a small dog", document=0),
        sentence("my sister", document=0),
        sentence("our teacher", document=1),
    ]
    assert shown(encode(*story, max_length=7, in_documents=True)) == [
        "[CLS] THE CAT a small dog [SEP]",
        "[CLS] cat A SMALL DOG my [SEP]",
        "[CLS] a small dog MY SISTER [SEP]",
        "[CLS] OUR TEACHER [SEP]",
    ]


def test_a_sentence_of_no_document_has_nothing_around():
    found = encode("the cat", "a dog", max_length=20, in_documents=True)
    assert shown(found) == ["[CLS] THE CAT [SEP]", "[CLS] A DOG [SEP]"]
    assert found.alone == 2


def test_what_stands_before_the_first_mark_is_a_document():
    story = [sentence("the cat"), sentence("a dog"), sentence("my sister", document=0)]
    assert shown(encode(*story, max_length=20, in_documents=True)) == [
        "[CLS] THE CAT a dog [SEP]",
        "[CLS] the cat A DOG [SEP]",
        "[CLS] MY SISTER [SEP]",
    ]


def test_a_long_sentence_of_a_document_is_read_through_windows_of_its_own():
    story = [sentence("the cat sees my old sister", document=0), sentence("a dog", document=0)]
    assert shown(encode(*story, max_length=6, in_documents=True)) == [
        "[CLS] THE CAT SEES my [SEP]",
        "[CLS] sees MY OLD SISTER [SEP]",
        "[CLS] old sister A DOG [SEP]",
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(WORDS), max_size=12), st.integers(0, 1)), max_size=5
    ),
    st.integers(3, 12),
    st.booleans(),
)
def test_every_word_is_asked_about_once_at_its_first_token(drawn, max_length, in_documents):
    drawn.sort(key=lambda pair: pair[1])
    found = [Sentence(tuple(words), document=number) for words, number in drawn]
    encoded = encode(*found, max_length=max_length, in_documents=in_documents)
    tokenizer = small.tokenizer(143)
    all_words = [word for words, _ in drawn for word in words]
    assert sorted(encoded.words.tolist()) == list(range(len(all_words)))
    assert (np.diff(encoded.positions) > 0).all()
    for position, word in zip(encoded.positions, encoded.words, strict=True):
        ids = tokenizer.encode([all_words[word]])[0]
        expected = ids[0] if len(ids) else tokenizer.unk_id
        assert encoded.input_ids[position] == expected
    assert (encoded.sequence_lengths <= max_length).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(3, 20))
def test_in_windows_each_word_has_the_most_context_there_is(count, max_length):
    encoded = encode(" ".join(["cat"] * count), max_length=max_length)
    room, stride = max_length - 2, max(1, (max_length - 2) // 2)
    starts = [0]
    while starts[-1] + room < count:
        starts.append(starts[-1] + stride)
    spans = [(start, min(start + room, count)) for start in starts]
    window = np.searchsorted(np.cumsum(encoded.sequence_lengths), encoded.positions, side="right")
    for word, own in zip(encoded.words.tolist(), window.tolist(), strict=True):
        context = [min(word - a, b - 1 - word) if a <= word < b else -1 for a, b in spans]
        assert context[own] == max(context)


def batch_of(task_model, examples, path=PATH):
    encoded = task_model.encode(examples, path)
    return collate(encoded.samples(0, np.arange(len(encoded))))


def test_the_loss_is_the_cross_entropy_of_the_words():
    found = model()
    examples = [sentence("the cat sees", "B-ANI I-ANI O"), sentence("my sister", "B-PER I-PER")]
    batch = batch_of(found, examples)
    states = found.encoder(batch)
    with torch.no_grad():
        mark = found.head(states, batch)
        scores = found.head.output(states[-1])[[1, 2, 3, 6, 7]]
    labels = torch.tensor([found.labels.index(t) for e in examples for t in e.tags])
    expected = -scores.log_softmax(-1).gather(1, labels[:, None]).sum()
    torch.testing.assert_close(mark.loss, expected)
    assert int(mark.correct) == int((scores.argmax(-1) == labels).sum())


def test_with_a_chain_the_loss_is_that_of_each_sequence():
    found = model(Tagging(max_length=32, crf=True))
    examples = [sentence("the cat sees", "B-ANI I-ANI O"), sentence("my sister", "B-PER I-PER")]
    both, *each = [batch_of(found, some) for some in (examples, examples[:1], examples[1:])]
    with torch.no_grad():
        total, *parts = [found.head(found.encoder(b), b).loss for b in (both, *each)]
    torch.testing.assert_close(total, sum(parts))


@pytest.mark.parametrize("crf", [False, True])
def test_words_whose_tags_training_does_not_know_have_no_share_in_the_loss(crf, capsys):
    found = model(Tagging(max_length=32, crf=crf))
    known = [sentence("my sister", "B-PER I-PER")]
    odd = [*known, sentence("the cat", "B-NEW I-NEW", line=7)]
    one, both = batch_of(found, known), batch_of(found, odd)
    assert both.labels["tagging"].tolist()[2:] == [IGNORE, IGNORE]
    message = r"2 words have tags that training did not have"
    assert message in capsys.readouterr().err
    with torch.no_grad():
        losses = [found.head(found.encoder(b), b).loss for b in (one, both)]
    torch.testing.assert_close(*losses)
    figures = found.figures(odd, PATH)
    assert figures["unseen"] == 2
    assert figures["loss"] == pytest.approx(float(losses[0]) / 2, rel=1e-4)


TASKS = [
    Tagging(max_length=32),
    Tagging(max_length=32, crf=True),
    Tagging(max_length=32, crf=True, constrained="training", train_scheme="bioes"),
    Tagging(max_length=8, constrained="decoding"),
    Tagging(max_length=16, context="document"),
]


@pytest.mark.parametrize("task", TASKS, ids=range(len(TASKS)))
def test_answers_do_not_depend_on_what_else_is_asked(task):
    examples = [sentence("the cat sees my sister", "B-ANI I-ANI O B-PER I-PER", document=0)]
    found = model(task, examples)
    draw = np.random.default_rng(0)
    asked = [list(draw.choice(WORDS, size=size)) for size in (3, 11, 0, 1, 7)]
    together = found.predict(asked)
    for words, answer in zip(asked, together, strict=True):
        (alone,) = found.predict([words])
        assert answer.words == tuple(words)
        assert answer.tags == alone.tags
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-4)
        assert len(answer.tags) == len(words)
        assert all(0 < share <= 1 for share in answer.probabilities)


def test_with_a_chain_a_probability_is_the_share_of_all_sequences_with_the_tag():
    found = model(Tagging(max_length=32, crf=True, constrained="no"))
    asked = [sentence("the cat sees")]
    judged = found.judge(asked)
    scores, chain = judged.encoded.by_word(judged.rows), found.head.crf
    start, steps, end = (w.detach().numpy() for w in (chain.start, chain.steps(), chain.end))
    totals = {
        (a, b, c): start[a] + scores[0, a] + steps[a, b] + scores[1, b] + steps[b, c]
        + scores[2, c] + end[c]
        for a, b, c in product(range(len(found.labels)), repeat=3)
    }  # fmt: skip
    whole = np.logaddexp.reduce(list(totals.values()))
    (answer,) = found.task.answers(judged)
    best = max(totals, key=totals.__getitem__)
    assert answer.tags == tuple(found.labels[number] for number in best)
    for place, number in enumerate(best):
        own = np.logaddexp.reduce([t for each, t in totals.items() if each[place] == number])
        assert answer.probabilities[place] == pytest.approx(float(np.exp(own - whole)), rel=1e-4)


@pytest.mark.parametrize("settings", [{"crf": True}, {"constrained": "decoding"}])
@pytest.mark.parametrize(
    ("scheme", "tags"), [("iob2", "B-A I-A O B-P I-P"), ("bioes", "B-A E-A O S-P S-P")]
)
def test_constrained_answers_obey_the_scheme(settings, scheme, tags):
    examples = [sentence("the cat sees my sister", tags)]
    draw = np.random.default_rng(1)
    asked = [list(draw.choice(WORDS, size=9)) for _ in range(20)]
    free = model(Tagging(max_length=32, **{**settings, "constrained": "no"}), examples)
    assert breaches([a.tags for a in free.predict(asked)], scheme)
    found = model(Tagging(max_length=32, **settings), examples)
    assert breaches([a.tags for a in found.predict(asked)], scheme) == []


def test_entities_are_the_chunks_of_the_tags():
    found = model()
    (answer,) = found.predict([["the", "old", "captain", "sees", "the", "cat"]])
    for kind, text, start, end in answer.entities:
        assert text == " ".join(answer.words[start:end])
        assert {tag[2:] for tag in answer.tags[start:end]} == {kind}
    outside = set(range(6)) - {i for e in answer.entities for i in range(e.start, e.end)}
    assert all(answer.tags[i] == "O" for i in outside)


@pytest.mark.parametrize("train_scheme", ["auto", "bioes"])
def test_figures_do_not_depend_on_the_scheme_of_the_file(train_scheme):
    found = model(Tagging(max_length=32, train_scheme=train_scheme))
    tags = {
        "iob1": "I-ANI I-ANI O I-PER B-PER",
        "iob2": "B-ANI I-ANI O B-PER B-PER",
        "bioes": "B-ANI E-ANI O S-PER S-PER",
        "bmes": "B-ANI E-ANI O S-PER S-PER",
    }
    each = [found.figures([sentence("the cat sees my sister", t)], PATH) for t in tags.values()]
    assert each[0]["types"]["PER"]["gold"] == 2
    assert all(figures == each[0] for figures in each)


def test_answers_are_written_in_the_scheme_of_the_files_trained_on():
    examples = [sentence("the cat sees my sister", "I-ANI I-ANI O I-PER I-PER")]
    found = model(Tagging(max_length=32, constrained="decoding"), examples)
    assert found.learned.values["scheme"] == "iob1"
    assert found.labels == ["O", "B-ANI", "I-ANI", "B-PER", "I-PER"]
    draw = np.random.default_rng(1)
    answers = found.predict([list(draw.choice(WORDS, size=9)) for _ in range(20)])
    assert breaches([a.tags for a in answers], "iob1") == []
    assert breaches([a.tags for a in answers], "iob2")


def test_perfect_answers_have_perfect_figures():
    found = model()
    asked = [["the", "cat", "sees", "my", "sister"], ["a", "dog"]]
    answers = found.predict(asked)
    examples = [Sentence(a.words, a.tags, lines=tuple(range(len(a.words)))) for a in answers]
    figures = found.figures(examples, PATH)
    assert figures["accuracy"] == 1 or figures["breaches"]
    assert figures["f1"] == 1
    assert figures["examples"] == 2
    assert figures["words"] == 7


def test_parts_of_speech_are_judged_by_accuracy():
    found = model(examples=[sentence("the cat sees", "DET NOUN VERB")])
    assert found.task.shown(found.learned) == ["accuracy"]
    figures = found.figures([sentence("the cat sees", "DET NOUN NOUN")], PATH)
    assert set(figures["types"]) >= {"DET", "NOUN"}
    assert "f1" not in figures
    (answer,) = found.predict(["the cat"])
    assert answer.entities == ()


def test_the_metric_comes_first_among_the_figures_shown():
    found = model(Tagging(max_length=32, metric="f1_strict"))
    assert found.task.shown(found.learned)[0] == "f1_strict"
    assert Tagging().shown(found.learned)[:2] == ["f1", "precision"]


def test_segmentation_asks_about_characters_and_answers_words():
    characters = Sentence(tuple("thecatsees"), tuple("BIEBIEBIIE"), is_segmented=True)
    found = model(examples=[characters])
    assert found.labels == ["B", "I", "E", "S"]
    text, spaced = found.predict(["asmall dog", "a  small dog"])
    assert text.words == tuple("asmalldog")
    assert text == spaced
    assert text.segmented.replace(" ", "") == "asmalldog"
    assert [e.text for e in text.entities] == text.segmented.split(" ")
    assert found.figures([characters], PATH)["types"].keys() == {""}
    with pytest.raises(ConfigError, match=r"Segmented text .* begin: O, B-ANI, I-ANI, B-PER"):
        model().judge([characters])


@pytest.mark.parametrize(
    ("tags", "task", "message"),
    [
        ("B-PER X-PER", Tagging(), r"data\.conll:2: 'X-PER' is no tag of iob2: B, I, O, with"),
        ("NN VB", Tagging(scheme="iob2"), r"data\.conll:1: 'NN' is no tag of iob2"),
        ("B-PER E-PER", Tagging(scheme="iob1"), r":2: 'E-PER' is no tag of iob1"),
        ("O O", Tagging(), r"every word has the tag 'O', so there is nothing to learn"),
        (
            "I-PER B-LOC",
            Tagging(scheme="iob2", breaches="refuse"),
            r":1: I-PER begins a sentence, which iob2 does not allow.*task\.breaches=convert",
        ),
    ],
)
def test_tags_that_cannot_be_learned_are_refused(tags, task, message):
    with pytest.raises(DataError, match=message):
        task.learn([sentence("a b", tags)], PATH)


def test_words_in_place_of_tags_are_refused():
    examples = [sentence(f"a{n}", f"tag{n}", line=n) for n in range(1001)]
    with pytest.raises(DataError, match=r"1,001 different tags for 1,001 words.*tag=NUMBER"):
        Tagging().learn(examples, PATH)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 2}, "must be at least 3"),
        ({"dropout": 1.0}, "must be at least 0 and under 1"),
        ({"constrained": "training"}, r"Set task\.crf=true"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Tagging(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"metric": "f1"},
            r"task\.metric does nothing here: the tags of data\.conll are no",
        ),
        ({"train_scheme": "bioes"}, r"task\.train_scheme does nothing here: the tags"),
        ({"breaches": "refuse"}, r"task\.breaches does nothing here: the tags"),
        ({"constrained": "decoding"}, r"task\.constrained does nothing here: the tags"),
        ({"context": "document"}, r"context is document, and data\.conll marks no documents"),
    ],
)
def test_settings_that_do_not_suit_the_file_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Tagging(**settings).learn([sentence("the cat", "DET NOUN")], PATH)


@pytest.mark.parametrize("tag", ["B-PER ", "\u00a0B-PER", "O\r", "NN "])
def test_a_tag_with_a_space_beside_it_is_not_a_label_of_its_own(tag):
    mixed = Sentence(("a", "b", "c"), ("B-PER", tag, "O"), lines=(1, 2, 3))
    with pytest.raises(DataError, match=r"data\.conll:2: the tag .* has a space before or after"):
        Tagging().learn([mixed], PATH)
    found = model(examples=[sentence("the cat", "DET NOUN")])
    with pytest.raises(DataError, match="has a space before or after it"):
        found.figures([mixed], PATH)


def test_a_file_of_other_tags_is_refused():
    found = model()
    with pytest.raises(DataError, match=r"'DET' is no tag of iob2"):
        found.figures([sentence("the cat", "DET NOUN")], PATH)
    speech = model(examples=[sentence("the cat", "DET NOUN")])
    with pytest.raises(DataError, match=r"training had none of these tags\. It had DET, NOUN"):
        speech.figures([sentence("the cat", "B-PER O")], PATH)


def test_breaches_are_said_and_counted(capsys):
    found = model()
    examples = [sentence("the cat", "B-ANI I-ANI"), sentence("my sister", "O I-PER", line=4)]
    found.encode(examples, PATH)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 tags break iob2 and are read as conlleval reads them" in said
    assert "data.conll:5: I-PER follows O" in said
    assert found.figures(examples, PATH)["breaches"] == 1
    assert found.figures(examples, PATH)["types"]["PER"]["gold"] == 1


def test_a_file_without_chunks_is_one_of_the_scheme_trained_on():
    found = model()
    figures = found.figures([sentence("the cat", "O O")], PATH)
    assert figures["recall"] == 0
    assert figures["words"] == 2


def test_the_labels_of_other_peoples_models_tell_the_scheme():
    labels = {"0": "O", "1": "B-PER", "2": "I-PER"}
    _, learned = Tagging.from_theirs({"id2label": labels}, 64)
    assert learned.values["train_scheme"] == "iob2"
    _, learned = Tagging.from_theirs({"id2label": {"0": "O", "1": "S-A", "2": "B-A"}}, 64)
    assert learned.values["train_scheme"] == "bioes"
    task, learned = Tagging.from_theirs({"id2label": {"0": "NN", "1": "VB"}}, 64)
    assert (task.max_length, learned.values["scheme"]) == (64, "none")
    assert learned.labels == ("NN", "VB")


def test_taggers_of_other_people_are_judged_in_their_own_labels():
    ids = {str(i): label for i, label in enumerate(["O", "B-PER", "I-PER", "I-LOC", "I-ORG"])}
    task, learned = Tagging.from_theirs({"id2label": ids}, 64)
    assert learned.values["scheme"] == "iob1"
    example = sentence("a b c d e f", "I-PER B-PER O I-LOC I-LOC I-ORG")
    found = model()
    scores = np.eye(5, dtype=np.float32)[[2, 1, 0, 3, 3, 4]]
    given = Judged(
        examples=[example],
        encoded=task.encode([example], small.tokenizer(143), learned),
        learned=learned,
        head=found.head,
        rows=scores,
    )
    figures = task.figures(given, PATH)
    assert (figures["accuracy"], figures["f1"], figures["f1_strict"]) == (1, 1, 1)
    assert figures["unseen"] == 0
    assert task.answers(given)[0].tags == example.tags


def test_a_sentence_of_a_million_characters_is_answered_whole():
    found = model()
    words = ["captain"] * 142_858
    (answer,) = found.predict([words])
    assert len(answer.tags) == len(words)


def test_what_is_learned_fits_json():
    found = model()
    values = found.to_config()
    assert values["architectures"] == ["BertForTokenClassification"]
    assert values["id2label"]["1"] == "B-ANI"
    chain = model(Tagging(max_length=32, crf=True)).to_config()
    assert chain["architectures"] == ["BertModel"]
    assert Learned(**values["gloze"]["learned"]).values["scheme"] == "iob2"


def test_characters_of_no_word_stand_as_words_of_their_own():
    said = tag_answers.answer(
        sentence("a b c d e"), ["O", "B", "E", "O", "O"], np.ones(5, np.float32), "bioes"
    )
    assert [entity.text for entity in said.entities] == ["b c"]
    characters = Sentence(tuple("abcde"), is_segmented=True)
    said = tag_answers.answer(
        characters, ["O", "B", "E", "O", "O"], np.ones(5, np.float32), "bioes"
    )
    assert said.segmented == "a bc d e"


def test_what_is_written_of_segmented_text_has_its_blank_lines(tmp_path):
    (tmp_path / "in.txt").write_text("\nthecat\n\n \nsees\n\n")
    example = Sentence(tuple("thecatsees"), tuple("BIEBIEBIIE"), is_segmented=True)
    tagger = model(examples=[example])
    sentences = list(tagger.task.reader("cws").read(tmp_path / "in.txt", keep_rows=True))
    with tagger.task.writer(tmp_path / "out.txt", source=tmp_path / "in.txt") as file:
        file.write(sentences, tagger.task.answers(tagger.judge(sentences)))
    lines = (tmp_path / "out.txt").read_text().split("\n")
    assert [line.replace(" ", "") for line in lines] == ["", "thecat", "", "", "sees", "", ""]
    assert lines[3] == ""


def test_the_tags_of_a_sentence_are_counted_in_their_order():
    said = tag_answers.answer(
        sentence("a b c d"), ["O", "B-Y", "B-X", "O"], np.ones(4, np.float32), "iob2"
    )
    assert list(Tagging().tally(said)) == ["O", "B-Y", "B-X"]


def test_counts_of_sentences_add_up_to_the_figures():
    gold = [["B-A", "I-A", "O"], ["B-B", "O"], ["O"]]
    said = [["B-A", "O", "O"], ["I-B", "B-A"], ["O"]]
    # Conlleval takes the I that nothing opened for a chunk; strictly it is none.
    lenient, strict = (sentence_counts(gold, said, m, "iob2") for m in ("f1", "f1_strict"))
    assert lenient.each.tolist() == [[1, 1, 0], [1, 2, 1], [0, 0, 0]]
    assert strict.each.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert lenient.figure(lenient.each.sum(0)) == 2 * 1 / (2 + 3)
    assert strict.figure(strict.each.sum(0)) == 0
    precision = sentence_counts(gold, said, "precision", "iob2")
    assert precision.figure(precision.each.sum(0)) == 1 / 3
    words = sentence_counts(gold, said, "accuracy", "none")
    assert words.each.tolist() == [[2, 3], [0, 2], [1, 1]]
    assert words.figure(words.each.sum(0)) == 3 / 6
