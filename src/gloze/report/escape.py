"""Text from anywhere, made fit for a page."""

from __future__ import annotations

import re
from html import escape

# What neither XML nor HTML may hold: controls but tab and line breaks, and no characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def safe(text: object) -> str:
    """Return ``text`` escaped for HTML and SVG, without controls and lone surrogates."""
    clean = _FORBIDDEN.sub("\ufffd", str(text)).encode("utf-8", "replace").decode()
    return escape(clean, quote=True)
