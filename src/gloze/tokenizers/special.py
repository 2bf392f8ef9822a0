"""The special tokens of a vocabulary, by what each is for."""

from __future__ import annotations

from dataclasses import dataclass

from gloze.core.errors import ConfigError

# As published (Radford et al. 2018, 3.3): fine-tuning adds them to a vocabulary that has none.
START, DELIMITER, EXTRACT = "_start_", "_delimiter_", "_classify_"
_END = "end"
_USES = {
    "pad": "filling up",
    "unk": "what is unknown",
    "cls": "the start of a sequence",
    "sep": "the end of a sequence",
    "mask": "a blank",
}


@dataclass(frozen=True)
class SpecialTokens:
    """The five tokens BERT's encoders need, under BERT's names or a tokenizer's own.

    A name is empty where a tokenizer has no such token, and one token may have several uses:
    GPT-2's ``<|endoftext|>`` has all but that of a blank.
    """

    pad: str = "[PAD]"
    unk: str = "[UNK]"
    cls: str = "[CLS]"
    sep: str = "[SEP]"
    mask: str = "[MASK]"

    @property
    def by_role(self) -> dict[str, str]:
        """Those that are there, in BERT's order."""
        return {role: getattr(self, role) for role in _USES if getattr(self, role)}

    @property
    def all(self) -> tuple[str, ...]:
        """Those that are there, each once, in BERT's order."""
        return tuple(dict.fromkeys(self.by_role.values()))

    @property
    def settings(self) -> dict[str, str]:
        """Those that are there, as ``tokenizer_config.json`` names them."""
        named = {f"{role}_token": token for role, token in self.by_role.items()}
        # One token at both ends is what models that read from left to right call so.
        ends = {"bos_token": self.cls, "eos_token": self.sep}
        return named | (ends if self.cls and self.cls == self.sep else {})


class SpecialIds:
    """Ids of the special tokens; asking for one that a tokenizer lacks is a ConfigError."""

    special_tokens: SpecialTokens
    _roles: dict[str, int]

    @property
    def pad_id(self) -> int:
        """Id of the token that fills up."""
        return self._role("pad")

    @property
    def unk_id(self) -> int:
        """Id of the token for what is unknown."""
        return self._role("unk")

    @property
    def cls_id(self) -> int:
        """Id of the token that sequences begin with."""
        return self._role("cls")

    @property
    def sep_id(self) -> int:
        """Id of the token that segments end with."""
        return self._role("sep")

    @property
    def end_id(self) -> int:
        """Id of the token that a task's sequences end with: of GPT's own, else what segments do."""
        return self._roles.get(_END, self.sep_id)

    @property
    def mask_id(self) -> int:
        """Id of the token that stands for a blank."""
        return self._role("mask")

    def known_ids(self, **roles: str) -> dict[str, int]:
        """Return the ids of those roles that there are tokens for, each under a name given."""
        return {name: self._roles[role] for name, role in roles.items() if role in self._roles}

    def _role(self, role: str) -> int:
        found = self._roles.get(role)
        if found is None:
            raise ConfigError(
                f"The tokenizer has no token for {_USES[role]}: its special tokens are "
                f"{' '.join(self.special_tokens.all)}. Name one of its tokens as {role}_token in "
                "its tokenizer_config.json, or use another tokenizer."
            )
        return found
