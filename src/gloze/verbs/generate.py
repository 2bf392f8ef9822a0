"""``gloze generate``: a language model goes on with a text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import load_language_model
from gloze.inference.generation import GenerationConfig
from gloze.inference.generation import generate as write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.core.devices import Precision
    from gloze.inference.generation import Continuation


@dataclass(frozen=True)
class GenerateResult:
    """What was written after each beginning.

    Attributes:
        prompts: the beginnings.
        samples: for each of them its continuations, of beams best first.
    """

    prompts: tuple[str, ...]
    samples: tuple[tuple[Continuation, ...], ...]

    def __str__(self) -> str:
        return "\n".join(
            f"{prompt}{sample.text}" if prompt else sample.text.lstrip()
            for prompt, samples in zip(self.prompts, self.samples, strict=True)
            for sample in samples
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {
            "texts": [
                {"prompt": prompt, "samples": [asdict(sample) for sample in samples]}
                for prompt, samples in zip(self.prompts, self.samples, strict=True)
            ]
        }


def generate(
    model: str | Path,
    prompts: str | Sequence[str] = "",
    *,
    max_tokens: int = 50,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    samples: int = 1,
    seed: int = 0,
    precision: Precision = "float32",
    device: str = "cpu",
) -> GenerateResult:
    """Let a language model go on with beginnings of texts.

    Example: ``print(gloze.generate("runs/gpt", "Once upon a time", temperature=0.8))``

    Args:
        model: a GPT, GPT-2 or NNLM: a model or run folder, ours or in Hugging Face layout, or a
            hub name.
        prompts: beginnings; an empty one is the start of a text.
        max_tokens: most tokens to write after each.
        temperature: over 1 flattens what is drawn from, under 1 sharpens it; 0 takes the likeliest
            token each time.
        top_k: draw among so many of the likeliest tokens alone.
        top_p: draw among the fewest of the likeliest tokens that have this probability together.
        beams: over 1 searches for the likeliest whole text instead, with so many at once.
        length_penalty: of beams: over 0 favours long texts, the more the higher.
        samples: texts for each beginning.
        seed: the same gives the same texts.
        precision: ``float32``, ``bfloat16`` or ``auto``.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises:
        ConfigError: if there is no such model, it predicts no next token, or a number is out of
            bounds or does nothing.
        DataError: if a beginning is too long, or a file of the model is broken.
    """
    config = GenerationConfig(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        num_beams=beams,
        length_penalty=length_penalty,
        num_samples=samples,
        seed=seed,
    )
    given = [prompts] if isinstance(prompts, str) else list(prompts) or [""]
    loaded = load_language_model(model, precision=precision, device=device)
    written = write(loaded, given, config)
    return GenerateResult(tuple(given), tuple(tuple(each) for each in written))
