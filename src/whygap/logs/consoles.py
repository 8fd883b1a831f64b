"""All that a console may show: the reader of a text is found by its lines."""

from __future__ import annotations

from itertools import islice

from whygap.errors import InputError
from whygap.logs.boosting_console import CATBOOST_CONSOLE, LIGHTGBM_CONSOLE, XGBOOST_CONSOLE
from whygap.logs.console_lines import console_lines, is_console, not_understood
from whygap.logs.free_form import FREE_FORM
from whygap.logs.history_console import HISTORY_CONSOLE
from whygap.logs.keras_console import KERAS_CONSOLE
from whygap.logs.lightning_console import LIGHTNING_CONSOLE
from whygap.logs.printed_scores import looks_scored
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source
from whygap.logs.table_console import TABLE_CONSOLE
from whygap.logs.transformers_console import TRANSFORMERS_CONSOLE
from whygap.logs.ultralytics_console import ULTRALYTICS_CONSOLE

_FORMATS = (
    LIGHTGBM_CONSOLE,
    XGBOOST_CONSOLE,
    CATBOOST_CONSOLE,
    ULTRALYTICS_CONSOLE,
    TRANSFORMERS_CONSOLE,
    LIGHTNING_CONSOLE,
    TABLE_CONSOLE,
    KERAS_CONSOLE,
    HISTORY_CONSOLE,
    FREE_FORM,
)
CONSOLE: tuple[Reader, ...] = tuple(console.reader for console in _FORMATS)
"""Readers of what programs print, the most particular first; the last takes whatever has a label and a number."""

_LOOKED_AT = 400
"""Lines by which a reader is found where the first of a text tell nothing."""


def read_console(source: Source) -> tuple[LoggedRun, ...]:
    """Return the runs of a console text.

    The readers are tried that know a line of the head. Where none does, as when a long installation comes before the training,
    it is those that know one of the lines from the first on that any of them knows.

    Parameters
    ----------
    source : Source
        Of the text.

    Returns
    -------
    tuple of LoggedRun
        At least one.

    Raises
    ------
    InputError
        If the text can't be read or has no scores; the message names the line that isn't understood.
    """
    likely = [reader for reader in CONSOLE if reader.matches(source)] or _readers_of_a_later_line(source)
    unread: InputError | None = None
    for reader in likely:
        try:
            if runs := reader.read(source):
                return runs
        except InputError as error:
            unread = error
    if unread is None:
        lines = console_lines(source)
        first = next(iter(lines), None)
        unread = not_understood(source, first) if first else InputError(f"{source.name}: it is empty")
    raise unread


def _readers_of_a_later_line(source: Source) -> list[Reader]:
    if not is_console(source):
        return []
    texts = (line.text for line in console_lines(source))
    speaks_of_scores = False
    while some := list(islice(texts, _LOOKED_AT)):
        if any(console.shows(some) for console in _FORMATS):
            some += islice(texts, _LOOKED_AT)
            return [console.reader for console in _FORMATS if console.shows(some)]
        speaks_of_scores = speaks_of_scores or any(map(looks_scored, some))
    return [FREE_FORM.reader] if speaks_of_scores else []
