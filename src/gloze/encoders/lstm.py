"""The LSTM encoder: stacks that read one way each, as in the language models before BERT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.carried import Carried
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, check_rate
from gloze.nn.char_cnn import CharactersConfig, SpelledWords
from gloze.nn.dropout import dropout
from gloze.nn.lstm import Reading
from gloze.nn.lstm_stack import LSTMSizes, LSTMStack, drop_alike
from gloze.tokenizers.spelling import spell_vocabulary

if TYPE_CHECKING:
    from gloze.tokenizers import Tokenizer

_RATES = (
    *("embedding_dropout_prob", "input_dropout_prob", "hidden_dropout_prob"),
    *("output_dropout_prob", "weight_dropout_prob"),
)
_SIZES = ("embedding_size", "hidden_size", "num_hidden_layers", "projection_size", "last_size")


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(Settings):
    """Sizes of LSTM stacks and what is dropped between their layers.

    Attributes:
        kind: of the encoder.
        characters: words are read by their characters (Peters et al. 2018, 3.4), which a
            vocabulary of words is needed for; None for a table of token vectors.
        embedding_size: numbers in a token's vector.
        hidden_size: cells of a layer.
        num_hidden_layers: layers of each stack.
        projection_size: states are made smaller, to so many numbers (Sak et al. 2014); None for
            states as large as the cells.
        last_size: cells of the last layer, where they differ: an output that shares the token
            table needs states of its size (Merity et al. 2018, 4.5).
        direction: what a token may look at. ``two_way`` has a stack for each direction, which
            never meet (Peters et al. 2018, 3.1): states are those of the one that reads from the
            left, then those of the other.
        residual: layers above the first add what they change (Peters et al. 2018, 3.4).
        cell_clip, state_clip: most that cells and projected states may be, 3 in the published
            ELMo; None for no limit.
        embedding_dropout_prob: share of tokens whose vectors are zeros throughout a batch.
        input_dropout_prob, hidden_dropout_prob, output_dropout_prob: dropout on vectors, between
            layers and on the last states; the same numbers at all tokens of a sequence.
        weight_dropout_prob: dropout on the weights from state to state (Merity et al. 2018, 2).
        initializer_range: vectors of a table begin evenly spread up to it.
    """

    kind: Literal["lstm"] = "lstm"
    characters: CharactersConfig | None = None
    embedding_size: int = 400
    hidden_size: int = 1150
    num_hidden_layers: int = 2
    projection_size: int | None = None
    last_size: int | None = None
    direction: Literal["left_to_right", "right_to_left", "two_way"] = "left_to_right"
    residual: bool = False
    cell_clip: float | None = None
    state_clip: float | None = None
    embedding_dropout_prob: float = 0.0
    input_dropout_prob: float = 0.0
    hidden_dropout_prob: float = 0.0
    output_dropout_prob: float = 0.0
    weight_dropout_prob: float = 0.0
    initializer_range: float = 0.1

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1 << 20:
                raise ConfigError(f"encoder.{name} is {value}; it must be from 1 to {1 << 20}.")
        for name in ("initializer_range", "cell_clip", "state_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"encoder.{name} is {value}; it must be over 0.")
        for name in _RATES:
            check_rate(f"encoder.{name}", getattr(self, name))
        if self.projection_size is not None and self.last_size is not None:
            raise ConfigError(
                "encoder.projection_size makes the states of all layers as large as it says, and "
                "encoder.last_size those of the last one: set one of them."
            )
        if self.state_clip is not None and self.projection_size is None:
            raise ConfigError(
                "encoder.state_clip limits projected states, and encoder.projection_size is not "
                "set; what is not projected is never over 1."
            )
        if self.residual and self.last_size not in (None, self.hidden_size):
            raise ConfigError(
                f"encoder.residual adds layers of one size, and encoder.last_size is "
                f"{self.last_size}: leave one of them out."
            )

    @property
    def max_position_embeddings(self) -> int:
        """States know no position, so sequences may have any length; the most settings allow."""
        return 1 << 20

    def check_pairs(self) -> None:
        """Take pairs of texts: [SEP] stands between them."""

    def layers(self) -> list[LSTMSizes]:
        """Return the sizes of each layer of a stack."""
        found: list[LSTMSizes] = []
        below = self.embedding_size
        for number in range(1, self.num_hidden_layers + 1):
            is_last = number == self.num_hidden_layers
            cells = (self.last_size or self.hidden_size) if is_last else self.hidden_size
            sizes = LSTMSizes(
                input_size=below,
                cell_size=cells,
                size=self.projection_size or cells,
                has_projection=self.projection_size is not None,
                cell_clip=self.cell_clip,
                state_clip=self.state_clip,
            )
            found.append(sizes)
            below = sizes.size
        return found

    def build(self, vocab_size: int) -> LSTMEncoder:
        """Return the encoder with random weights, from PyTorch's current seed."""
        return LSTMEncoder(self, vocab_size)


class LSTMEncoder(nn.Module):
    """Vectors of tokens, by a table or by their characters, and an LSTM stack for each direction.

    Where a batch names lanes, each sequence goes on from the states that the one before it in
    its lane ended with.

    Attributes:
        output_size: numbers in each state.
        carried: those states.
        pooler: none; no head reads through it.
        gradient_checkpointing: without effect.
    """

    def __init__(self, config: LSTMConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        self.gradient_checkpointing = False
        self.embeddings = self._build_embeddings()
        layers = config.layers()
        is_two_way = config.direction == "two_way"
        ways = ("left_to_right", "right_to_left") if is_two_way else (config.direction,)
        stacks = [
            LSTMStack(
                layers,
                residual=config.residual,
                dropout=config.hidden_dropout_prob,
                weight_dropout=config.weight_dropout_prob,
            )
            for _ in ways
        ]
        self.stacks = nn.ModuleList(stacks)
        self.output_size = len(ways) * layers[-1].size
        self._ways, self._widths = ways, [stack.carried_size for stack in stacks]
        self.carried = Carried(sum(self._widths))
        self.pooler = nn.Identity()

    def _build_embeddings(self) -> nn.Embedding | SpelledWords:
        own = self.config
        if own.characters is not None:
            return SpelledWords(own.characters, self.vocab_size, own.embedding_size)
        table = nn.Embedding(self.vocab_size, own.embedding_size)
        nn.init.uniform_(table.weight, -own.initializer_range, own.initializer_range)
        return table

    @property
    def token_embeddings(self) -> nn.Embedding:
        """The table of token vectors.

        Raises:
            ConfigError: if there is none.
        """
        if isinstance(self.embeddings, SpelledWords):
            raise ConfigError(
                "This encoder has no table of token vectors: it makes them of characters "
                "(encoder.characters). What needs a table, like objectives.lm.tie_weights or "
                "--init-embeddings, has to be left out."
            )
        return self.embeddings

    @property
    def state_sizes(self) -> list[int]:
        """Numbers in vectors and in each layer's states, those of both ways together."""
        sizes = [self.config.embedding_size, *(layer.size for layer in self.config.layers())]
        return [len(self._ways) * size for size in sizes]

    @property
    def num_bytes(self) -> int | None:
        """Bytes of a word that are read; None if its entry in the vocabulary is all that counts."""
        return None if self.config.characters is None else self.config.characters.num_bytes

    def spell(self, tokenizer: Tokenizer) -> None:
        """Take the characters of words, if they are read, from the tokenizer's entries.

        Raises:
            ConfigError: if its entries are no words.
        """
        if isinstance(self.embeddings, SpelledWords) and self.num_bytes is not None:
            spelled = torch.from_numpy(spell_vocabulary(tokenizer, self.num_bytes))
            self.embeddings.spellings[: len(spelled)] = spelled

    @property
    def stages(self) -> list[nn.Module]:
        """Vectors and layers, from the input up; of two stacks a layer each."""
        layers = zip(*(stack.layers for stack in self.stacks), strict=True)
        return [self.embeddings, *(nn.ModuleList(each) for each in layers)]

    def forward(self, batch: Batch) -> list[Tensor]:
        """Return the vectors, [tokens, embedding_size], and each layer's states.

        Of two stacks both are side by side, and the vectors twice.
        """
        vectors = self._vectors(batch)
        start = vectors.new_zeros(batch.num_sequences, sum(self._widths), dtype=torch.float32)
        if batch.lanes is not None:
            start = self.carried.read(batch.lanes, start)
        found, ends = [], []
        starts = start.split(self._widths, 1)
        for stack, way, own in zip(self.stacks, self._ways, starts, strict=True):
            states, end = stack(vectors, Reading.of(batch, way), own)
            found.append([vectors, *states])
            ends.append(end)
        if batch.lanes is not None:
            self.carried.write(batch.lanes, torch.cat(ends, 1))
        layers = [torch.cat(each, 1) for each in zip(*found, strict=True)]
        layers[-1] = self._drop(layers[-1], batch, self.config.output_dropout_prob)
        return layers

    def _vectors(self, batch: Batch) -> Float[Tensor, "tokens embedding"]:
        own = self.embeddings
        vectors = own(batch if isinstance(own, SpelledWords) else batch.input_ids)
        if self.training and (rate := self.config.embedding_dropout_prob):
            kept = dropout(vectors.new_ones(self.vocab_size, 1), rate)
            vectors = vectors * F.embedding(batch.input_ids, kept)
        return self._drop(vectors, batch, self.config.input_dropout_prob)

    def _drop(self, x: Tensor, batch: Batch, rate: float) -> Tensor:
        if not (self.training and rate):
            return x
        groups = torch.arange(batch.num_sequences, device=x.device)
        groups = groups.repeat_interleave(batch.lengths, output_size=batch.num_tokens)
        return drop_alike(x, groups, batch.num_sequences, rate)
