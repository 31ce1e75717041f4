"""The exercise: scenarios, and a whole drill in one call."""

from __future__ import annotations
