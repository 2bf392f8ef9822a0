"""What a pre-training reads: shards there are, or a corpus prepared in the run folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gloze.config.runs import note_corpus
from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.data.shards import TOKENIZER, read_index
from gloze.text.read import readable_twice
from gloze.tokenizers import (
    Segmenter,
    config_of,
    load_segmenter,
    load_tokenizer,
    new_ids,
    size_with,
)
from gloze.verbs.prepare import UNKNOWN_IS_MUCH, VALID_FRACTION, prepare
from gloze.verbs.tokenizer import extend, learn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.config.run import RunConfig
    from gloze.config.vectors import VectorsConfig
    from gloze.tokenizers.segmenters import Cut

SHARDS = "shards"
Recipe = TypeVar("Recipe", "RunConfig", "VectorsConfig")


@dataclass(frozen=True)
class RunShards:
    """Where the shards of a run come from.

    Attributes:
        corpus: files, folders, globs; empty if there are shards already.
        shards: made before.
        tokenizer: given; by default learned from the corpus, or that of the shards.
        segmenter: finds the words of the corpus, if not the tokenizer.
        new_words: of the corpus that the given tokenizer gets, if any.
        before: words that a vocabulary to be learned has to have.
    """

    corpus: Sequence[str | Path]
    shards: Path | None
    tokenizer: Path | None
    segmenter: Segmenter | None
    new_words: int | None
    before: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        corpus: Sequence[str | Path],
        shards: str | Path | None,
        tokenizer: str | Path | None,
        segmenter: str | Path | Segmenter | Cut | None = None,
        new_words: int | None = None,
    ) -> RunShards:
        """Return what the arguments of a verb come to.

        Raises:
            ConfigError: if they do not go together.
        """
        if bool(corpus) == bool(shards):
            raise ConfigError(
                "Give either --corpus or --shards: one source of text, not both or none."
            )
        given = (("--segmenter", segmenter), ("--extend-vocabulary", new_words))
        if vain := [name for name, value in given if value is not None and shards]:
            raise ConfigError(f"{vain[0]} goes with --corpus: these shards are made already.")
        return cls(
            corpus=corpus,
            shards=None if shards is None else Path(shards),
            tokenizer=None if tokenizer is None else Path(tokenizer),
            segmenter=load_segmenter(segmenter),
            new_words=new_words,
        )

    def resolve(self, config: Recipe, settings: Sequence[str]) -> Recipe:
        """Let the recipe tell the vocabulary that is used, where none is to be learned.

        Raises:
            ConfigError: if ``settings`` are of a tokenizer where none is learned.
        """
        for change in settings if self.shards or self.tokenizer else ():
            if change.startswith("tokenizer."):
                given = "the shards bring" if self.shards else "there is"
                raise ConfigError(f"--set {change} does nothing here: {given} a tokenizer already.")
        given_path = self.shards / TOKENIZER if self.shards else self.tokenizer
        if given_path is None or not given_path.exists():
            return config  # learned by the recipe, or refused by name when it is opened
        loaded = load_tokenizer(given_path)
        described = config_of(loaded, size_with(loaded, self.new_words or 0))
        return config if described is None else replace(config, tokenizer=described)

    def folder(self, output: Path) -> Path:
        """Return where the shards lie, or will."""
        return self.shards or output / SHARDS

    def used_tokenizer(self, output: Path) -> Path | None:
        """Return the tokenizer that the shards must be of, if it is known before they are."""
        return output / TOKENIZER if self.new_words is not None else self.tokenizer

    def make(self, config: RunConfig | VectorsConfig, output: Path) -> None:
        """Prepare tokenizer and shards inside the run folder, unless they are there.

        Raises:
            ConfigError: if the run began with another segmenter or other new words.
            DataError: if the corpus cannot be used, or the run began with another.
        """
        if self.shards is not None:
            return
        with readable_twice(self.corpus) as files:
            note_corpus(output, self.corpus, files)
            tokenizer = self._tokenizer(files, config, output)
            made = self.folder(output)
            if made.exists():
                self._refuse_other_words(made)
                return
            summary = prepare(
                files,
                tokenizer=tokenizer,
                output=made,
                segmenter=self.segmenter,
                seed=config.seed,
                # Counts are of all text: nothing looks at what would be held out.
                valid_fraction=0.0 if config.sampler.kind == "cooccurrence" else VALID_FRACTION,
            )
            # A vocabulary that was just learned from it knows the corpus as well as it can.
            say(told(summary, *(() if self.tokenizer else (UNKNOWN_IS_MUCH,))))

    def _tokenizer(
        self, files: Sequence[str | Path], config: RunConfig | VectorsConfig, output: Path
    ) -> Path:
        own = output / TOKENIZER
        if self.tokenizer is not None and self.new_words is None:
            return self.tokenizer
        if not own.exists():
            if self.tokenizer is None:
                say(told(learn(files, output=own, config=config.tokenizer, before=self.before)))
            else:
                say(str(extend(files, self.tokenizer, self.new_words or 0, output=own)))
        elif self.tokenizer is not None:
            there = len(new_ids(load_tokenizer(own), load_tokenizer(self.tokenizer)))
            if there != self.new_words:
                raise ConfigError(
                    f"The run began with --extend-vocabulary {there}: give that, or begin a new "
                    "run with another -o."
                )
        return own

    def _refuse_other_words(self, made: Path) -> None:
        was, now = read_index(made).get("segmenter"), self.segmenter and self.segmenter.identity
        if was != now:
            raise ConfigError(
                f"The run began with words found by {was or 'the tokenizer'}, not by "
                f"{now or 'the tokenizer'}: give the same --segmenter, or begin a new run with "
                "another -o."
            )


def told(summary: object, *but: str) -> str:
    """Return what a verb says of its work, but for what to do next and some other lines."""
    lines = str(summary).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("Next: ", *but)))
