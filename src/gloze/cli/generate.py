"""``gloze generate`` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.verbs.generate import GenerateResult


def generate(
    model: str,
    *prompts: str,
    max_tokens: int = 50,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    samples: int = 1,
    seed: int = 0,
    device: str = "cpu",
) -> GenerateResult:
    """Let a language model go on with a text.

    Example: gloze generate runs/gpt "Once upon a time" --temperature 0.8 --samples 3

    Args:
        model: a GPT, GPT-2 or NNLM: a model or run folder, ours or in Hugging Face layout, or a
            hub name.
        prompts: beginnings of texts; without one, a text is written from its start.
        max_tokens: most tokens to write after each.
        temperature: over 1 flattens what is drawn from, under 1 sharpens it; 0 takes the likeliest
            token each time.
        top_k: draw among so many of the likeliest tokens alone.
        top_p: draw among the fewest of the likeliest tokens that have this probability together.
        beams: over 1 searches for the likeliest whole text instead, with so many at once.
        length_penalty: of beams: over 0 favours long texts, the more the higher.
        samples: texts for each beginning.
        seed: the same gives the same texts.
        device: auto, cpu, cuda or cuda:N.
    """
    from gloze.verbs.generate import generate as run

    return run(
        model,
        list(prompts),
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        beams=beams,
        length_penalty=length_penalty,
        samples=samples,
        seed=seed,
        device=device,
    )
