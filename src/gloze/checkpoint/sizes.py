"""The sizes that a model folder claims, held against its weights before memory is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.checkpoint.find import config_of
from gloze.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.checkpoint.sources import Weights
    from gloze.encoders.transformer import TransformerConfig
    from gloze.tokenizers import Tokenizer


def encoder_shapes(
    config: TransformerConfig, vocab_size: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of every weight of an encoder but the pooler, which a folder may lack.

    Written out, since building the encoder to ask it would take the memory in question.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    tables = {"token_embeddings": vocab_size}
    if config.position_embeddings == "learned":
        tables["position_embeddings"] = config.max_position_embeddings
    if config.type_vocab_size:
        tables["token_type_embeddings"] = config.type_vocab_size
    for name, rows in tables.items():
        yield f"embeddings.{name}.weight", (rows, hidden)
    dense = {
        "attention.query_key_value": (3 * hidden, hidden),
        "attention.output": (hidden, hidden),
        "intermediate": (inner, hidden),
        "output": (hidden, inner),
    }
    layers = [f"layers.{number}" for number in range(config.num_hidden_layers)]
    for layer in layers:
        for name, shape in dense.items():
            yield f"{layer}.{name}.weight", shape
            yield f"{layer}.{name}.bias", shape[:1]
    norms = [f"{layer}.{name}" for layer in layers for name in ("attention_norm", "output_norm")]
    norms += ["embeddings.norm"] if config.embedding_norm else []
    norms += ["final_norm"] if config.norm_position == "before" else []
    for norm in norms:
        yield f"{norm}.weight", (hidden,)
        yield f"{norm}.bias", (hidden,)


def check_sizes(
    config: TransformerConfig, vocab_size: int, tokenizer: Tokenizer, found: Weights
) -> None:
    """Refuse weights that are not those of an encoder of this configuration.

    Raises:
        DataError: naming the first that is missing or of another shape, or a larger tokenizer.
    """
    weights, says = found.path, f"{config_of(found.path.parent).name} says"
    layers = {name.split(".")[2] for name in found.tensors if name.startswith("encoder.layers.")}
    if len(layers) != config.num_hidden_layers:
        raise DataError(
            f"{len(layers)} layers, and {says} {config.num_hidden_layers}.", path=weights
        )
    for name, wanted in encoder_shapes(config, vocab_size):
        tensor = found.tensors.get(f"encoder.{name}")
        if tensor is None:
            raise DataError(f"the weight {name} is missing.", path=weights)
        if (shape := tuple(tensor.shape)) != wanted:
            raise DataError(f"{name} of shape {shape}, and {says} {wanted}.", path=weights)
    if tokenizer.vocab_size > vocab_size:
        raise DataError(
            f"the tokenizer has {tokenizer.vocab_size} entries and the model {vocab_size}.",
            path=weights.parent,
        )
