"""``python -m gloze``: the same as the command."""

from gloze.cli import main

raise SystemExit(main())
