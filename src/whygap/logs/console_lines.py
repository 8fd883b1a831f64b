"""Lines of a console: what its control characters overwrote, coloured and wrapped up is taken apart into plain text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from whygap.errors import InputError
from whygap.logs.records import LoggedRun
from whygap.logs.source import Reader, Source

LONGEST = 16_384
"""Characters of a line that are read; no log that people read has longer ones, and what follows is passed over."""

_COLOUR = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\r\n]{0,512}(?:\x07|\x1b\\)?|[()][0-9A-Za-z]|[=>@-Z\\-_])"
)
_COLOUR_WITHOUT_ESCAPE = re.compile(r"(?:␛|\\x1b|\\u001b|\\033|\\e)?\[(?:[0-9]{1,3}(?:;[0-9]{1,3}){0,4})?m(?!in|s)")
_NO_TEXT = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[{"\]])')
_OVERWRITES = re.compile(r"[\r\b]+")
_RUN = re.compile(r"(.)\1{60,}")

_WHEN = (
    r"[\[(]?(?:[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}[T_ :][0-9]{2}:[0-9]{2}(?::[0-9]{2})?|"
    r"[0-9]{2}[-/][0-9]{2}(?:[-/][0-9]{2,4})?[ T][0-9]{2}:[0-9]{2}:[0-9]{2}|"
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}(?: [A-Z]{3,4})? [0-9]{4}|"
    r"[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,:][0-9]{1,9})?(?:Z| ?[-+][0-9]{2}:?[0-9]{2})?[\])]?(?![0-9%])"
)
_LEVEL = r"[\[(<]?(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)(?![A-Za-z])[\])>]?"
_LEAD = re.compile(
    r"\s{0,40}(?:(?:>>>|#>|>|&gt;|In \[[0-9]{0,5}\]:|Out\[[0-9]{0,5}\]:)(?:\s{1,40}|$)){0,4}"
    rf"(?:{_WHEN}[\s|,:-]{{0,10}}|\([\w ]{{0,40}}pid=[0-9]+[^)\n]{{0,40}}\) ?|\[rank ?[0-9]{{1,5}}\]:? ?"
    rf"|[IWEF][0-9]{{4}} {_WHEN}\s{{1,10}}[0-9]{{1,10}} [\w./-]{{1,100}}:[0-9]{{1,6}}\] )?"
    rf"(?:{_LEVEL}(?:\s{{0,10}}[|:,]|\s{{1,10}}-)?\s{{0,10}})?"
)


class Line(NamedTuple):
    """A line as a reader of the console saw it.

    Parameters
    ----------
    number : int
        Of the line in the file, from 1.
    text : str
        Without colours, quotation marks, prompts, time stamps and levels.
    overwritten : bool
        Whether what follows was printed over it, as a progress bar does with all but its last state.
    width : int
        Characters that it had in the file: where lines were wrapped, that is the width of the window.
    """

    number: int
    text: str
    overwritten: bool
    width: int


class ConsoleLines:
    """The lines of a console text, in one pass and in bounded memory.

    Parameters
    ----------
    chunks : iterable of str
        The text in pieces.
    """

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = chunks
        self._cut: int | None = None
        self._passed_over: tuple[int, Line] | None = None
        self.first: Line | None = None
        self.last: Line | None = None
        self.ends_in_the_middle = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What people must know of the lines passed over."""
        notes = []
        if self._cut is not None:
            notes.append(f"line {self._cut} is too long: what follows its {LONGEST:,}th character is passed over")
        if self._passed_over is not None:
            count, line = self._passed_over
            notes.append(f"lines that speak of scores and aren't understood: {count:,}, the first is line {line.number}")
        return tuple(notes)

    @property
    def not_understood(self) -> Line | None:
        """The first line that was passed over."""
        return self._passed_over[1] if self._passed_over else None

    def pass_over(self, line: Line) -> None:
        """Keep in mind that a line speaks of scores and isn't understood."""
        count, first = self._passed_over or (0, line)
        self._passed_over = count + 1, first

    def __iter__(self) -> Iterator[Line]:
        for number, text, overwritten in self._pieces():
            cleared = _cleared(text)
            if not cleared:
                continue
            if len(cleared) > LONGEST:
                self._cut = self._cut or number
                cleared = cleared[:LONGEST]
            line = Line(number, cleared, overwritten, len(text))
            self.first = self.first or line
            self.last = line
            yield line

    def _pieces(self) -> Iterator[tuple[int, str, bool]]:
        """Yield what stands between two characters that end a line or go back in it."""
        number, rest, skips = 1, "", False
        for chunk in self._chunks:
            if skips:
                start = _first_end(chunk)
                if start < 0:
                    continue
                chunk, skips = chunk[start:], False
            text = _plain(rest + chunk)
            # A carriage return at the very end may be half of the end of a line.
            end = 1 + max(text.rfind(c, 0, len(text) - text.endswith("\r")) for c in "\n\r\b")
            rest = text[end:]
            if len(rest) > LONGEST:
                rest = _RUN.sub(r"\1" * 60, rest)
            if len(rest) > 4 * LONGEST:
                rest, skips = rest[: 4 * LONGEST], True
            ended = text[:end].replace("\r\n", "\n")
            pieces, is_overwritten = ended.split("\n"), "\r" in ended or "\b" in ended
            for piece in pieces[:-1]:
                if is_overwritten and piece:
                    yield from self._states(number, piece, True)
                elif piece:
                    yield number, piece, False
                number += 1
            yield from self._states(number, pieces[-1], False)
        yield from self._states(number, rest, True)
        self.ends_in_the_middle = bool(rest)

    @staticmethod
    def _states(number: int, piece: str, is_end: bool) -> Iterator[tuple[int, str, bool]]:
        """Yield the states of a line; the last one that isn't empty is what stayed on the screen, if its end is known."""
        if "\r" not in piece and "\b" not in piece:
            yield number, piece, not is_end
            return
        states = [state for state in _OVERWRITES.split(piece) if state and not state.isspace()]
        for state in states[:-1]:
            yield number, state, True
        if states:
            yield number, states[-1], not is_end


class ConsoleFormat(NamedTuple):
    """A format of console text.

    Parameters
    ----------
    name : str
        As shown to people.
    shows : callable
        Whether there is a line of it among some lines.
    read : callable
        As in `Reader`.
    """

    name: str
    shows: Callable[[Iterable[str]], bool]
    read: Callable[[Source], tuple[LoggedRun, ...]]

    @property
    def reader(self) -> Reader:
        """The reader of the format, which it is recognised for by the first lines of a text."""
        return Reader(self.name, lambda source: self.shows(head_lines(source)), self.read)


def console_lines(source: Source) -> ConsoleLines:
    """Return the lines of a source; reading them raises `InputError` where the source can't be read."""
    return ConsoleLines(source.chunks())


def head_lines(source: Source) -> Iterator[str]:
    """Yield the text of the lines in the first bytes of a source, none where these are no console's."""
    if is_console(source):
        yield from (line.text for line in ConsoleLines([_head(source)]))


def is_console(source: Source) -> bool:
    """Return whether the first bytes may be a console's: text, and neither JSON nor a folder."""
    text = _head(source)
    is_binary = len(_NO_TEXT.findall(text)) * 10 > len(text)
    return not source.is_folder and not is_binary and not _JSON.match(text)


def not_understood(source: Source, line: Line) -> InputError:
    """Return the error that names a line which can't be read."""
    cut = " ".join(line.text[:400].split())
    cut = "".join(c if c.isprintable() else "?" for c in (cut if len(cut) <= 80 else f"{cut[:77]}..."))
    return InputError(f"{source.name}: line {line.number} is not understood: {cut}")


def _head(source: Source) -> str:
    is_wide = source.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return source.head.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def _first_end(chunk: str) -> int:
    found = [place for c in "\n\r\b" if (place := chunk.find(c)) >= 0]
    return min(found, default=-1)


def _plain(text: str) -> str:
    """Take the colours out, and make control characters of what stands for them where a log was copied."""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "[0m" in text or "[1m" in text:
        text = _COLOUR_WITHOUT_ESCAPE.sub("", text)
    for written in ("\\x08", "\\u0008", "^H", "␈"):
        if written in text:
            text = text.replace(written, "\b")
    return text


def _cleared(text: str) -> str:
    if len(text) > LONGEST // 16:
        text = " ".join(_RUN.sub(r"\1" * 60, text).split())
    lead = None if text.startswith("Epoch ") else _LEAD.match(text)  # no lead, at every second line of many a log
    # Leading blanks stay where nothing else is taken: the columns of tables stand under one another by them.
    if lead and not lead[0].isspace():
        text = text[lead.end() :]
    return text.rstrip()
