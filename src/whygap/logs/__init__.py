"""Finished runs from other tools: one reader per format, found by looking at the content."""

from whygap.logs.records import LoggedRun, Series
from whygap.logs.source import Reader, Source

__all__ = ["LoggedRun", "Reader", "Series", "Source"]
