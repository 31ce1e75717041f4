"""`python -m snews_drill` is `snews-drill`."""

from __future__ import annotations

from snews_drill.cli import main

if __name__ == "__main__":
    main()
