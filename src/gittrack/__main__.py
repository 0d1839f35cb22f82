"""`python -m gittrack` is the command line."""

from __future__ import annotations

import sys

from gittrack.cli import main

if __name__ == "__main__":
    sys.exit(main())
