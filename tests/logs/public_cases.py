"""Real machine output from public threads, with the numbers that it holds.

The file isn't part of the repository: it lies in a folder `shared` beside it, or where WHYGAP_SHARED says. It is YAML of one
narrow form, written by one program; the few lines here that read it save a dependency.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Case(NamedTuple):
    """A sample."""

    id: str
    framework: str
    log_format: str
    log: str
    numbers: dict[str, list[float]]

    def __str__(self):
        return self.id


def shared_file():
    """Return the path of the file, None where it isn't."""
    folders = [Path(os.environ["WHYGAP_SHARED"])] if "WHYGAP_SHARED" in os.environ else []
    folders += [ROOT.parent / "shared", ROOT.parent.parent / "shared"]
    return next((p for folder in folders if (p := folder / "data" / "public_cases.yaml").is_file()), None)


def read_cases(text):
    """Return the samples of the file that have a log and numbers."""
    cases = [_case(block) for block in re.split(r"^- ", text.split("\nlog_formats:")[0], flags=re.MULTILINE)[1:]]
    return [case for case in cases if case.log and case.numbers]


def _case(block):
    fields = dict(re.findall(r"^ {2}(\w+): ?((?:.*\n)(?: {3,}.*\n| {2}- .*\n|\n)*)", "  " + block, flags=re.MULTILINE))
    return Case(
        *(fields[name].strip() for name in ("id", "framework", "log_format")),
        log=_text(fields.get("raw_log", "")),
        numbers=_numbers(fields.get("numbers", "")),
    )


def _text(field):
    if field.startswith('"'):
        return json.loads(re.sub(r"\\?\n\s*\\?", "", field.strip()).replace("\n", " "))
    head, _, body = field.partition("\n")
    return "\n".join(line[4:] for line in body.splitlines()) + "\n" if head.startswith("|") else ""


def _numbers(field):
    found: dict[str, list[float]] = {}
    name = ""
    for line in field.splitlines():
        if line.startswith("    - "):
            found[name].append(float(line[6:]))
        elif line.strip():
            name, _, value = line.strip().partition(":")
            found[name] = [float(value)] if value.strip() else []
    return found
