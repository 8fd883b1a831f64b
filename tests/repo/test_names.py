"""Files are named after what they hold, and hold one thing."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
MOST_LINES = 500


def says_nothing(path):
    """Return whether a part of the path's name could stand for anything."""
    return any(SAYS_NOTHING & set(part.removesuffix(".py").strip("_").split("_")) for part in path.parts)


def is_too_long(text):
    """Return whether a file has more lines than one can hold in one's head."""
    return len(text.splitlines()) > MOST_LINES


def python_files(*folders):
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def test_no_file_has_a_name_that_says_nothing():
    files = python_files("src", "tests", "benchmarks", "examples")
    assert len(files) > 30
    assert [str(p) for p in files if says_nothing(p.relative_to(ROOT))] == []


def test_no_file_is_too_long():
    assert [str(p) for p in python_files("src") if is_too_long(p.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("name", ["utils.py", "src/helpers/loss.py", "keras_utils.py", "_common.py", "run_manager.py"])
def test_a_name_that_says_nothing_is_found(name):
    assert says_nothing(Path(name))


@pytest.mark.parametrize("name", ["finite.py", "commonness.py", "estimate/__init__.py"])
def test_a_name_that_says_something_is_not(name):
    assert not says_nothing(Path(name))


def test_a_file_that_is_too_long_is_found():
    assert is_too_long("x = 1\n" * 501)
    assert not is_too_long("x = 1\n" * 500)
