"""``gloze evaluate`` of what was pre-trained: the figures of its own objectives on a text."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gloze.checkpoint import language_model_of, load_trained
from gloze.config.build import build_objectives, in_order
from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.config.runs import RECIPE
from gloze.core.devices import pick_device
from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.data.encoding import ChunkEncoder, encode_documents
from gloze.data.shard_writer import ShardWriter
from gloze.data.shards import Shards
from gloze.data.text_stream import StreamConfig
from gloze.recipes import load_recipe
from gloze.text.read import ReadOptions, read_documents
from gloze.tokenizers import TokenizerConfig, config_of
from gloze.training.config import TrainingConfig
from gloze.training.evaluate import evaluate_objectives
from gloze.training.learner import Learner

if TYPE_CHECKING:
    from typing import Any

    from gloze.checkpoint import OwnModel, Parts
    from gloze.tokenizers import Tokenizer

_ALL = 1 << 62
# Of a folder without a recipe: sequences are as long as its positions, up to this.
_LONGEST = 1024


def judge_pretraining(model: Path, data: Path, device: str) -> dict[str, float]:
    """Return the figures of a pre-trained model on a text.

    Args:
        model: folder, with the recipe of its run beside it, or of a language model.
        data: a corpus or a shards folder, whose held-out split is taken if it has one.
        device: to compute on.

    Raises:
        ConfigError: if nothing says what the model was trained to do.
        DataError: if the data or the model cannot be used.
    """
    recipe = model.parent / RECIPE
    parts = load_trained(model)
    if recipe.is_file():
        config = load_recipe(recipe).in_phase(-1)
    else:
        config = _as_language_model(model, parts)
    mlm = config.objectives.mlm
    if mlm is not None and mlm.whole_words and not (data / "shards.json").is_file():
        say("Whole words are those of the tokenizer here; shards bring those of a segmenter.")
    with tempfile.TemporaryDirectory(prefix="gloze-evaluate-") as folder:
        shards = _open_shards(data, parts, Path(folder))
        return _figures(config, parts, shards, _counted(config, data, shards), device)


def _as_language_model(model: Path, parts: Parts | OwnModel) -> RunConfig:
    """Return what a language model from elsewhere was trained to do, as a recipe.

    Blocks of the text as it runs on, as long as there are positions for.
    """
    encoder = parts.encoder.config
    if encoder.direction != "left_to_right":
        raise ConfigError(
            f"{model} is not fine-tuned and has no {RECIPE} beside it that says what it was "
            "trained to do: give the run folder of a pre-training."
        )
    longest = min(getattr(encoder, "max_position_embeddings", _LONGEST), _LONGEST)
    return RunConfig(
        name=model.name,
        sampler=StreamConfig(max_length=longest, texts="document"),
        tokenizer=config_of(parts.tokenizer) or TokenizerConfig(),
        encoder=encoder,
        objectives=ObjectivesConfig(lm=language_model_of(parts.tensors, parts.encoder.vocab_size)),
        training=TrainingConfig(steps=1, batch_tokens=8192),
    )


def _open_shards(data: Path, parts: Parts | OwnModel, folder: Path) -> Shards:
    """Return the held-out split of a shards folder, or a corpus encoded for this once."""
    fingerprint = parts.tokenizer.fingerprint
    if (data / "shards.json").is_file():
        valid = Shards.open(data, "valid", fingerprint=fingerprint)
        if valid.num_tokens:
            return valid
        say(f"{data} has no held-out split: judged on its training split.")
        return Shards.open(data, "train", fingerprint=fingerprint)
    with ShardWriter(folder, parts.tokenizer, valid_fraction=0.0, seed=0) as writer:
        paragraphs = (found.paragraphs for found in read_documents([data], options=ReadOptions()))
        for encoded in encode_documents(
            paragraphs, ChunkEncoder(parts.tokenizer, "rules"), workers=1
        ):
            writer.add(encoded)
        writer.finish({})
    return Shards.open(folder, "train")


def _counted(config: RunConfig, data: Path, shards: Shards) -> Shards:
    """Return the split that noise is drawn by, where the objectives ask with noise."""
    mlm = config.objectives.mlm
    if mlm is None or (mlm.choice, mlm.noise) == ("even", "uniform"):
        return shards
    if (data / "shards.json").is_file():
        return Shards.open(data, "train")
    say(f"Noise is drawn by the counts of {data}; shards bring those of their training split.")
    return shards


def _figures(
    config: RunConfig, parts: Parts | OwnModel, shards: Shards, counted: Shards, device: str
) -> dict[str, float]:
    spread, encoder = config.encoder.initializer_range, cast("Any", parts.encoder)
    objectives = build_objectives(config, encoder, parts.tokenizer, spread, counted)
    for objective in objectives:
        if not parts.load_head(objective.name, objective.head):
            raise DataError(f"the model has no {objective.name} head to judge.", path=shards.folder)
    if config.sampler.kind == "segment_pair" and shards.num_documents < 2:
        say("One document has no other to draw from, so no next sentence is a random one.")
        config = replace(config, sampler=replace(config.sampler, random_rate=0.0))
    learner = Learner(parts.encoder, objectives).to(pick_device(device))
    if config.objectives.lm is not None:
        _tell_counted(config, shards, parts.tokenizer)
    stream = in_order(shards, parts.tokenizer, objectives, config)
    return evaluate_objectives(learner, stream, max_tokens=_ALL, precision="float32")


def _tell_counted(config: RunConfig, shards: Shards, tokenizer: Tokenizer) -> None:
    """Say which tokens the loss and the perplexity of a language model are means over."""
    lengths = config.sampler.build(shards, tokenizer, config.seed).lengths(0)
    is_stream, names = config.sampler.kind == "stream", tokenizer.special_tokens
    # A stream knows what follows the last token of a block, too.
    predicted = int(lengths.sum()) - len(lengths) * (not is_stream)
    whole = "the stream" if is_stream else f"each of {len(lengths):,} sequences"
    say(
        f"Perplexity is over {predicted:,} tokens, {names.unk} and {names.sep} among them: all but "
        f"the first of {whole}."
    )
