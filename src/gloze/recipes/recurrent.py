"""Language models of LSTMs."""

from __future__ import annotations

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.text_stream import StreamConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.objectives.activations import ActivationsConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def lstm_lm() -> RunConfig:
    """Two layers of 650 cells, from left to right (Zaremba et al. 2015, 4.1, the medium one).

    Published for the Penn Treebank: perplexity 82.7 on test after 39 epochs.
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
            initializer_range=0.05,
        ),
        objectives=ObjectivesConfig(lm=LanguageModelConfig()),
        training=TrainingConfig(
            epochs=39, batch_size=20, learning_rate=2e-3, warmup_rate=0.01, weight_decay=0.0
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
