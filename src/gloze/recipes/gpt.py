"""GPT and GPT-2: Transformers that predict the next token."""

from __future__ import annotations

from typing import Any

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.text_stream import StreamConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def language_model(
    name: str,
    *,
    layers: int,
    hidden: int,
    length: int,
    tokenizer: TokenizerConfig,
    training: TrainingConfig,
    **encoder: Any,
) -> RunConfig:
    """A GPT of any size: heads of 64 numbers, feed-forward four times the hidden size.

    As published (Radford et al. 2018, 4.1): norms after sums, GELU by tanh, learned positions,
    no segments, no norm of embeddings, and an output that is the token table, without a bias;
    blocks of the text as it runs on, whatever ends in them.
    """
    settings: dict[str, Any] = {
        "direction": "left_to_right",
        "hidden_act": "gelu_new",
        "type_vocab_size": 0,
        "embedding_norm": False,
        "layer_norm_eps": 1e-5,
        **encoder,
    }
    return RunConfig(
        name=name,
        tokenizer=tokenizer,
        sampler=StreamConfig(max_length=length, texts="document"),
        encoder=TransformerConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
            **settings,
        ),
        objectives=ObjectivesConfig(lm=LanguageModelConfig(tie_weights=True, bias=False)),
        training=training,
    )


def gpt() -> RunConfig:
    """12 layers of 768, 117 M parameters (Radford et al. 2018, 4.1).

    64 sequences of 512 a step; 100 epochs of BooksCorpus, a billion tokens, are some 3 million
    steps, of which the first 2,000 warm up. Published is no Adam's epsilon: it is the usual one.
    """
    training = TrainingConfig(
        steps=3_000_000,
        batch_size=64,
        learning_rate=2.5e-4,
        warmup_rate=2_000 / 3_000_000,
        schedule="cosine",
        adam_epsilon=1e-8,
        save_minutes=30,
    )
    return language_model(
        "gpt",
        layers=12,
        hidden=768,
        length=512,
        tokenizer=TokenizerConfig(kind="bpe", vocab_size=40_478),
        training=training,
    )


def gpt2() -> RunConfig:
    """The smallest GPT-2, 12 layers of 768, 124 M parameters (Radford et al. 2019, 2.3).

    512 sequences of 1024 a step, and norms before layers, are published; rates and budget are
    not: they are those of the smallest GPT-3 (Brown et al. 2020, table 2.1 and appendix B), but
    for its batch and for a rate that falls to 0.
    """
    training = TrainingConfig(
        tokens=300_000_000_000,
        batch_size=512,
        learning_rate=6e-4,
        warmup_rate=375 / 300_000,
        schedule="cosine",
        weight_decay=0.1,
        adam_beta2=0.95,
        adam_epsilon=1e-8,
        save_minutes=30,
    )
    return language_model(
        "gpt2",
        layers=12,
        hidden=768,
        length=1024,
        tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=50_257),
        training=training,
        max_position_embeddings=1024,
        norm_position="before",
        initialization="scaled",
    )


def gpt_small() -> RunConfig:
    """4 layers of 256 as in ``bert-mini``, with its vocabulary, budget, lengths and rates.

    11.1 M parameters: 1.5% fewer than ``bert-mini``, which has segments, a pooler and a layer
    before its output besides.
    """
    training = TrainingConfig(
        tokens=100_000_000,
        batch_tokens=2048,
        learning_rate=7e-4,
        warmup_rate=0.05,
        schedule="cosine",
        adam_beta2=0.98,
    )
    return language_model(
        "gpt-small",
        layers=4,
        hidden=256,
        length=128,
        tokenizer=TokenizerConfig(vocab_size=30_522),
        training=training,
    )
