"""Loaders for the frameworks, each in a module of its own that imports its framework.

`numpy`, `torch`, `keras`, `jax` and `hugging_face`: they all deliver the same examples: those of a `whygap.process.Stream`.
"""
