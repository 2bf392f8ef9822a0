"""The Transformer encoder: BERT as published (Devlin et al. 2019, section 3), GPT, GPT-2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, check_rate
from gloze.nn.cache import Cache
from gloze.nn.embeddings import Embeddings, Positions
from gloze.nn.init import initialize, scale_outputs, start_local
from gloze.nn.layout import Layout
from gloze.nn.pooling import Pooler
from gloze.nn.precision import as_products
from gloze.nn.remade import call_remade
from gloze.nn.rows import round_up_rows
from gloze.nn.transformer_layer import Gelu, NormPosition, TransformerLayer

Initialization = Literal["published", "local", "matching", "scaled"]
_LEAST = {
    "hidden_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 1,
    # [CLS], a token, [SEP].
    "max_position_embeddings": 3,
    "type_vocab_size": 0,
}
Direction = Literal["bidirectional", "left_to_right", "right_to_left", "two_way"]


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(Settings):
    """Sizes of a Transformer, named as in the released ``bert_config.json``.

    Attributes:
        hidden_size: numbers in each token's vector.
        num_hidden_layers: layers above the embeddings.
        num_attention_heads: must divide ``hidden_size``.
        intermediate_size: width of the feed-forward net; four times the hidden size in BERT.
        max_position_embeddings: longest sequence in tokens, [CLS] and [SEP] included.
        type_vocab_size: kinds of segments; 0 for no vectors of segments, as in GPT.
        hidden_dropout_prob: dropout after embeddings and in each layer.
        attention_probs_dropout_prob: dropout on attention weights.
        initializer_range: standard deviation of the starting weights.
        initialization: ``published`` is BERT's; ``local`` lets the heads of the lower half of the
            layers begin by looking at neighbours, which spares a small corpus the long plateau;
            ``matching`` lets half of these heads look at the same word elsewhere, which tells
            what two texts share; ``scaled`` is as published but for what layers add to their
            input, which begins smaller the more layers there are (Radford et al. 2019, 2.3).
        layer_norm_eps: added to variances.
        hidden_act: ``gelu`` is by the error function, as in the first release and everywhere
            since; ``gelu_new`` its approximation with tanh, as in Google's later code.
        direction: what a token may look at. ``two_way`` has as many layers again that look the
            other way; both read the same embeddings and meet in the output alone.
        norm_position: of each layer's norms: ``after`` the sums, as in BERT and GPT, or ``before``
            what is added, with one more norm at the end, as in GPT-2 (Radford et al. 2019, 2.3).
        position_embeddings: ``learned``, or ``sinusoidal``: fixed waves (Vaswani et al. 2017,
            3.5), as they are beside token vectors of any size.
        embedding_norm: whether embeddings are normed, as in BERT; not in GPT.
    """

    kind: Literal["transformer"] = "transformer"
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    initialization: Initialization = "published"
    layer_norm_eps: float = 1e-12
    hidden_act: Literal["gelu", "gelu_new"] = "gelu"
    direction: Direction = "bidirectional"
    norm_position: NormPosition = "after"
    position_embeddings: Positions = "learned"
    embedding_norm: bool = True

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if not least <= getattr(self, name) <= 1 << 20:
                raise ConfigError(
                    f"encoder.{name} is {getattr(self, name)}; it must be from {least} to "
                    f"{1 << 20}."
                )
        if left := self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"encoder.hidden_size {self.hidden_size} does not divide into "
                f"{self.num_attention_heads} heads. Nearest that does: "
                f"{self.hidden_size - left or self.num_attention_heads}."
            )
        self._check_start()
        for name in ("initializer_range", "layer_norm_eps"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"encoder.{name} is {getattr(self, name)}; it must be over 0.")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            check_rate(f"encoder.{name}", getattr(self, name))

    def _check_start(self) -> None:
        """Refuse a start for which heads are too small or too few, or embeddings others."""
        if self.initialization in ("published", "scaled"):
            return
        is_berts = self.embedding_norm and self.position_embeddings == "learned"
        if not (is_berts and self.norm_position == "after" and self.type_vocab_size):
            raise ConfigError(
                f"encoder.initialization {self.initialization!r} is worked out for embeddings and "
                "layers like BERT's: learned positions, segments, embedding_norm, and norms "
                "after. Set it to published."
            )
        head_size = self.hidden_size // self.num_attention_heads
        fewest = {"local": 2, "matching": 4}[self.initialization]
        if head_size < fewest:
            raise ConfigError(
                f"encoder.initialization {self.initialization!r} needs heads of at least {fewest} "
                f"numbers; these have {head_size}: set fewer encoder.num_attention_heads."
            )
        if self.initialization != "matching":
            return
        if self.num_attention_heads < 2:
            raise ConfigError(
                "encoder.initialization 'matching' needs at least 2 encoder.num_attention_heads: "
                "half of them look at neighbours."
            )
        # A head's projection of words has to be blind to every kind of segment.
        most = self.hidden_size - head_size - head_size // 4 * 2
        if self.type_vocab_size > most:
            raise ConfigError(
                f"encoder.initialization 'matching' bears at most {most} encoder.type_vocab_size "
                f"at these sizes; it is {self.type_vocab_size}."
            )

    def check_pairs(self) -> None:
        """Refuse pairs of texts if there is one segment type; without any, [SEP] parts them."""
        if self.type_vocab_size == 1:
            raise ConfigError("The model knows one segment type, so it cannot take pairs of texts.")

    def build(self, vocab_size: int) -> TransformerEncoder:
        """Return the encoder with random weights, from PyTorch's current seed."""
        return TransformerEncoder(self, vocab_size)


class TransformerEncoder(nn.Module):
    """Embeddings, then layers.

    Dense layers see the real tokens and at most 63 rows more, or as many rows as the batch names.

    Attributes:
        output_size: numbers in each hidden state.
        gelu: of its layers, and of heads that are made like them.
        pooler: for heads that judge a whole sequence; part of BERT's encoder on disk. From left
            to right there is none: [CLS], the first token, sees itself alone.
        gradient_checkpointing: whether training keeps of each layer its input alone.
    """

    def __init__(self, config: TransformerConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.output_size, self.layer_norm_eps = config.hidden_size, config.layer_norm_eps
        self.gelu: Gelu = "tanh" if config.hidden_act == "gelu_new" else "none"
        self.gradient_checkpointing = False
        self.embeddings = Embeddings(
            vocab_size=vocab_size,
            max_position_embeddings=config.max_position_embeddings,
            type_vocab_size=config.type_vocab_size,
            hidden_size=config.hidden_size,
            hidden_dropout_prob=config.hidden_dropout_prob,
            layer_norm_eps=config.layer_norm_eps,
            positions=config.position_embeddings,
            has_norm=config.embedding_norm,
        )
        self.layers, self.final_norm = self._new_layers(), self._new_norm()
        stacks = [self.layers]
        if config.direction == "two_way":
            self.backward_layers, self.backward_norm = self._new_layers(), self._new_norm()
            stacks.append(self.backward_layers)
        self.output_size = len(stacks) * config.hidden_size
        self.pooler = (
            nn.Identity() if config.direction == "left_to_right" else Pooler(self.output_size)
        )
        initialize(self, config.initializer_range)
        if config.initialization == "scaled":
            for stack in stacks:
                scale_outputs([*stack])
        elif config.initialization != "published":
            lower = (config.num_hidden_layers + 1) // 2
            matching = config.num_attention_heads // 2 * (config.initialization == "matching")
            attentions = [layer.attention for stack in stacks for layer in [*stack][:lower]]
            start_local(self.embeddings, attentions, matching_heads=matching)

    def _new_layers(self) -> nn.ModuleList:
        config = self.config
        return nn.ModuleList(
            TransformerLayer(
                hidden_size=config.hidden_size,
                num_attention_heads=config.num_attention_heads,
                intermediate_size=config.intermediate_size,
                hidden_dropout_prob=config.hidden_dropout_prob,
                attention_probs_dropout_prob=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps,
                gelu=self.gelu,
                norm_position=config.norm_position,
            )
            for _ in range(config.num_hidden_layers)
        )

    def _new_norm(self) -> nn.Module:
        if self.config.norm_position != "before":
            return nn.Identity()
        return nn.LayerNorm(self.config.hidden_size, eps=self.config.layer_norm_eps)

    @property
    def token_embeddings(self) -> nn.Embedding:
        """The table of token vectors, which output layers share."""
        return self.embeddings.token_embeddings

    @property
    def state_sizes(self) -> list[int]:
        """Numbers in each hidden state."""
        return [self.output_size] * (len(self.layers) + 1)

    @property
    def stages(self) -> list[nn.Module]:
        """Embeddings and layers, from the input up."""
        if self.config.direction != "two_way":
            return [self.embeddings, *self.layers]
        pairs = zip(self.layers, self.backward_layers, strict=True)
        return [self.embeddings, *(nn.ModuleList(pair) for pair in pairs)]

    def forward(self, batch: Batch, cache: Cache | None = None) -> list[Tensor]:
        """Return the embeddings and each layer's output, each [tokens, hidden_size].

        Where norms come before, the last layer's output is normed. Of two ways both outputs are
        side by side, and the embeddings twice.

        Args:
            batch: of sequences; or
            cache: of what came before them in each, to which they are added; left to right alone.
        """
        direction = self.config.direction
        if direction == "two_way":
            return self._both_ways(batch)
        if cache is None:
            layout, places = Layout.of(batch, direction), batch.places
        else:
            layout = cache.layout(batch, direction)
            places = layout.places_after
        embedded = self._embedded(batch, places)
        found = self._through(self.layers, self.final_norm, embedded, layout, cache)
        return [hidden[: batch.num_tokens] for hidden in found]

    def _both_ways(self, batch: Batch) -> list[Tensor]:
        embedded = self._embedded(batch, batch.places)
        left, right = (Layout.of(batch, way) for way in ("left_to_right", "right_to_left"))
        found = (
            self._through(self.layers, self.final_norm, embedded, left),
            self._through(self.backward_layers, self.backward_norm, embedded, right),
        )
        return [torch.cat(each, 1)[: batch.num_tokens] for each in zip(*found, strict=True)]

    def _embedded(self, batch: Batch, places: Tensor | None) -> Tensor:
        places = batch.position_ids if places is None else places
        inputs = (batch.input_ids, places, batch.token_type_ids)
        embedded: Tensor = self.embeddings(*(round_up_rows(x, batch.rows) for x in inputs))
        return embedded

    def _through(
        self,
        layers: nn.ModuleList,
        norm: nn.Module,
        embedded: Tensor,
        layout: Layout,
        cache: Cache | None = None,
    ) -> list[Tensor]:
        """Return the embeddings and what each of these layers makes of them."""
        hidden_states = [embedded]
        is_remade = self.gradient_checkpointing and self.training
        for number, layer in enumerate(layers):
            below = hidden_states[-1]
            if cache is not None:
                above = layer(below, layout, cache.layers[number])
            else:
                above = call_remade(layer, below, layout) if is_remade else layer(below, layout)
            hidden_states.append(above)
        if cache is not None:
            cache.note(layout)
        hidden_states[-1] = as_products(norm(hidden_states[-1]))
        return hidden_states

    def new_cache(self) -> Cache:
        """Return what keeps the keys and values of tokens that are read, still empty."""
        return Cache(len(self.layers))
