"""Where a log comes from: a file or a folder, of which the first bytes tell the format."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from whygap.errors import InputError
from whygap.logs.records import LoggedRun

HEAD = 65_536
"""Bytes by which a format is recognised."""

CHUNK = 1 << 20


def clean(text: str, most: int = 200) -> str:
    """Return a text that a log gives, fit to be shown in one line: no control characters, and not too long."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


class Source:
    """A file or folder to read from.

    Parameters
    ----------
    path : Path
    name : str, optional
        As shown to people, by default the path: "standard input" where it was piped.

    Raises
    ------
    InputError
        If it doesn't exist, is neither (reading a device or a pipe may never end), or can't be read.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = clean(name or str(path), most=4096)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise InputError(f"{self.name}: {getattr(error, 'strerror', None) or error}") from error
        self.is_folder = stat.S_ISDIR(mode)
        if not (self.is_folder or stat.S_ISREG(mode)):
            raise InputError(f"{self.name}: neither a file nor a folder")
        try:
            self.head = b"" if self.is_folder else self._first_bytes()
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from error

    def _first_bytes(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(HEAD)

    @property
    def encoding(self) -> str:
        """Of the text, if it is one: UTF-8, or UTF-16 where it has the mark."""
        return "utf-16" if self.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    @cached_property
    def is_text(self) -> bool:
        """Whether the first bytes are text: bytes that no text has are few."""
        if self.encoding == "utf-16":
            return True
        odd = sum(b < 9 or 14 <= b < 27 or 28 <= b < 32 or b == 127 for b in self.head)
        return bool(self.head) and odd <= len(self.head) // 20 and b"\0" not in self.head

    @cached_property
    def text_head(self) -> str:
        """The first bytes as text, "" if they aren't."""
        return self.head.decode(self.encoding, errors="replace") if self.is_text else ""

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces, decoded as UTF-8 (or UTF-16 with its mark); what isn't valid becomes a replacement mark.

        Raises
        ------
        InputError
            If it can't be read.
        """
        try:
            with self.path.open(encoding=self.encoding, errors="replace", newline="") as file:
                while text := file.read(CHUNK):
                    yield text
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from error


class Reader(NamedTuple):
    """How one format is recognised and read.

    `matches` looks at `Source.head` (or, of a folder, at the names in it) and never raises; `read` returns the runs found, none
    if there are no numbers in it, and raises `InputError` with one line that says which line or byte isn't understood.
    """

    format: str
    matches: Callable[[Source], bool]
    read: Callable[[Source], tuple[LoggedRun, ...]]
