"""Logs that are one JSON document. What kind it is shows only when all of it is read, so that one reader tries each in turn."""

from __future__ import annotations

import re

from whygap.logs import catboost_files, evals_result, json_table, keras_history, trainer_state
from whygap.logs.json_text import load
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source

KINDS = (trainer_state, keras_history, catboost_files, evals_result, json_table)
"""The most particular first; a table can be nearly anything."""

BEGINNING = re.compile(r"\s*(?:\{\s*(?:\"|\}|\Z)|\[\s*[\[{\]])")


def _matches(source: Source) -> bool:
    return BEGINNING.match(source.text_head) is not None


def _read(source: Source) -> tuple[LoggedRun, ...]:
    document = load(source)
    return next((runs for kind in KINDS if (runs := kind.runs_in(document, source.name))), ())


READER = Reader("JSON", _matches, _read)
