"""The files in a folder that somebody else made: no links are followed, and there is an end to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from whygap.errors import InputError
from whygap.logs.source import Source

MOST_FILES = 20_000
DEEPEST = 12


def files_in(source: Source) -> Iterator[Path]:
    """Yield the regular files in a folder and the folders in it, sorted by path, as paths below it.

    Links are left out, whether they lead out of the folder or into it again, and so is what lies deeper than 12 folders.

    Parameters
    ----------
    source : Source
        A folder.

    Raises
    ------
    InputError
        If there are more than 20,000 entries, or a folder can't be read.
    """
    seen = 0
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(source.path / folder) as entries:
                found = []
                for entry in entries:
                    seen += 1
                    if seen > MOST_FILES:
                        raise InputError(f"{source.name}: more than {MOST_FILES:,} files")
                    found.append((entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)))
        except OSError as error:
            raise InputError(f"{source.name}: {error.strerror or error}") from error
        found.sort()
        yield from (folder / name for name, _, is_file in found if is_file)
        if len(folder.parts) < DEEPEST:
            waiting.extend(folder / name for name, is_folder, _ in reversed(found) if is_folder)
