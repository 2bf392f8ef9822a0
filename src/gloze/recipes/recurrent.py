"""Language models of LSTMs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.samplers import TextBlockConfig
from gloze.data.text_stream import StreamConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.nn.char_cnn import CharactersConfig
from gloze.objectives.activations import ActivationsConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def lstm_lm() -> RunConfig:
    """Two layers of 650 cells, from left to right (Zaremba et al. 2015, 4.1, the medium one).

    Published for the Penn Treebank: perplexity 82.7 on test after 39 epochs of plain gradient
    descent. Here Adam; at three times this rate it stays at the frequencies of words.
    """
    return RunConfig(
        name="lstm-lm",
        tokenizer=TokenizerConfig(kind="words", vocab_size=20_000),
        sampler=StreamConfig(max_length=35, order="consecutive"),
        encoder=LSTMConfig(
            embedding_size=650,
            hidden_size=650,
            input_dropout_prob=0.5,
            hidden_dropout_prob=0.5,
            output_dropout_prob=0.5,
        ),
        objectives=ObjectivesConfig(lm=LanguageModelConfig()),
        training=TrainingConfig(
            epochs=39,
            batch_size=20,
            learning_rate=1e-3,
            warmup_rate=0.01,
            weight_decay=0.0,
            adam_beta2=0.99,
        ),
    )


def awd_lstm() -> RunConfig:
    """Three layers with every dropout of AWD-LSTM (Merity et al. 2018): the LM of ULMFiT.

    Published for the Penn Treebank: perplexity 57.3 on test, after up to 750 epochs of plain
    SGD and then of averaged weights. Here Adam, whose betas and rates are those of ULMFiT (Howard
    and Ruder 2018, 4.1).
    """
    return RunConfig(
        name="awd-lstm",
        tokenizer=TokenizerConfig(kind="words", vocab_size=60_000, min_count=2),
        sampler=StreamConfig(max_length=70, order="consecutive", length_spread=5.0),
        encoder=LSTMConfig(
            embedding_size=400,
            hidden_size=1150,
            num_hidden_layers=3,
            last_size=400,
            embedding_dropout_prob=0.1,
            input_dropout_prob=0.4,
            hidden_dropout_prob=0.25,
            output_dropout_prob=0.4,
            weight_dropout_prob=0.5,
        ),
        objectives=ObjectivesConfig(
            lm=LanguageModelConfig(tie_weights=True), activations=ActivationsConfig()
        ),
        training=TrainingConfig(
            epochs=40,
            batch_size=40,
            learning_rate=4e-3,
            warmup_rate=0.1,
            adam_beta1=0.7,
            adam_beta2=0.99,
            weight_decay=1.2e-6,
            max_grad_norm=0.25,
        ),
    )


def elmo() -> RunConfig:
    """Two stacks that never meet over words read by their characters (ELMo, Peters et al. 2018).

    The published sizes, 93.6 M parameters and an output of 407 M, for the 1B Word Benchmark with
    its 793,471 words met three times. Perplexity there after 10 epochs: 39.7, the mean of both
    directions. The published code learns with Adagrad at 0.2, and reads 128 texts side by side,
    20 words a step, wherever sentences end; here it is AdamW, and a step reads 128 sentences
    whole. Dropout leaves out the same numbers throughout a sentence.
    """
    return RunConfig(
        name="elmo",
        tokenizer=TokenizerConfig(kind="words", vocab_size=793_471, min_count=3, cased=True),
        sampler=_SENTENCES,
        encoder=_elmo_encoder(CharactersConfig(), cells=4096, size=512),
        objectives=ObjectivesConfig(lm=LanguageModelConfig()),
        training=TrainingConfig(
            epochs=10,
            batch_size=128,
            learning_rate=1e-3,
            warmup_rate=0.01,
            weight_decay=0.0,
            save_minutes=30,
        ),
    )


def elmo_small() -> RunConfig:
    """ELMo at the size of bert-mini: 5.9 M parameters and an output of 5.2 M (11.0 M for 11.2 M).

    Words met twice are read by their characters; the most frequent 40,000 are predicted.
    """
    widths = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256))
    return RunConfig(
        name="elmo-small",
        tokenizer=TokenizerConfig(kind="words", vocab_size=200_000, min_count=2, cased=True),
        sampler=_SENTENCES,
        encoder=_elmo_encoder(CharactersConfig(filters=widths), cells=1024, size=128),
        objectives=ObjectivesConfig(lm=LanguageModelConfig(vocab_size=40_000)),
        training=TrainingConfig(
            tokens=100_000_000,
            batch_size=64,
            learning_rate=2e-3,
            warmup_rate=0.05,
            weight_decay=0.0,
        ),
    )


_SENTENCES = TextBlockConfig(max_length=128, short_rate=0.0, within="sentence", order="consecutive")


def _elmo_encoder(characters: CharactersConfig, *, cells: int, size: int) -> LSTMConfig:
    return LSTMConfig(
        characters=characters,
        embedding_size=size,
        hidden_size=cells,
        num_hidden_layers=2,
        projection_size=size,
        direction="two_way",
        residual=True,
        cell_clip=3.0,
        state_clip=3.0,
        input_dropout_prob=0.1,
        hidden_dropout_prob=0.1,
        output_dropout_prob=0.1,
    )


def ulmfit() -> RunConfig:
    """AWD-LSTM with the dropout of ULMFiT (Howard and Ruder 2018, 4.1): its first two stages.

    The third, the classifier, is ``gloze finetune --transfer gradual`` (docs/recurrent.md).
    Published: error 4.6% on IMDb from both directions; with 100 labelled examples as good as 100
    times as many from nothing (their abstract).
    """
    base = awd_lstm()
    encoder: Any = base.encoder
    encoder = replace(
        encoder,
        embedding_dropout_prob=0.05,
        input_dropout_prob=0.4,
        hidden_dropout_prob=0.3,
        output_dropout_prob=0.4,
        weight_dropout_prob=0.5,
    )
    training = replace(base.training, batch_size=64, schedule="slanted_triangular")
    return replace(base, name="ulmfit", encoder=encoder, training=training)


def lstm_small() -> RunConfig:
    """Two layers of 640 and 256 cells under an output that is the token table of ``bert-mini``.

    11.0 M parameters, 1.2% fewer than ``bert-mini``, with its vocabulary, its budget and as many
    tokens a step; 32 places are read side by side. The rate is not tuned.
    """
    return RunConfig(
        name="lstm-small",
        tokenizer=TokenizerConfig(vocab_size=30_522),
        sampler=StreamConfig(max_length=64, order="consecutive", texts="document"),
        encoder=LSTMConfig(
            embedding_size=256,
            hidden_size=640,
            last_size=256,
            input_dropout_prob=0.1,
            hidden_dropout_prob=0.1,
            output_dropout_prob=0.1,
        ),
        objectives=ObjectivesConfig(lm=LanguageModelConfig(tie_weights=True)),
        training=TrainingConfig(
            tokens=100_000_000,
            batch_size=32,
            learning_rate=1e-3,
            warmup_rate=0.05,
            weight_decay=0.0,
            adam_beta2=0.99,
        ),
    )


def taglm() -> RunConfig:
    """One LSTM each way over words read by their characters (TagLM, Peters et al. 2017).

    Their backward model, 2,048 cells with states of 512, both ways; their forward one has 8,192
    cells and states of 1,024. Its states are for taggers: ``gloze finetune tagging --transfer
    frozen --set task.crf=true``. Published: CoNLL-2003 F1 91.9 in place of 90.9 without.
    """
    base = elmo()
    encoder: Any = base.encoder
    encoder = replace(encoder, hidden_size=2048, num_hidden_layers=1, residual=False)
    return replace(base, name="taglm", encoder=encoder)
