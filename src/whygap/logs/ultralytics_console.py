"""Consoles of Ultralytics: a row of training losses an epoch, and a row of validation metrics below."""

from __future__ import annotations

import re

from whygap.logs.console_lines import ConsoleFormat, console_lines
from whygap.logs.drafts import DraftRun, Drafts
from whygap.logs.printed import NUMBER
from whygap.logs.progress_bars import find_bar
from whygap.logs.records import LoggedRun, Split
from whygap.logs.source import Source

_HEAD = re.compile(r"\s{0,20}Epoch\s{1,12}(?:GPU_mem|gpu_mem)\s{1,12}(\S.{0,400})$")
_ROW = re.compile(
    rf"\s{{0,20}}([0-9]{{1,6}})/([0-9]{{1,6}})\s{{1,12}}[0-9.]{{1,12}}[GM]B?\s{{1,12}}((?:{NUMBER}\s{{1,12}}){{1,20}})"
)
_VALID_HEAD = re.compile(r"\s{0,40}Class\s{1,12}Images\s{1,12}(?:Instances|Labels)\s{1,12}(\S.{0,200})")
_VALID_ROW = re.compile(
    rf"\s{{0,40}}all\s{{1,12}}[0-9]{{1,9}}\s{{1,12}}[0-9]{{1,9}}\s{{1,12}}({NUMBER}(?:\s{{1,12}}{NUMBER}){{0,20}})"
)
_COUNTED = ("Instances", "Size", "total", "targets", "labels", "img_size")


def _read(source: Source) -> tuple[LoggedRun, ...]:
    lines = console_lines(source)
    drafts = Drafts(lambda: DraftRun(ULTRALYTICS_CONSOLE.name, "ultralytics", _meaning))
    losses: list[str] = []
    metrics: list[str] = []
    row: tuple[float, float, list[str]] | None = None
    for line in lines:
        text = line.text
        if found := _HEAD.match(text):
            losses = [name for name in found[1].split() if name not in _COUNTED]
        elif found := _VALID_HEAD.match(text):
            metrics = [name.rpartition("(")[2].strip("()") for name in found[1].partition(": ")[0].split()]
            _kept(drafts, losses, row)
            row = None
        elif found := _ROW.match(text):
            epoch = float(found[1])
            bar = find_bar(text)
            if row is not None and row[0] != epoch:
                _kept(drafts, losses, row)
                row = None
            if bar is None or bar.is_full:
                row = epoch, float(found[2]), found[3].split()
        elif (found := _VALID_ROW.match(text)) and not drafts.current.is_empty:
            for name, number in zip(metrics, found[1].split(), strict=False):
                drafts.current.add(f"metrics/{name}", number, drafts.current.last)
    _kept(drafts, losses, row)
    return drafts.finish(lines)


def _kept(drafts: Drafts, losses: list[str], row: tuple[float, float, list[str]] | None) -> None:
    """Give the last state of an epoch's row to its run."""
    if row is None or len(row[2]) < len(losses):
        return
    epoch, of, numbers = row
    draft = drafts.begin() if epoch <= drafts.current.last else drafts.current
    draft.reach(epoch)
    draft.facts["epochs_planned"] = of + (draft.first == 0)
    for name, number in zip(losses, numbers, strict=False):
        draft.add(f"train/{name}", number, epoch)


def _meaning(name: str) -> tuple[str, Split]:
    place, _, score = name.partition("/")
    return score, "train" if place == "train" else "valid"


ULTRALYTICS_CONSOLE = ConsoleFormat("Ultralytics console", lambda texts: any(map(_HEAD.match, texts)), _read)
"""Reads the rows that YOLOv5 to YOLO11 print; it has no validation losses, which `results.csv` has."""
