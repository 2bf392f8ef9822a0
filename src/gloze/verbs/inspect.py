"""``gloze inspect``: what a model is, what it holds, and what its vectors are worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import find_model, load, load_transformer, weights_of
from gloze.core.errors import ConfigError, about
from gloze.core.lists import as_list
from gloze.core.manifest import sha256
from gloze.core.progress import say
from gloze.inference.tables import write_tables
from gloze.metrics.table import text_table
from gloze.probes.layers import Anisotropy, Probe, anisotropy, probe
from gloze.tasks.examples import check_pairs, read_examples
from gloze.tasks.formats import find_format
from gloze.text.read import ReadReport, read_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.checkpoint import Parts
    from gloze.metrics.statistics import Spread

_EMBEDDINGS = "encoder.embeddings."
# In the order of the computation; heads come after them.
_PARTS = (
    "token embeddings",
    "position embeddings",
    "token type embeddings",
    "embedding norm",
    "layers",
    "final norm",
    "pooler",
)


@dataclass(frozen=True)
class InspectResult:
    """What was found.

    Attributes:
        path: the model folder.
        card: where it is from, its sizes, tokenizer, heads and weights.
        parameters: numbers in each part; shared ones count once, where they are first.
        tables: shape of each table that was written, by name.
        anisotropy: of text that was given.
        probe: on labelled text that was given.
    """

    path: Path
    card: dict[str, str]
    parameters: dict[str, int]
    tables: dict[str, tuple[int, int]] | None = None
    anisotropy: Anisotropy | None = None
    probe: Probe | None = None

    def __str__(self) -> str:
        total = sum(self.parameters.values())
        counted = {**self.parameters, "all": total}
        lines = [
            f"Model: {self.path}",
            *(f"  {name}: {value}" for name, value in self.card.items()),
            "Parameters",
            text_table(
                ["part", "numbers", "share"],
                [[part, f"{n:,}", f"{n / total:.1%}"] for part, n in counted.items()],
            ),
        ]
        if self.tables is not None:
            told = (f"{name} {rows:,} x {size}" for name, (rows, size) in self.tables.items())
            lines.append(f"Tables: {', '.join(told)}")
        return "\n".join([*lines, *self._judged()])

    def _judged(self) -> list[str]:
        columns: dict[str, list[Spread]] = {}
        lines = []
        if self.anisotropy is not None:
            columns["cosine"] = self.anisotropy.layers
            lines.append(
                f"cosine: of tokens of different sentences, {self.anisotropy.pairs:,} pairs from "
                f"{self.anisotropy.sentences:,} sentences; 0 where vectors point everywhere"
            )
        if self.probe is not None:
            columns["accuracy"] = self.probe.layers
            lines.append(
                f"accuracy: of a logistic regression on mean vectors, {self.probe.examples:,} "
                f"texts, {self.probe.labels} labels, a fifth held out; the most frequent label "
                f"gets {self.probe.most_frequent}"
            )
        if not columns:
            return []
        rows = [
            [str(layer), *map(str, of)]
            for layer, of in enumerate(zip(*columns.values(), strict=True))
        ]
        return ["Layers (0 is the embeddings)", text_table(["layer", *columns], rows), *lines]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def inspect(
    model: str | Path,
    *,
    tables: str | Path | None = None,
    word2vec: bool = False,
    corpus: str | Path | Sequence[str | Path] = (),
    probe_file: str | Path | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    seeds: int | None = None,
    device: str = "auto",
    force: bool = False,
) -> InspectResult:
    """Say what a model is; write its embedding tables; judge each layer's vectors.

    Example: ``print(gloze.inspect("runs/mini", corpus="books/", probe_file="reviews.tsv"))``

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        tables: folder to write the token, position and token type tables to.
        word2vec: write the token table in word2vec's text format too.
        corpus: text in which vectors of random pairs of tokens are compared, layer by layer.
        probe_file: labelled texts (TSV, CSV, JSONL, Parquet) on which a logistic regression over
            each layer's mean vectors is judged.
        format: layout of ``probe_file``.
        columns: names of your columns, like ``text=sentence,label=gold``.
        seeds: how many times pairs, and texts to hold out, are drawn; 3 if left out.
        device: auto, cpu, cuda or cuda:N.
        force: replace ``tables`` if it exists.

    Raises:
        ConfigError: if there is no such model, ``tables`` exists, or something would do nothing.
        DataError: if a file is broken, or there is too little text.
        WriteError: if the tables cannot be written.
    """
    sources: list[str | Path] = as_list(corpus)
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds {seeds}: at least one is needed.")
    if seeds is not None and not sources and probe_file is None:
        raise ConfigError("--seeds is for --corpus and --probe: name one.")
    if word2vec and tables is None:
        raise ConfigError("--word2vec writes into the folder of --tables: name it.")
    for name, given in (("format", format), ("columns", columns)):
        if given and probe_file is None:
            raise ConfigError(f"--{name} is for the file of --probe: name it.")
    folder, parts = find_model(model), load_transformer(model)
    layout = find_format(format, columns)
    written = None
    if tables is not None:
        written = write_tables(
            Path(tables), parts.encoder, parts.tokenizer, word2vec=word2vec, force=force
        )
    numbers = list(range(3 if seeds is None else seeds))
    loaded = load(model, device=device) if sources or probe_file else None
    spread_out = judged = None
    if loaded is not None and sources:
        say("inspect: comparing random pairs of tokens")
        report = ReadReport()
        spread_out = anisotropy(loaded, read_sentences(sources, report=report), seeds=numbers)
        say(str(report))
    if loaded is not None and probe_file is not None:
        say("inspect: probing each layer")
        examples = read_examples(Path(probe_file), layout)
        with about(str(probe_file)):
            check_pairs(examples, False, "a probe reads")
            texts, labels = [x.text_a for x in examples], [str(x.label) for x in examples]
            judged = probe(loaded, texts, labels, seeds=numbers)
    return InspectResult(
        folder, _card(folder, parts), _parameters(parts), written, spread_out, judged
    )


def _card(folder: Path, parts: Parts) -> dict[str, str]:
    sizes, tokenizer, config = parts.encoder.config, parts.tokenizer, parts.config
    named = {name.split(".")[1] for name in parts.tensors if name.startswith("heads.")}
    # An output that is the token table has no weights of its own.
    heads = sorted(named | ({"lm"} if sizes.direction == "left_to_right" else set()))
    case = "cased" if tokenizer.is_cased else "uncased"
    card = {
        "architecture": ", ".join(_architectures(config)) or "not said",
        "sizes": f"{sizes.num_hidden_layers} layers of {sizes.hidden_size}, "
        f"{sizes.num_attention_heads} heads, feed-forward {sizes.intermediate_size}, "
        f"{sizes.max_position_embeddings} positions, {sizes.type_vocab_size} token types",
        "tokenizer": f"{tokenizer.kind}, {tokenizer.vocab_size:,} tokens, {case}, "
        f"fingerprint {tokenizer.fingerprint[:12]}",
        "heads": ", ".join(heads) or "none",
        "weights": f"SHA-256 {sha256(weights_of(folder))}",
    }
    if parts.unknown:
        card["not read"] = f"{len(parts.unknown)} weights: {', '.join(parts.unknown[:5])}"
    if isinstance(source := config.get("_name_or_path"), str) and source:
        card["made from"] = source
    if (folder / "README.md").is_file():
        card["card"] = str(folder / "README.md")
    return card


def _architectures(config: dict[str, Any]) -> list[str]:
    named = config.get("architectures")
    listed = named if isinstance(named, list) else [named]
    return [each for each in listed if isinstance(each, str)]


def _parameters(parts: Parts) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, tensor in sorted(parts.tensors.items(), key=lambda item: _order(item[0])):
        part = _part(name)
        counts[part] = counts.get(part, 0) + tensor.numel()
    return counts


def _order(name: str) -> tuple[int, str]:
    part = _part(name)
    return _PARTS.index(part) if part in _PARTS else len(_PARTS), part


def _part(name: str) -> str:
    """Return which part of the model a weight belongs to, in words."""
    if name.startswith(_EMBEDDINGS):
        table = name.removeprefix(_EMBEDDINGS).split(".")[0]
        return "embedding norm" if table == "norm" else table.replace("_", " ")
    place, _, rest = name.partition(".")
    inside = rest.split(".")[0].replace("_", " ")
    return f"{inside} head" if place == "heads" else inside
