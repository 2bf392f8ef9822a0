"""Features: the hidden states of chosen layers, for tokens, for words or for whole texts.

What Devlin et al. (2019, section 5.3 and table 7) feed to another model: the last layer, the
second to last, the sum or the concatenation of the last four, the sum of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.data.windows import windows
from gloze.inference.states import Combine, Pieces, Pooled, pool_texts, pool_units, states_of
from gloze.inference.units import Text, count_by_text, cut_units, units_of
from gloze.vectors.texts import BAGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gloze.inference.model import Model

FeaturePooling = Literal["none", "cls", "mean", "max", "first_last", "idf", "counts", "tf-idf"]
Long = Literal["windows", "cut"]

# Vectors of so many bytes are held at once, where four characters make a token.
_BLOCK_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """Which vectors are wanted.

    Attributes:
        layers: 0 is the embeddings, 1 the first layer; negative numbers count from the last.
        combine: of several layers: ``stack`` keeps each, ``concat`` lays their numbers end to
            end, ``sum`` and ``mean`` add them up.
        pooling: ``none`` gives a vector for each token or word. Else each text has one:
            ``cls`` that of [CLS], ``mean`` and ``max`` over all its tokens with [CLS] and [SEP],
            ``first_last`` the mean over all tokens and over the first and the last layer.
            ``idf`` weighs the words of a table of word vectors.
        words: a vector for each word between spaces, not for each token.
        pieces: a word's vector is that of its ``first`` token or the ``mean`` of all its tokens.
        long: texts over the model's length go through overlapping ``windows``, each token's
            vector from where it has the most context, or are ``cut``.
        stride: tokens from the start of one window to that of the next; by default half of what
            a window holds.
    """

    layers: Sequence[int] = (-1,)
    combine: Combine = "stack"
    pooling: FeaturePooling = "none"
    words: bool = False
    pieces: Pieces = "first"
    long: Long = "windows"
    stride: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.layers, int | np.integer):
            raise ConfigError(f"layers is a list: [{self.layers}].")
        if odd := [
            n for n in self.layers if isinstance(n, bool) or not isinstance(n, int | np.integer)
        ]:
            raise ConfigError(f"A layer is a whole number, not {odd[0]!r}.")
        object.__setattr__(self, "layers", tuple(map(int, self.layers)))
        kinds = {"combine": Combine, "pooling": FeaturePooling, "pieces": Pieces, "long": Long}
        for name, kind in kinds.items():
            if getattr(self, name) not in get_args(kind):
                raise ConfigError(
                    f"There is no {name} {getattr(self, name)!r}: it is one of "
                    f"{', '.join(get_args(kind))}."
                )
        if not self.layers:
            raise ConfigError("No layer is named; -1 is the last.")
        if self.pieces != "first" and not self.words:
            raise ConfigError("pieces does nothing here: it is for vectors of words.")
        if self.stride is not None and self.long == "cut":
            raise ConfigError("stride does nothing here: texts are cut, not read through windows.")
        if self.words and self.pooling != "none":
            raise ConfigError("A text that is pooled has one vector: leave words out, or pooling.")
        is_usual = self.layers == (-1,) and self.combine in ("stack", "concat")
        if self.pooling == "first_last" and not is_usual:
            raise ConfigError(
                "Pooling first_last chooses its layers itself, the first and the last: leave "
                "layers and combine out."
            )

    def resolved(self, num_layers: int) -> FeatureConfig:
        """Return the same with layers counted from 0 for an encoder of so many layers.

        Raises:
            ConfigError: if it has no such layer, or one is named twice.
        """
        if self.pooling in ("idf", *BAGS):
            raise ConfigError(
                f"Pooling {self.pooling} is of word vectors; this model is an encoder."
            )
        if self.pooling == "first_last":
            return replace(self, layers=(1, num_layers), combine="mean", pooling="mean")
        for layer in self.layers:
            if not -num_layers - 1 <= layer <= num_layers:
                raise ConfigError(
                    f"There is no layer {layer}: this model has 0 (the embeddings) to "
                    f"{num_layers}, or -{num_layers + 1} to -1 from the last."
                )
        found = tuple(layer % (num_layers + 1) for layer in self.layers)
        if twice := [x for x, y in zip(self.layers, found, strict=True) if found.count(y) > 1]:
            raise ConfigError(f"Layer {twice[0]} is named twice: {', '.join(map(str, twice))}.")
        return replace(self, layers=found)


@dataclass(frozen=True)
class Features:
    """The vectors of one text, with what they belong to.

    Attributes:
        words: the tokens as in the vocabulary, or the words as given; none if pooled.
        offsets: first character of each in the text and the one after its last, [words, 2]; of
            a text given as words, in these joined by single spaces.
        pieces: tokens each is made of, [words]; a word of which nothing is left has 0, and its
            vector is 0.
        vectors: [words, size], of layers that are stacked [layers, words, size]; pooled [size]
            and [layers, size].
        tokens: of the text, [CLS] and [SEP] not counted.
        left_out: of these, how many were cut off.
        unknown: of those that are left, how many are not in the vocabulary.
        windows: how many the text took.
    """

    words: list[str]
    offsets: npt.NDArray[np.int64]
    pieces: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    tokens: int
    left_out: int
    unknown: int
    windows: int

    @property
    def by_word(self) -> npt.NDArray[np.float32]:
        """The vectors word by word: [words, size], of stacked layers [words, layers, size]."""
        return self.vectors if self.vectors.ndim == 2 else self.vectors.transpose(1, 0, 2)


def iterate_features(
    model: Model, texts: Iterable[Text], config: FeatureConfig
) -> Iterator[Features]:
    """Yield the features of each text in order, in memory bounded by the longest text.

    Raises:
        ConfigError: if the model has no such layer, or something is not a text.
        DataError: if a text cannot be encoded.
    """
    model.check_pooling(config.pooling)
    encoder = model.encoder
    config = config.resolved(encoder.config.num_hidden_layers)
    width = encoder.output_size
    if config.combine in ("stack", "concat"):
        width *= len(config.layers)
    for block in _blocks(texts, _BLOCK_BYTES[model.device.type] // width):
        yield from _features_of_block(model, block, config)


def _blocks(texts: Iterable[Text], characters: int) -> Iterator[list[Text]]:
    block: list[Text] = []
    size = 0
    for text in texts:
        _check(text)
        block.append(text)
        # [CLS] and [SEP] take the room of some characters too.
        size += 8 + (len(text) if isinstance(text, str) else sum(map(len, text)))
        if size >= characters:
            yield block
            block, size = [], 0
    if block:
        yield block


def _check(text: object) -> None:
    is_words = isinstance(text, list | tuple) and all(isinstance(word, str) for word in text)
    if not (isinstance(text, str) or is_words):
        raise ConfigError(f"features takes texts or lists of words, not {text!r:.80}.")


def _features_of_block(
    model: Model, texts: list[Text], config: FeatureConfig
) -> Iterator[Features]:
    is_pooled = config.pooling != "none"
    units = units_of(
        model.tokenizer,
        texts,
        words=config.words,
        only_ids=is_pooled,
        num_bytes=model.num_bytes,
    )
    tokens = units.lengths
    room = model.max_length - 2
    if config.long == "cut":
        units = cut_units(units, room)
    # What is read by its characters is known, whether it is in the vocabulary or not.
    is_unknown = (units.ids == model.tokenizer.unk_id) & (units.characters is None)
    unknown = count_by_text(is_unknown, units.lengths)
    cut = windows(
        units.lengths, room, max(1, room // 2) if config.stride is None else config.stride
    )
    states = states_of(model, units, cut, config.layers, config.combine)
    if is_pooled:
        vectors = pool_texts(states, units, cut, cast("Pooled", config.pooling))
    else:
        vectors = pool_units(states, units, cut, config.pieces)
    found = vectors.cpu().numpy()
    if config.combine == "stack":
        count = len(config.layers)
        found = found.reshape(len(found), count, found.shape[1] // count).transpose(1, 0, 2)
    num_windows = np.bincount(cut.owner, minlength=len(texts))
    ends = np.cumsum(units.sizes)
    for i, (end, size) in enumerate(zip(ends.tolist(), units.sizes.tolist(), strict=True)):
        own = slice(end - size, end)
        yield Features(
            units.names[own],
            units.offsets[own],
            units.pieces[own],
            found[..., i, :] if is_pooled else found[..., own, :],
            tokens=int(tokens[i]),
            left_out=int(tokens[i] - units.lengths[i]),
            unknown=int(unknown[i]),
            windows=int(num_windows[i]),
        )
