"""ELMo as published (Peters et al. 2018): options in JSON, weights in HDF5, by bilm-tf."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.core.files import read_json
from gloze.encoders.lstm import LSTMConfig, LSTMEncoder
from gloze.nn.char_cnn import NUM_CODES, CharactersConfig
from gloze.tokenizers import TokenizerConfig
from gloze.tokenizers.spelling import spell_vocabulary
from gloze.tokenizers.whole_words import word_level_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from gloze.tokenizers import Tokenizer

OPTIONS, WEIGHTS = "options.json", "weights.hdf5"
# What deflate makes of zeros: data of a larger claim are not in the file.
_MOST_COMPRESSED = 1100


def find_options(folder: Path) -> Path | None:
    """Return the file of options of a published ELMo in a folder, if there is one."""
    if (folder / OPTIONS).is_file():
        return folder / OPTIONS
    found = list(folder.glob(f"*_{OPTIONS}"))
    return found[0] if len(found) == 1 else None


def find_weights(folder: Path) -> Path:
    """Return the file of weights of a published ELMo.

    Raises:
        DataError: if there is none, or several that may be it.
    """
    found = sorted(folder.glob("*.hdf5"))
    if len(found) > 1:
        found = [path for path in found if path.name.endswith(WEIGHTS)] or found
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found[:3])
    raise DataError(
        f"it has several files of weights: {names}." if found else "it has no weights (*.hdf5).",
        path=folder,
        hint=f"One is to be there, beside {OPTIONS}.",
    )


def read_elmo(folder: Path) -> tuple[LSTMEncoder, Tokenizer]:
    """Read a published ELMo; its words stand between spaces and are known by their characters.

    The vocabulary has but the marks of a text's begin and end, as [CLS] and [SEP]: every word is
    unknown to it, and read all the same.

    Raises:
        DataError: if a file is missing or broken, or the two do not fit.
        MissingExtraError: without h5py.
    """
    options = find_options(folder)
    assert options is not None
    config, weights = _config(read_json(options), options), find_weights(folder)
    assert config.characters is not None
    tokenizer = word_level_tokenizer(
        [], TokenizerConfig(kind="words", split="spaces", cased=True, vocab_size=6)
    )
    with torch.device("meta"):
        encoder = config.build(tokenizer.vocab_size)
    with _opened(weights) as read:
        state = dict(_tensors(config, read))
    spelled = torch.from_numpy(spell_vocabulary(tokenizer, config.characters.num_bytes))
    state["embeddings.spellings"] = spelled
    encoder.load_state_dict(state, assign=True)
    return encoder, tokenizer


def _config(options: Any, path: Path) -> LSTMConfig:
    """Return what the options say of the layers; what they say of the training is passed over."""

    def entry(name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        found = options
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None and default is not None:
            return default
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            said = "is missing" if found is None else f"is {found!r:.40}"
            raise DataError(f"{name} {said}: not the options of an ELMo.", path=path)
        return found

    filters = entry("char_cnn.filters", list)
    pairs = [each for each in filters if isinstance(each, list) and len(each) == 2]
    if len(pairs) < len(filters) or not all(type(n) is int for pair in pairs for n in pair):
        raise DataError("char_cnn.filters are not pairs of whole numbers.", path=path)
    if (codes := entry("char_cnn.n_characters", int)) not in (NUM_CODES, NUM_CODES + 1):
        # The code that fills up a batch is counted, or is not.
        raise DataError(
            f"char_cnn.n_characters is {codes}; {NUM_CODES} or {NUM_CODES + 1} is known.", path=path
        )
    if (activation := entry("char_cnn.activation", str)) not in ("relu", "tanh"):
        raise DataError(f"char_cnn.activation is {activation!r}; relu or tanh is known.", path=path)
    cells, size = entry("lstm.dim", int), entry("lstm.projection_dim", int)
    # No number says that there is no limit.
    clips = [float(entry(f"lstm.{name}", (int, float), 0)) for name in ("cell_clip", "proj_clip")]
    # The published code projects to fewer numbers only.
    projection = size if size < cells else None
    try:
        return LSTMConfig(
            characters=CharactersConfig(
                embedding_size=entry("char_cnn.embedding.dim", int),
                filters=tuple((width, count) for width, count in pairs),
                num_highway_layers=entry("char_cnn.n_highway", int, 0),
                activation="relu" if activation == "relu" else "tanh",
                max_characters=entry("char_cnn.max_characters_per_token", int),
            ),
            embedding_size=size,
            hidden_size=cells,
            num_hidden_layers=entry("lstm.n_layers", int),
            projection_size=projection,
            direction="two_way",
            residual=entry("lstm.use_skip_connections", bool, False),
            cell_clip=clips[0] or None,
            state_clip=(clips[1] or None) if projection else None,
        )
    except ConfigError as error:
        raise DataError(str(error), path=path) from None


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[str, tuple[int, ...]], Tensor]]:
    """Yield what reads an array of a name and a shape from a file of HDF5."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "convert", "Reading the weights of an ELMo") from error

    def read(name: str, shape: tuple[int, ...]) -> Tensor:
        found = file
        for part in name.split("/"):
            # A link may lead into another file.
            is_here = isinstance(found, h5py.Group) and isinstance(
                found.get(part, getlink=True), h5py.HardLink
            )
            if not is_here:
                raise DataError(f"it has no weights {name}.", path=path)
            found = found[part]
        if not isinstance(found, h5py.Dataset) or found.dtype.kind != "f":
            raise DataError(f"{name} is no array of numbers.", path=path)
        if found.shape != shape:
            raise DataError(
                f"{name} has shape {found.shape}, expected {shape} by the options.", path=path
            )
        least = found.size * found.dtype.itemsize / _MOST_COMPRESSED
        if found.external or found.is_virtual or found.id.get_storage_size() < least:
            raise DataError(f"the numbers of {name} are not in the file.", path=path)
        return torch.from_numpy(found[()]).to(torch.float32)

    try:
        with h5py.File(path, "r") as file:
            yield read
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"not readable as HDF5 ({reason}).", path=path) from error


def _tensors(
    config: LSTMConfig, read: Callable[[str, tuple[int, ...]], Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Yield our weights by name, each from theirs; dense ones lie the other way round there."""
    assert config.characters is not None
    characters, ours = config.characters, "embeddings.cnn"
    size, width = characters.embedding_size, characters.num_filters
    yield f"{ours}.embeddings.weight", read("char_embed", (NUM_CODES, size))
    for i, (reach, count) in enumerate(characters.filters):
        theirs = read(f"CNN/W_cnn_{i}", (1, reach, size, count))
        yield f"{ours}.convolutions.{i}.weight", theirs.reshape(-1, count).t().contiguous()
        yield f"{ours}.convolutions.{i}.bias", read(f"CNN/b_cnn_{i}", (count,))
    for i in range(characters.num_highway_layers):
        parts = [f"CNN_high_{i}/{{}}_{part}" for part in ("transform", "carry")]
        weights = [read(part.format("W"), (width, width)).t() for part in parts]
        yield f"{ours}.highways.{i}.weight", torch.cat(weights)
        biases = [read(part.format("b"), (width,)) for part in parts]
        yield f"{ours}.highways.{i}.bias", torch.cat(biases)
    projection = read("CNN_proj/W_proj", (width, config.embedding_size))
    yield f"{ours}.projection.weight", projection.t().contiguous()
    yield f"{ours}.projection.bias", read("CNN_proj/b_proj", (config.embedding_size,))
    for stack in range(2):
        for number, layer in enumerate(config.layers()):
            inner, cells = layer.input_size, layer.cell_size
            where = f"stacks.{stack}.layers.{number}"
            there = f"RNN_{stack}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
            both = _gates(read(f"{there}/W_0", (inner + layer.size, 4 * cells)))
            yield f"{where}.input.weight", both[:inner].t().contiguous()
            yield f"{where}.recurrent.weight", both[inner:].t().contiguous()
            bias = _gates(read(f"{there}/B", (4 * cells,)))
            # TensorFlow adds it when it computes.
            bias[cells : 2 * cells] += 1
            yield f"{where}.input.bias", bias
            if layer.has_projection:
                theirs = read(f"{there}/W_P_0", (cells, layer.size))
                yield f"{where}.projection.weight", theirs.t().contiguous()


def _gates(theirs: Tensor) -> Tensor:
    """Return gates in our order; TensorFlow has the candidate before the forget gate."""
    enter, new, forget, leave = theirs.chunk(4, -1)
    return torch.cat([enter, forget, new, leave], -1)
