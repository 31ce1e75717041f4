"""Views for notebooks: forms, live tables, guides. They hold no logic of their own."""

from __future__ import annotations
