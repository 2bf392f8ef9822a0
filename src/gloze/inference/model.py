"""A loaded model: vectors of texts, and blanks filled."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from gloze.core.devices import float32_products, uses_bfloat16
from gloze.core.errors import ConfigError, DataError
from gloze.core.memory import keep_freed_memory
from gloze.encoders.lstm import LSTMEncoder
from gloze.inference.batches import batches
from gloze.inference.features import FeatureConfig, iterate_features
from gloze.nn.packed import pack
from gloze.nn.pooling import POOLS, Pooling, TextVectors
from gloze.tokenizers.spelling import spell_marks, spell_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn

    from gloze.core.batch import Batch, Ints
    from gloze.core.devices import Precision
    from gloze.encoders.transformer import TransformerEncoder
    from gloze.inference.features import FeaturePooling, Features, Long
    from gloze.inference.states import Combine, Pieces
    from gloze.inference.units import Text
    from gloze.nn.cache import Cache
    from gloze.tokenizers import Tokenizer
    from gloze.tokenizers.spelling import Spelled

    Reader = TransformerEncoder | LSTMEncoder

# A CPU gains nothing from large batches and wastes work on unlike lengths; a GPU wants much to do.
_TOKENS_ON_CPU, _TOKENS_ON_GPU = 2048, 32768
_UNBOUNDED = 1 << 20


@dataclass(frozen=True)
class Filling:
    """A guess for one [MASK].

    Attributes:
        token: as in the vocabulary.
        probability: among all of the vocabulary, 0 to 1.
    """

    token: str
    probability: float


class Model:
    """An encoder with its tokenizer, and the heads it was pre-trained with.

    Computes on the encoder's device, without dropout. On a CPU memory once taken is kept for the
    next texts, see :func:`gloze.core.memory.keep_freed_memory`.

    Args:
        encoder: with its weights; it is the model's from now on, which changes them for its ends.
        tokenizer: of the encoder.
        heads: by the name of their objective.
        precision: ``float32``; ``bfloat16``, which takes half the memory; ``auto``, which is
            bf16 where the hardware is fast at it.
        vectors: how :meth:`encode` makes a vector of a text where nothing else is asked for.
        start_id: the token that a text begins with to a language model; [CLS] if not given.
    """

    def __init__(
        self,
        encoder: Reader,
        tokenizer: Tokenizer,
        heads: dict[str, nn.Module],
        precision: Precision = "float32",
        vectors: TextVectors | None = None,
        start_id: int | None = None,
    ) -> None:
        self.vectors = vectors or TextVectors()
        self.start_id = tokenizer.cls_id if start_id is None else start_id
        self.device = next(encoder.parameters()).device
        self.dtype = torch.bfloat16 if uses_bfloat16(self.device, precision) else torch.float32
        self.encoder, self.tokenizer = encoder.eval().to(self.dtype), tokenizer
        if self.device.type == "cpu":
            keep_freed_memory()
            pack(self.encoder)
        self.heads = {name: head.eval().to(self.dtype) for name, head in heads.items()}

    @property
    def max_length(self) -> int:
        """Most tokens of a sequence, [CLS] and [SEP] included."""
        # Encoders without positions take texts of any length.
        most: int = getattr(self.encoder.config, "max_position_embeddings", _UNBOUNDED)
        return most

    @property
    def num_bytes(self) -> int | None:
        """Bytes of a word that the encoder reads; None if it reads no characters."""
        return self.encoder.num_bytes if isinstance(self.encoder, LSTMEncoder) else None

    @property
    def tokens_at_once(self) -> int:
        """Tokens of a batch that suit the device."""
        return _TOKENS_ON_CPU if self.device.type == "cpu" else _TOKENS_ON_GPU

    def encode(
        self,
        texts: Sequence[str],
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return a vector for each text, [texts, hidden_size], in their order.

        A folder of sentence-transformers says how, and gets the vectors it gives there; only that
        a special token written out in a text, such as ``[MASK]``, is plain text here.
        Texts over :attr:`max_length` tokens, or over its bound, are cut there.

        Args:
            texts: of any length, in any order.
            pooling: ``mean`` of all tokens' last hidden states, ``cls``, that of [CLS], or ``max``,
                the largest of each number; ``mean`` if the folder does not say.
            normalize: to a length of 1; not if the folder does not say.
        """
        if isinstance(texts, str):
            raise ConfigError("encode takes a list of texts; put the text into a list.")
        for text in texts:
            if not isinstance(text, str):
                raise ConfigError(f"encode takes texts, not {text!r:.80}.")
        vectors = np.zeros((len(texts), self.encoder.output_size), dtype=np.float32)
        pooling = pooling or self.vectors.pooling
        if pooling not in POOLS:
            raise ConfigError(f"pooling {pooling!r}: it is one of {', '.join(POOLS)}.")
        self.check_pooling(pooling)
        normalize = self.vectors.normalize if normalize is None else normalize
        sequences = self.sequences(texts)
        characters = self._characters(texts, sequences)
        for chosen, batch in batches(
            sequences, max_tokens=self.tokens_at_once, characters=characters
        ):
            hidden = self.hidden_states(batch)[-1]
            pooled = POOLS[pooling](hidden, batch.to(hidden.device)).float()
            vectors[chosen] = (F.normalize(pooled) if normalize else pooled).cpu().numpy()
        return vectors

    def features(
        self,
        texts: Iterable[Text],
        layers: Sequence[int] = (-1,),
        *,
        combine: Combine = "stack",
        pooling: FeaturePooling = "none",
        words: bool = False,
        pieces: Pieces = "first",
        long: Long = "windows",
        stride: int | None = None,
    ) -> list[Features]:
        """Return the vectors of each text's tokens or words, in the order of the texts.

        Example: ``model.features(["one two"], layers=(-1, -2))[0].vectors`` is [2, 2, size].

        Args:
            texts: or texts as lists of words; all of one kind.
            layers: and what follows as in :class:`gloze.inference.features.FeatureConfig`.
            combine: several layers.
            pooling: one vector for each text.
            words: vectors of words, not of tokens; of texts as lists of words they always are.
            pieces: how a word's vector is made of its tokens'.
            long: what becomes of texts over :attr:`max_length` tokens.
            stride: of windows.

        Raises:
            ConfigError: if the model has no such layer, or something is not a text.
            DataError: if a text cannot be encoded.
        """
        if isinstance(texts, str):
            raise ConfigError("features takes a list of texts; put the text into a list.")
        given = list(texts)
        # Of texts that are cut into words there are vectors of words alone.
        is_cut = pooling == "none" and bool(given) and not isinstance(given[0], str)
        config = FeatureConfig(
            layers=layers, combine=combine, pooling=pooling, words=words or is_cut, pieces=pieces,
            long=long, stride=stride,
        )  # fmt: skip
        found = list(iterate_features(self, given, config))
        cut = sum(each.left_out > 0 for each in found)
        self._warn_of_cut(cut, len(found), self.max_length, stacklevel=3)
        return found

    def check_pooling(self, pooling: str) -> None:
        """Refuse the vector of [CLS] where it is the same for every text.

        Raises:
            ConfigError: if the encoder looks back alone.
        """
        if pooling == "cls" and self.encoder.config.direction == "left_to_right":
            raise ConfigError(
                "pooling cls takes the vector of [CLS], the first token, and this model sees from "
                "left to right: it would be the same for every text. Take mean or max."
            )

    def sequences(self, texts: Sequence[str]) -> list[Ints]:
        """Return the token ids of each text between [CLS] and [SEP], cut at the longest length."""
        if self.vectors.prompt:
            texts = [self.vectors.prompt + text for text in texts]
        ids, lengths = self.tokenizer.encode(texts)
        longest = self.vectors.longest(self.max_length)
        sizes, room = lengths.tolist(), longest - 2
        sequences, start = [], 0
        for size in sizes:
            kept = min(size, room)
            sequence = np.empty(kept + 2, dtype=np.int64)
            sequence[0], sequence[-1] = self.tokenizer.cls_id, self.tokenizer.sep_id
            sequence[1:-1] = ids[start : start + kept]
            sequences.append(sequence)
            start += size
        cut = sum(size > room for size in sizes)
        self._warn_of_cut(cut, len(texts), longest, stacklevel=4)
        return sequences

    def _characters(self, texts: Sequence[str], sequences: Sequence[Ints]) -> list[Spelled] | None:
        """Return the characters of each token of the texts' sequences, if they are read."""
        if self.num_bytes is None:
            return None
        begin, end = spell_marks(self.num_bytes)[:, None]
        each = (spell_texts(self.tokenizer, [text], self.num_bytes) for text in texts)
        return [
            np.concatenate([begin, spelled[: len(sequence) - 2], end])
            for spelled, sequence in zip(each, sequences, strict=True)
        ]

    def _warn_of_cut(self, cut: int, texts: int, longest: int, stacklevel: int) -> None:
        if cut:
            warnings.warn(
                f"{cut:,} of {texts:,} texts were cut at {longest} tokens, the most this model "
                "takes.",
                stacklevel=stacklevel,
            )

    @torch.inference_mode()
    def hidden_states(self, batch: Batch, cache: Cache | None = None) -> list[Tensor]:
        """Return the embeddings and each layer's output, each [tokens, hidden_size].

        Args:
            batch: of sequences; or
            cache: of what came before them in each, to which they are added.
        """
        # In bf16 what is left in float32 are the small products of short texts, which PyTorch's
        # own kernels start sooner.
        in_float32 = self.dtype == torch.float32
        with float32_products(self.device) if in_float32 else nullcontext():
            here = batch.to(self.device)
            states: list[Tensor] = (
                self.encoder(here) if cache is None else self.encoder(here, cache)
            )
        return states

    @torch.inference_mode()
    def fill(self, text: str, *, top: int = 5) -> list[list[Filling]]:
        """Return the best guesses for each [MASK] of ``text``, best first.

        Raises:
            ConfigError: if the model has no masked-LM head.
            DataError: if there is no [MASK], or the text is over :attr:`max_length` tokens.
        """
        head: Any = self.heads.get("mlm")
        if head is None:
            raise ConfigError("This model has no masked-LM head, so it cannot fill blanks.")
        ids = self.tokenizer.encode_with_specials(text)
        blanks = np.flatnonzero(ids == self.tokenizer.mask_id)
        if len(blanks) == 0:
            mask = self.tokenizer.tokens([self.tokenizer.mask_id])[0]
            raise DataError(f"no {mask} in {text!r}: write {mask} where a word is to be guessed.")
        if len(ids) > self.max_length - 2:
            raise DataError(
                f"{len(ids)} tokens; this model takes {self.max_length - 2}: shorten the text."
            )
        sequence = np.r_[self.tokenizer.cls_id, ids, self.tokenizer.sep_id]
        [(_, batch)] = batches([sequence])
        hidden = self.hidden_states(batch)[-1]
        scores = head.scores(hidden[torch.from_numpy(blanks + 1).to(hidden.device)])
        # A table may have rows that stand for no token, to make its size a round one.
        scores = scores[:, : self.tokenizer.vocab_size].float()
        best = scores.softmax(-1).topk(min(top, scores.shape[-1]), dim=-1)
        return [
            [
                Filling(token, probability)
                for token, probability in zip(self.tokenizer.tokens(i), p, strict=True)
            ]
            for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
