"""Values: times, tiers, alerts and commands, without wire formats and without a clock."""

from __future__ import annotations
