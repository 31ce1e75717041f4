"""Bytes to values and back. Nobody else in the package knows how messages are written."""

from __future__ import annotations
