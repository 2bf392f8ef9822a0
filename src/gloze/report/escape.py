"""Text from anywhere, made fit for a page."""

from __future__ import annotations

from html import escape


def safe(text: object) -> str:
    """Return ``text`` escaped for HTML, without NULs and lone surrogates."""
    clean = str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return escape(clean, quote=True)
