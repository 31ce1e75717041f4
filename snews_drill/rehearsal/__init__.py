"""What stands in for SNEWS: broker, drill server, archive, and the processes they run in."""

from __future__ import annotations
