"""What ``gloze pretrain`` tells at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.progress import duration

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class PretrainResult:
    """What a pre-training gave, and where it lies.

    Attributes:
        path: the run folder.
        model: the model folder in it.
        vectors: the folder of word vectors in it, if the encoder ends as these.
        objectives: what the model was trained by.
        steps, tokens, seconds: what it took.
        parameters: numbers that were trained.
        figures: of the held-out split at the end; empty if there is none.
        unigram_loss: on that split, of guessing tokens by their frequency: a language model,
            masked or not, that stays near it has learned nothing from context. None if nothing is
            held out.
        sampling: true shares of the first epoch's sequences.
    """

    path: Path
    model: Path
    vectors: Path | None
    objectives: list[str]
    steps: int
    tokens: int
    seconds: float
    parameters: int
    figures: dict[str, float]
    unigram_loss: float | None
    sampling: dict[str, float]

    def __str__(self) -> str:
        lines = [
            f"Trained {self.parameters:,} parameters for {self.steps:,} steps on {self.tokens:,} "
            f"tokens in {duration(self.seconds)}.",
            *(f"  held-out {name}: {value:.4f}" for name, value in self.figures.items()),
            *(
                [f"  held-out loss by frequency alone: {self.unigram_loss:.4f}"]
                if self.unigram_loss is not None
                else []
            ),
            *(f"  sampling, {name}: {value:.4g}" for name, value in self.sampling.items()),
            f"Model: {self.model}",
            *([f"Vectors: {self.vectors}"] if self.vectors else []),
            f"Report: {self.path / 'report.html'}",
            f"Next: {self._next()}",
        ]
        return "\n".join(lines)

    def _next(self) -> str:
        if self.vectors:
            return f"gloze vectors neighbors {self.vectors} WORD"
        if "lm" in self.objectives:
            return f"gloze evaluate {self.path} --data FILE"
        fill = f'gloze fill {self.model} "..." or ' if "mlm_loss" in self.figures else ""
        return f"{fill}gloze finetune classification --model {self.model} --train FILE -o RUN"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        paths = {name: getattr(self, name) for name in ("path", "model", "vectors")}
        return {**asdict(self), **{name: path and str(path) for name, path in paths.items()}}
