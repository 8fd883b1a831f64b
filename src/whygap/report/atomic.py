"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from whygap.errors import WhygapError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write `content` to `path` so that a reader, or a crash, never sees half of it.

    Parameters
    ----------
    path
        The file; its folder must exist. What was there is replaced.
    content
        All of the file's bytes.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WhygapError
        If the file can't be written; no temporary file stays behind.
    """
    target = Path(path)
    # In the same folder, since a rename is atomic only within one file system. Opened without mkstemp, whose files nobody else
    # may read.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)  # os.replace: atomic, also over an existing file
    except (OSError, ValueError) as e:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise WhygapError(f"can't write {target}: {reason}") from e
    return target
