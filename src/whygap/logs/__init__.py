"""Finished runs from other tools: one reader per format, found by looking at the content, and what a log alone can tell."""

from whygap.logs.answer import Answer, explain_log
from whygap.logs.pairs import assign, choose_run
from whygap.logs.reading import read_log
from whygap.logs.records import LoggedRun, Series
from whygap.logs.rules import check_framework

__all__ = ["Answer", "LoggedRun", "Series", "assign", "check_framework", "choose_run", "explain_log", "read_log"]
