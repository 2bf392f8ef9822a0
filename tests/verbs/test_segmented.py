"""Preparing with a segmenter: the words that are masked, on any number of workers."""

import gzip
import json

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.data.shards import Shards, read_index
from gloze.objectives.mlm import MaskedLMConfig, MaskTokens
from gloze.tokenizers import load_segmenter, load_tokenizer
from gloze.tokenizers.segmenters import LongestMatch
from gloze.verbs.evaluate import evaluate
from gloze.verbs.prepare import prepare
from gloze.verbs.prepare_task import prepare_task
from gloze.verbs.pretrain import pretrain
from tests.small import recipe

TEXT = "我们在北京大学学习。\n学生在北京生活。\n"
LIST = ["我们", "北京", "北京大学", "学习", "学生", "生活"]
SHORT = ["training.steps=2", "training.evaluations=1", "objectives.mlm.whole_words=true"]


def every_third(text):
    return [text[i : i + 3] for i in range(0, len(text), 3)]


@pytest.fixture
def corpus(tmp_path):
    for part in range(3):
        text = "\n".join(f"{TEXT}{part}{number}\n" for number in range(30))
        (tmp_path / f"corpus-{part}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "words.txt").write_text("\n".join(LIST), encoding="utf-8")
    letters = sorted({*TEXT.replace("\n", ""), *"0123456789"})
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{n}" for n in range(10))]
    (tmp_path / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    return [tmp_path / f"corpus-{part}.txt" for part in range(3)]


def made(corpus, name, segmenter, **options):
    folder = corpus[0].parent
    prepare(
        corpus,
        tokenizer=folder / "vocab.txt",
        output=folder / name,
        segmenter=segmenter,
        **options,
    )
    return folder / name


def words(folder, count=12):
    shards = Shards.open(folder, "train")
    tokens = load_tokenizer(shards.tokenizer_path).tokens(shards.tokens[:count])
    starts = np.unpackbits(shards.word_starts, bitorder="little")[:count].astype(bool)
    return ["".join(part) for part in np.split(tokens, np.flatnonzero(starts)[1:])]


def test_words_of_a_list_are_kept_with_the_shards_and_the_tokens_stay(corpus):
    plain = made(corpus, "plain", None)
    listed = made(corpus, "listed", corpus[0].parent / "words.txt")
    assert words(plain) == list("我们在北京大学学习。学生")
    assert words(listed) == ["我们", "在", "北京大学", "学习", "。", "学生"]
    name = "train-tokens.npy"
    assert (plain / name).read_bytes() == (listed / name).read_bytes()
    assert read_index(plain)["segmenter"] is None
    assert read_index(listed)["segmenter"].startswith("words sha256:")
    assert Shards.open(listed, "train").segmenter == read_index(listed)["segmenter"]


@pytest.mark.parametrize("segmenter", ["jieba", "words.txt", every_third])
def test_workers_and_tasks_write_the_same_bytes(corpus, segmenter):
    if segmenter == "jieba":
        pytest.importorskip("rjieba")
    if segmenter == "words.txt":
        segmenter = corpus[0].parent / segmenter
    one = made(corpus, "one", segmenter)
    for name, options in (("two", {"workers": 2}), ("tasks", {"tasks": 2})):
        other = made(corpus, name, segmenter, **options)
        for path in one.iterdir():
            if path.is_file():
                assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_what_other_processes_cannot_find_is_refused_for_them(corpus):
    with pytest.raises(ConfigError, match="known to this process alone"):
        made(corpus, "shards", lambda text: [*text], workers=2)
    assert made(corpus, "shards", lambda text: [*text]).exists()


def test_tasks_of_another_segmenter_are_not_joined(corpus):
    folder = corpus[0].parent
    how = {"tokenizer": folder / "vocab.txt", "output": folder / "shards", "tasks": 1}
    prepare_task(1, corpus, **how, segmenter="spaces")
    with pytest.raises(ConfigError, match="was made with other segmenter"):
        prepare(corpus, **how)


def test_whole_words_are_asked_for_wholly(corpus):
    folder = made(corpus, "listed", corpus[0].parent / "words.txt")
    config = recipe("sampler.kind=text_block", "objectives.nsp=none")
    shards = Shards.open(folder, "train")
    tokenizer = load_tokenizer(shards.tokenizer_path)
    source = config.sampler.build(shards, tokenizer, 0)
    given = source.samples(0, np.arange(len(source.lengths(0))))
    shown = MaskTokens(MaskedLMConfig(whole_words=True, rate=0.3), tokenizer)(given)
    asked = np.zeros(len(given.input_ids), bool)
    asked[shown.label_positions["mlm"]] = True
    ids = [tokenizer.token_id(x) for x in "北京大学"]
    places = [
        i for i in range(len(given.input_ids) - 3) if given.input_ids[i : i + 4].tolist() == ids
    ]
    whole = [asked[i : i + 4].sum() for i in places]
    assert set(whole) == {0, 4}


def test_a_run_prepares_its_corpus_so_and_goes_on_with_the_same_words_only(
    corpus, tmp_path, capsys
):
    folder = corpus[0].parent
    how = {
        "corpus": corpus,
        "tokenizer": folder / "vocab.txt",
        "output": tmp_path / "run",
        "settings": SHORT,
    }
    pretrain(recipe(), **how, segmenter=folder / "words.txt")
    assert "Whole words are those of words sha256:" in capsys.readouterr().err
    assert words(tmp_path / "run" / "shards")[0] == "我们"
    pretrain(recipe(), **how, segmenter=folder / "words.txt", resume=True)
    with pytest.raises(ConfigError, match="began with words found by words sha256"):
        pretrain(recipe(), **how, resume=True)
    evaluate(tmp_path / "run", corpus[0])
    assert "Whole words are those of the tokenizer here" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--segmenter goes with --corpus"):
        pretrain(
            recipe(),
            shards=tmp_path / "run" / "shards",
            output=tmp_path / "new",
            segmenter="spaces",
        )


def test_words_that_are_known_and_not_used_are_mentioned(corpus, tmp_path, capsys):
    folder = made(corpus, "shards", "spaces")
    pretrain(recipe(), shards=folder, output=tmp_path / "run", settings=SHORT[:2])
    assert "know the words of spaces, and tokens are masked one by one" in capsys.readouterr().err
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["mlm_loss"] > 0


def f1(gold, found):
    def spans(words):
        ends = np.cumsum([len(word) for word in words])
        return set(zip(ends - [len(word) for word in words], ends, strict=True))

    both, mine, theirs = 0, 0, 0
    for a, b in zip(gold, found, strict=True):
        one, other = spans(a), spans(b)
        both, mine, theirs = both + len(one & other), mine + len(other), theirs + len(one)
    return 2 * both / (mine + theirs)


@pytest.mark.parametrize(
    ("name", "jieba", "listed"), [("pku", 0.820, 0.874), ("msr", 0.810, 0.877)]
)
def test_jieba_and_lists_find_the_words_of_people(shared_data, name, jieba, listed):
    """Of the second Chinese segmentation bakeoff; docs/pretraining.md has these figures."""
    pytest.importorskip("rjieba")
    folder = shared_data / "sighan2005-cws"

    def read(data):
        return [line.split() for line in data.decode("utf-8").splitlines() if line.split()]

    gold = read((folder / f"{name}.test.utf8").read_bytes())
    train = read(gzip.decompress((folder / f"{name}.train.utf8.gz").read_bytes()))
    words = LongestMatch(word for line in train for word in line)
    for cut, figure in ((load_segmenter("jieba").cut, jieba), (words, listed)):
        assert f1(gold, [cut("".join(line)) for line in gold]) == pytest.approx(figure, abs=1e-3)
