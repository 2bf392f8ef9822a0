"""The typed tree of settings: a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from gloze.core.errors import ConfigError, about
from gloze.core.settings import Settings
from gloze.data.order import Lanes
from gloze.data.samplers import SegmentPairConfig, TextBlockConfig
from gloze.data.text_stream import StreamConfig
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.objectives.activations import ActivationsConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.objectives.mlm import MaskedLMConfig
from gloze.objectives.nsp import NextSentenceConfig
from gloze.objectives.one_blank import OneBlankConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig

SamplerConfig = Annotated[
    SegmentPairConfig | TextBlockConfig | StreamConfig, Field(discriminator="kind")
]


def _kind_of(encoder: Any) -> str:
    """Return the kind of an encoder; one of no name is a Transformer, once the only kind."""
    kind = "transformer"
    given = encoder.get("kind", kind) if isinstance(encoder, dict) else getattr(encoder, "kind", "")
    return str(given)


EncoderConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[FeedForwardConfig, Tag("feed_forward")]
    | Annotated[LSTMConfig, Tag("lstm")],
    Discriminator(
        _kind_of,
        custom_error_type="encoder_kind",
        custom_error_message="its kind is to be transformer, lstm or feed_forward",
    ),
]
ObjectiveConfig = (
    MaskedLMConfig | NextSentenceConfig | LanguageModelConfig | ActivationsConfig | OneBlankConfig
)


@dataclass(frozen=True, kw_only=True)
class ObjectivesConfig(Settings):
    """The pretext tasks whose losses are added up; at least one."""

    mlm: MaskedLMConfig | None = None
    nsp: NextSentenceConfig | None = None
    lm: LanguageModelConfig | None = None
    activations: ActivationsConfig | None = None
    one_blank: OneBlankConfig | None = None

    def items(self) -> list[tuple[str, ObjectiveConfig]]:
        """Return the name and settings of each objective that is on."""
        names = ("mlm", "nsp", "lm", "activations", "one_blank")
        pairs = [(name, getattr(self, name)) for name in names]
        return [(name, config) for name, config in pairs if config is not None]


@dataclass(frozen=True, kw_only=True)
class PhaseConfig(Settings):
    """What changes from a share of the budget on; all else goes on, the schedule of rates too.

    Attributes:
        start: share of the budget that is used up when the phase begins, over 0 and under 1.
        max_length: takes the place of ``sampler.max_length``.
        batch_tokens, batch_size: one of them, in the place of the one of ``training``.
    """

    start: float
    max_length: int
    batch_tokens: int | None = None
    batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """A recipe: tokenizer, sampler, encoder, objectives, training.

    Attributes:
        name: of the recipe.
        seed: everything random follows from it.
        freeze: weights that stay as they begin, by the names of parts
            (``encoder.embeddings.token_embeddings``) or patterns with ``*``.
        phases: that follow the first, which is the recipe as it stands.
    """

    name: str
    seed: int = 0
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    sampler: SamplerConfig = field(default_factory=SegmentPairConfig)
    encoder: EncoderConfig = field(default_factory=TransformerConfig)
    objectives: ObjectivesConfig = field(default_factory=ObjectivesConfig)
    training: TrainingConfig
    freeze: tuple[str, ...] = ()
    phases: tuple[PhaseConfig, ...] = ()

    def __post_init__(self) -> None:
        self._check_phases()
        if not {name for name, _ in self.objectives.items()} - {"activations"}:
            raise ConfigError("No objective: add objectives.mlm, objectives.nsp or objectives.lm.")
        if isinstance(self.encoder, TransformerConfig):
            self._check_places(self.encoder)
        elif self.training.gradient_checkpointing:
            raise ConfigError(
                "training.gradient_checkpointing computes layers again, and a "
                f"{self.encoder.kind} encoder keeps what it has computed: leave it out."
            )
        if self.objectives.nsp is not None and self.sampler.kind != "segment_pair":
            raise ConfigError(
                f"The nsp objective asks whether B follows A, and the {self.sampler.kind} sampler "
                "makes no pairs. Set sampler.kind to segment_pair, or remove objectives.nsp."
            )
        for name, objective in self.objectives.items():
            if not objective.weight > 0:
                raise ConfigError(
                    f"objectives.{name}.weight is {objective.weight}; it must be over 0. "
                    f"Leave it out with objectives.{name}=none."
                )
        self._check_direction()
        self._check_segments()
        self._check_words()
        if self.lanes:
            self._check_lanes()

    @property
    def lanes(self) -> Lanes | None:
        """How the corpus is read on in lanes; None where sequences come in any order."""
        if getattr(self.sampler, "order", "shuffled") == "shuffled":
            return None
        return "backward" if self.encoder.direction == "right_to_left" else "forward"

    def _check_lanes(self) -> None:
        """Refuse to read on in order where that cannot be, or is good for nothing."""
        if not isinstance(self.encoder, LSTMConfig):
            raise ConfigError(
                f"sampler.order is consecutive, and a {self.encoder.kind} encoder keeps no state "
                "from one sequence to the next. Set it to shuffled."
            )
        if self.training.batch_size is None:
            raise ConfigError(
                "sampler.order is consecutive: the corpus is read on at as many places as a step "
                "has sequences. Set training.batch_size in place of training.batch_tokens."
            )
        if self.training.parallel == "sharded":
            raise ConfigError(
                "sampler.order is consecutive, and states are not shared out: set "
                "training.parallel=replicated."
            )
        if (
            self.encoder.direction == "two_way"
            and getattr(self.sampler, "within", "") != "sentence"
        ):
            raise ConfigError(
                "A two_way encoder reads a sequence from its end too, where it cannot go on from "
                "the one before inside a sentence. Set sampler.kind=text_block and "
                "sampler.within=sentence, or sampler.order=shuffled."
            )

    def _check_places(self, encoder: TransformerConfig) -> None:
        longest, places = self.sampler.max_length, encoder.max_position_embeddings
        if longest > places:
            raise ConfigError(
                f"sampler.max_length {longest} is over encoder.max_position_embeddings {places}: "
                "there is no position for the last tokens. Lower the one or raise the other."
            )

    def _check_segments(self) -> None:
        kinds = getattr(self.encoder, "type_vocab_size", 2)
        if self.sampler.kind == "segment_pair" and kinds < 2:
            raise ConfigError(
                "The segment_pair sampler makes two segments, and encoder.type_vocab_size is "
                f"{kinds}. Set it to 2."
            )

    def _check_direction(self) -> None:
        """Refuse objectives of an encoder that sees too much for them, or too little."""
        direction, goals = self.encoder.direction, self.objectives
        is_transformer = isinstance(self.encoder, TransformerConfig)
        if goals.mlm is not None and direction not in ("bidirectional", "two_way"):
            raise ConfigError(
                f"The mlm objective fills blanks from both sides, and encoder.direction is "
                f"{direction}. Set it to bidirectional."
                if is_transformer
                else f"The mlm objective fills blanks from both sides, and a {self.encoder.kind} "
                "encoder looks back alone. Set encoder.kind to transformer."
            )
        if goals.one_blank is not None:
            self._check_blank()
        if goals.nsp is not None and direction == "left_to_right":
            raise ConfigError(
                "The nsp objective reads a pair from its first token, [CLS], and this encoder "
                "looks back alone: it would see nothing. Remove objectives.nsp."
            )
        if goals.lm is not None and direction == "bidirectional":
            raise ConfigError(
                f"The lm objective cannot train a {direction} encoder: every position would see "
                "the word it must predict. Set encoder.direction to left_to_right, "
                "right_to_left or two_way, or use the mlm objective."
            )

    def _check_blank(self) -> None:
        """Refuse a blank beside other questions about tokens, or without two sides."""
        if self.encoder.direction != "bidirectional":
            raise ConfigError(
                f"The one_blank objective fills a blank from both sides, and encoder.direction is "
                f"{self.encoder.direction}. Set it to bidirectional."
            )
        beside = [name for name, _ in self.objectives.items() if name in ("mlm", "lm")]
        if beside:
            raise ConfigError(
                f"The one_blank objective takes a token out of each sequence, and {beside[0]} asks "
                f"about tokens by their place: set objectives.{beside[0]}=none."
            )

    def _check_words(self) -> None:
        """Refuse what is for whole words where the vocabulary has pieces, or no table is there."""
        lm, reads = self.objectives.lm, getattr(self.encoder, "characters", None) is not None
        if self.tokenizer.kind != "words":
            if reads:
                raise ConfigError(
                    "encoder.characters reads words, and the vocabulary has pieces of them. Set "
                    "tokenizer.kind=words."
                )
            if lm is not None and lm.vocab_size is not None:
                raise ConfigError(
                    "objectives.lm.vocab_size keeps the most frequent words, and a vocabulary of "
                    "pieces is in another order. Set tokenizer.kind=words, or leave it out."
                )
        if reads and lm is not None and lm.tie_weights:
            raise ConfigError(
                "objectives.lm.tie_weights scores with the token table, and encoder.characters "
                "has none: leave one of them out."
            )

    def _check_phases(self) -> None:
        starts = [0.0, *(phase.start for phase in self.phases), 1.0]
        for before, start in pairwise(starts):
            if not before < start:
                raise ConfigError(
                    f"phases start at {', '.join(map(str, starts[1:-1]))}: each share of the "
                    "budget must be over the one before, over 0 and under 1."
                )
        if self.phases and (self.training.patience or self.training.keep_best):
            raise ConfigError(
                "Phases have held-out figures of their own, which training.patience and "
                "training.keep_best cannot compare: leave these out."
            )
        if self.phases and self.training.epochs is not None:
            raise ConfigError(
                "Phases share out a budget, and their epochs are of different lengths. Set "
                "training.steps, training.tokens or training.minutes, and training.epochs=none."
            )
        for number in range(1, len(self.phases) + 1):
            with about(f"Phase {number + 1}"):
                self.in_phase(number)

    def in_phase(self, number: int) -> RunConfig:
        """Return the recipe as it is in a phase; the first is number 0, the last also -1.

        Raises:
            ConfigError: if it cannot be carried out so.
        """
        phase = [None, *self.phases][number]
        if phase is None:
            return replace(self, phases=())
        training = self.training
        if phase.batch_tokens is not None or phase.batch_size is not None:
            size = {"batch_tokens": phase.batch_tokens, "batch_size": phase.batch_size}
            training = replace(training, **size)  # type: ignore[arg-type]
        sampler = replace(self.sampler, max_length=phase.max_length)
        return replace(self, sampler=sampler, training=training, phases=())
