"""All encoders that a task can be learned on."""

from __future__ import annotations

from gloze.encoders.lookup import LookupConfig, LookupEncoder
from gloze.encoders.lstm import LSTMConfig, LSTMEncoder
from gloze.encoders.transformer import TransformerConfig, TransformerEncoder

AnyEncoder = TransformerEncoder | LookupEncoder | LSTMEncoder
AnyEncoderConfig = TransformerConfig | LookupConfig | LSTMConfig
