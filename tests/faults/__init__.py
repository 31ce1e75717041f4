"""Faults of every kind at seeded moments of a storm of messages."""
