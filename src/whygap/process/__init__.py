"""Seeded generators of examples."""

from whygap.process.sequences import Sequences, draw_sequences

__all__ = ["Sequences", "draw_sequences"]
