"""GPT and GPT-2 in the layouts of Hugging Face: names of weights and of settings, both ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from gloze.core.errors import DataError
from gloze.interop.their_config import differs, read_config

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import Tensor

    from gloze.encoders.transformer import TransformerConfig
    from gloze.tokenizers import Tokenizer

# Ours, theirs. The number of a layer stands for itself.
_LAYER = {
    "attention.query_key_value": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "attention_norm": "ln_1",
    "intermediate": "mlp.c_fc",
    "output": "mlp.c_proj",
    "output_norm": "ln_2",
}
# Weights that they lay out as inputs times outputs.
_TURNED = {name for name, theirs in _LAYER.items() if "c_" in theirs}
_SIZES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
    "hidden_dropout_prob": "resid_pdrop",
    "attention_probs_dropout_prob": "attn_pdrop",
    "initializer_range": "initializer_range",
    "layer_norm_eps": "layer_norm_epsilon",
}
# What transformers takes where the file says nothing, and what is no setting there.
_USUAL = {"resid_pdrop": 0.1, "attn_pdrop": 0.1, "initializer_range": 0.02}
_USUAL_EPS = 1e-5
_INNER = 4
# Masks of attention, which old files hold beside the weights.
_MASKS = re.compile(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias")
_PREFIX, _OUTPUT = "transformer.", "lm_head.weight"
_TABLE = "encoder.embeddings.token_embeddings.weight"
_OWN_OUTPUT, _OWN_BIAS = "heads.lm.output.table.weight", "heads.lm.output.bias"
# What stands before the name of a weight they have no place for.
_OWN = "gloze."
Act = Literal["gelu", "gelu_new"]


@dataclass(frozen=True)
class Generation:
    """What the layouts of GPT and of GPT-2 do not share.

    Attributes:
        model_type: in ``config.json``.
        name: for messages.
        class_name: of the model with its output.
        tables: names of weights outside the layers, ours and theirs.
        activation: name of the setting, and the functions we have of those it may name.
        norm_position: of the encoder.
        positions: that there are where the file does not say it.
    """

    model_type: str
    name: str
    class_name: str
    tables: Mapping[str, str]
    activation: tuple[str, Mapping[str, Act]]
    norm_position: Literal["after", "before"]
    positions: int

    def why_not(self, config: TransformerConfig, names: Collection[str]) -> str | None:
        """Return why transformers cannot compute what such a model computes; None if it can.

        Args:
            config: of the encoder.
            names: of all weights.
        """
        what = f"a folder of {self.name}"
        if _OWN_BIAS in names:
            return f"{what} has no bias in its output, and objectives.lm.bias is true"
        # Their code for GPT knows no other width, nor GELU by the error function.
        inner = _INNER * config.hidden_size
        if self.model_type == "openai-gpt" and config.intermediate_size != inner:
            return f"{what} has intermediate_size {inner}, and this encoder " + str(
                config.intermediate_size
            )
        if config.hidden_act not in self.activation[1].values():
            return f"{what} cannot have hidden_act {config.hidden_act}"
        return differs(config, self._fixed(), what)

    def to_their_config(
        self,
        config: TransformerConfig,
        vocab_size: int,
        tokenizer: Tokenizer,
        names: Collection[str],
    ) -> dict[str, Any]:
        """Return what ``config.json`` holds, so that ``transformers`` picks the right class.

        What sees one side alone was trained as a language model, whatever weights that took.
        """
        setting, acts = self.activation
        is_wide = config.intermediate_size != _INNER * config.hidden_size
        return {
            "architectures": [self.class_name],
            "model_type": self.model_type,
            "vocab_size": vocab_size,
            **{theirs: getattr(config, ours) for ours, theirs in _SIZES.items()},
            "embd_pdrop": config.hidden_dropout_prob,
            setting: next(theirs for theirs, ours in acts.items() if ours == config.hidden_act),
            **({"n_inner": config.intermediate_size} if is_wide else {}),
            # Unknown to transformers, which keeps it: a control with random weights starts alike.
            "initialization": config.initialization,
            **tokenizer.known_ids(bos_token_id="cls", eos_token_id="sep", pad_token_id="pad"),
            **tokenizer.known_ids(eos_token_id="end"),
            "tie_word_embeddings": _OWN_OUTPUT not in names,
            "dtype": "float32",
        }

    def from_their_config(
        self, values: dict[str, Any], path: Path
    ) -> tuple[TransformerConfig, int]:
        """Return the sizes and the vocabulary size that a ``config.json`` states.

        Raises:
            DataError: if we cannot compute it, or a value is missing or of another type.
        """
        setting, acts = self.activation
        act = values.get(setting, next(iter(acts)))
        if not isinstance(act, str) or act not in acts:
            raise DataError(
                f"{setting} {act!r}: only {', '.join(acts)} can be computed.", path=path
            )
        if values.get("add_cross_attention") or values.get("scale_attn_by_inverse_layer_idx"):
            raise DataError("only plain one-way attention can be computed.", path=path)
        if values.get("scale_attn_weights") is False:
            raise DataError("only scaled attention can be computed.", path=path)
        usual = {**_USUAL, "n_positions": self.positions, "layer_norm_epsilon": _USUAL_EPS}
        given = {**usual, **{name: value for name, value in values.items() if value is not None}}
        hidden, names = given.get("n_embd"), _SIZES
        if "n_inner" in given:
            names = {**names, "intermediate_size": "n_inner"}
        elif type(hidden) is int:
            given["n_inner"], names = _INNER * hidden, {**names, "intermediate_size": "n_inner"}
        return read_config(given, names, path, hidden_act=acts[act], **self._fixed())

    def _fixed(self) -> dict[str, Any]:
        return {
            "direction": "left_to_right",
            "norm_position": self.norm_position,
            "position_embeddings": "learned",
            "embedding_norm": False,
            "type_vocab_size": 0,
        }

    def their_name(self, name: str) -> str:
        """Return Hugging Face's name of a weight of ours."""
        stem, _, last = name.rpartition(".")
        if layer := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", stem):
            return f"{_PREFIX}h.{layer[1]}.{_LAYER[layer[2]]}.{last}"
        if stem in self.tables:
            return f"{_PREFIX}{self.tables[stem]}.{last}"
        return _OUTPUT if name == _OWN_OUTPUT else _OWN + name

    def our_name(self, name: str) -> str | None:
        """Return our name of a weight of theirs; None if we have no such weight."""
        if name.startswith(f"{_OWN}heads."):
            return name.removeprefix(_OWN)
        if name == _OUTPUT:
            return _OWN_OUTPUT
        stem, _, last = name.removeprefix(_PREFIX).rpartition(".")
        if layer := re.fullmatch(r"h\.(\d+)\.(.+)", stem):
            own = {theirs: ours for ours, theirs in _LAYER.items()}.get(layer[2])
            return own and f"encoder.layers.{layer[1]}.{own}.{last}"
        own = {theirs: ours for ours, theirs in self.tables.items()}.get(stem)
        return own and f"{own}.{last}"

    def to_theirs(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of ours under Hugging Face's names."""
        return {self.their_name(name): _turned(name, x) for name, x in tensors.items()}

    def to_ours(
        self, tensors: dict[str, Tensor], head: str = ""
    ) -> tuple[dict[str, Tensor], list[str]]:
        """Return a model's weights under our names, and the names we have no place for.

        An output that is the token table is no weight of its own. Also read: weights of a bare
        encoder, without ``transformer.``.

        Args:
            tensors: under their names.
            head: not looked at.
        """
        kept = {name: x for name, x in tensors.items() if not _MASKS.fullmatch(name)}
        known = {name: own for name in kept if (own := self.our_name(name)) is not None}
        found = {own: _turned(own, kept[name]) for name, own in known.items()}
        output, table = found.get(_OWN_OUTPUT), found.get(_TABLE)
        if output is not None and table is not None and torch.equal(output, table):
            del found[_OWN_OUTPUT]
        return found, [name for name in kept if name not in known]


def _turned(name: str, tensor: Tensor) -> Tensor:
    """Return a weight laid out as the other side has it; the name is ours."""
    stem = re.sub(r"^encoder\.layers\.\d+\.", "", name).removesuffix(".weight")
    return tensor.t().contiguous() if stem in _TURNED and tensor.ndim == 2 else tensor


GPT = Generation(
    model_type="openai-gpt",
    name="GPT",
    class_name="OpenAIGPTLMHeadModel",
    tables={
        "encoder.embeddings.token_embeddings": "tokens_embed",
        "encoder.embeddings.position_embeddings": "positions_embed",
    },
    activation=("afn", {"gelu": "gelu_new"}),
    norm_position="after",
    positions=512,
)
GPT2 = Generation(
    model_type="gpt2",
    name="GPT-2",
    class_name="GPT2LMHeadModel",
    tables={
        "encoder.embeddings.token_embeddings": "wte",
        "encoder.embeddings.position_embeddings": "wpe",
        "encoder.final_norm": "ln_f",
    },
    activation=(
        "activation_function",
        {"gelu_new": "gelu_new", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_new"},
    ),
    norm_position="before",
    positions=1024,
)
GENERATIONS = {each.model_type: each for each in (GPT, GPT2)}
