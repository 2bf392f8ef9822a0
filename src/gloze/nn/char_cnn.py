"""Words to vectors by the characters they are written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.nn.rows import round_up_rows
from gloze.tokenizers.spelling import BEGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes have their own codes; then begin and end of a text, of a word, and what fills up.
_MARKS, _WORD_BEGIN, _WORD_END, _FILL = 256, 258, 259, 260
NUM_CODES = 261
# Words of alike length that are convolved at once.
_WORDS_ON_CPU, _WORDS_ON_GPU = 128, 4096


@dataclass(frozen=True, kw_only=True)
class CharactersConfig(Settings):
    """How words are read by their characters (Kim et al. 2016), by default as in ELMo.

    A character is a byte of UTF-8.

    Attributes:
        embedding_size: numbers in a character's vector.
        filters: widths of convolutions in characters, each with the number of its filters.
        num_highway_layers: layers after them, each of which changes a share of its input.
        activation: of what the filters find: ``relu`` or ``tanh``.
        max_characters: of a word, with the marks of its begin and end; the rest is not read.
    """

    embedding_size: int = 16
    filters: tuple[tuple[int, int], ...] = (
        *((1, 32), (2, 32), (3, 64), (4, 128)),
        *((5, 256), (6, 512), (7, 1024)),
    )
    num_highway_layers: int = 2
    activation: Literal["relu", "tanh"] = "relu"
    max_characters: int = 50

    def __post_init__(self) -> None:
        where = "encoder.characters"
        if not self.filters:
            raise ConfigError(f"{where}.filters is empty; name widths, each with a number.")
        sizes = {
            "embedding_size": (self.embedding_size, 1, 1 << 20),
            "num_highway_layers": (self.num_highway_layers, 0, 1 << 10),
            "max_characters": (self.max_characters, 3, 1 << 10),
        }
        for number, (width, count) in enumerate(self.filters):
            sizes[f"filters[{number}][0]"] = width, 1, self.max_characters
            sizes[f"filters[{number}][1]"] = count, 1, 1 << 20
        for name, (value, least, most) in sizes.items():
            if not least <= value <= most:
                raise ConfigError(f"{where}.{name} is {value}; it must be from {least} to {most}.")

    @property
    def num_filters(self) -> int:
        """All filters together."""
        return sum(count for _, count in self.filters)

    @property
    def num_bytes(self) -> int:
        """Most bytes of a word that are read."""
        return self.max_characters - 2


class CharCNN(nn.Module):
    """Characters, convolutions, the largest over all places, highway layers, a projection.

    Convolutions are products with unfolded characters: half the time of PyTorch's own on a CPU.
    Words of alike length go together, cut where nothing but filling comes; what is left out could
    only say again what is there, so that vectors are those of words filled up to the full length.

    Args:
        config: of the layers.
        output_size: numbers of a word's vector.
    """

    def __init__(self, config: CharactersConfig, output_size: int) -> None:
        super().__init__()
        self.config = config
        size, width = config.embedding_size, config.num_filters
        self.embeddings = nn.Embedding(NUM_CODES, size)
        convolutions = [nn.Linear(w * size, count) for w, count in config.filters]
        highways = [nn.Linear(width, 2 * width) for _ in range(config.num_highway_layers)]
        self.convolutions, self.highways = nn.ModuleList(convolutions), nn.ModuleList(highways)
        self.projection = nn.Linear(width, output_size)
        # As the published code does it; highways begin by carrying their input on.
        nn.init.uniform_(self.embeddings.weight, -1.0, 1.0)
        for linear in convolutions:
            nn.init.uniform_(linear.weight, -0.05, 0.05)
        for linear in (*highways, self.projection):
            nn.init.normal_(linear.weight, std=width**-0.5)
        for linear in (*convolutions, *highways, self.projection):
            nn.init.zeros_(linear.bias)
        for linear in highways:
            nn.init.constant_(linear.bias[width:], -2.0)

    def forward(self, spelled: UInt8[Tensor, "words bytes"]) -> Float[Tensor, "words size"]:
        """Return the vector of each word.

        Args:
            spelled: the bytes of each, as :func:`gloze.tokenizers.spelling.spell` gives them.
        """
        counts = (spelled != 0).sum(1)
        order = counts.argsort(stable=True)
        words, lengths = spelled[order], counts[order].tolist()
        at_once = _WORDS_ON_CPU if spelled.device.type == "cpu" else _WORDS_ON_GPU
        pieces = [
            self._convolve(words[start : start + at_once], lengths[start : start + at_once])
            for start in range(0, len(words), at_once)
        ]
        found = torch.cat(pieces)
        x = round_up_rows(found.relu() if self.config.activation == "relu" else found.tanh())
        for highway in self.highways:
            new, carry = highway(x).chunk(2, 1)
            x = torch.lerp(x, new.relu(), carry.sigmoid())
        sorted_vectors = self.projection(x)[: len(words)]
        return torch.empty_like(sorted_vectors).index_copy(0, order, sorted_vectors)

    def _convolve(self, words: UInt8[Tensor, "words bytes"], lengths: list[int]) -> Tensor:
        """Return what each filter finds at its best place, [words, filters].

        Args:
            words: the bytes of each.
            lengths: how many there are, ascending.
        """
        # With its marks the longest has so many; what begins past them is filling alone.
        longest = lengths[-1] + 2
        widest = max(width for width, _ in self.config.filters)
        vectors = self.embeddings(codes_of(words, lengths, longest + widest))
        return torch.cat(list(self._found(vectors, longest)), 1)

    def _found(self, vectors: Float[Tensor, "words places size"], longest: int) -> Iterator[Tensor]:
        for (width, _), linear in zip(self.config.filters, self.convolutions, strict=True):
            shown = vectors[:, : min(longest + width, self.config.max_characters)]
            windows = shown.unfold(1, width, 1).transpose(2, 3).flatten(2)
            count = windows.shape[0] * windows.shape[1]
            scores = linear(round_up_rows(windows.flatten(0, 1)))[:count]
            yield scores.view(*windows.shape[:2], -1).amax(1)


def codes_of(
    words: UInt8[Tensor, "words bytes"], lengths: list[int], size: int
) -> Int[Tensor, "words places"]:
    """Return the first ``size`` codes of each word: its marks around it, and what fills it up."""
    codes = F.pad(words.long(), (1, 1))[:, :size]
    codes = torch.where(codes >= BEGIN, codes + (_MARKS - BEGIN), codes)
    codes = codes.masked_fill(codes == 0, _FILL)
    codes[:, 0] = _WORD_BEGIN
    ends = torch.tensor(lengths, device=codes.device)[:, None] + 1
    return codes.scatter(1, ends, _WORD_END)


class SpelledWords(nn.Module):
    """Vectors of tokens that are words; each different word of a batch is computed once.

    Attributes:
        spellings: the bytes of each entry of the vocabulary, which :meth:`spell` sets and the
            weights' file keeps.
    """

    spellings: Tensor

    def __init__(self, config: CharactersConfig, vocab_size: int, output_size: int) -> None:
        super().__init__()
        self.cnn = CharCNN(config, output_size)
        blank = torch.zeros(vocab_size, config.num_bytes, dtype=torch.uint8)
        self.register_buffer("spellings", blank)

    def forward(self, batch: Batch) -> Float[Tensor, "tokens size"]:
        """Return the vector of each token, by the batch's characters if it has some."""
        if batch.characters is None:
            ids, where = batch.input_ids.unique(return_inverse=True)
            words = self.spellings[ids]
        else:
            words, where = batch.characters.unique(dim=0, return_inverse=True)
        return F.embedding(where, self.cnn(words))
