"""Where a log comes from: a file or a folder, of which the first bytes tell the format."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from whygap.errors import InputError
from whygap.logs.records import LoggedRun

HEAD = 65_536
"""Bytes by which a format is recognised."""

CHUNK = 1 << 20


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
        If it doesn't exist or can't be read.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        try:
            self.is_folder = path.is_dir()
            if not self.is_folder:
                with path.open("rb") as file:
                    self.head = file.read(HEAD)
            else:
                self.head = b""
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from error

    @cached_property
    def is_text(self) -> bool:
        """Whether the first bytes are text: bytes that no text has are few."""
        odd = sum(b < 9 or 14 <= b < 27 or 28 <= b < 32 or b == 127 for b in self.head)
        return bool(self.head) and odd <= len(self.head) // 20 and b"\0" not in self.head

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces, decoded as UTF-8 (or UTF-16 with its mark); what isn't valid becomes a replacement mark.

        Raises
        ------
        InputError
            If it can't be read.
        """
        is_wide = self.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if is_wide else "utf-8-sig"
        try:
            with self.path.open(encoding=encoding, errors="replace", newline="") as file:
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
