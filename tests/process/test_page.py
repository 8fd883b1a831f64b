"""What docs/processes.md shows is run, and the truths in its table are those that the processes state."""

import doctest
import re
from pathlib import Path

import pytest

import whygap.process

PAGE = Path(__file__).parents[2] / "docs" / "processes.md"
ROW = re.compile(r"^\| `(\w+\(.*?\))` \|.*\| (.*) \|$", re.MULTILINE)


def test_its_examples_run():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.failed == 0
    assert found.attempted > 10


def test_every_shipped_process_is_in_the_table():
    shipped = {
        name
        for name in whygap.process.__all__
        if isinstance(value := getattr(whygap.process, name), type) and issubclass(value, whygap.process.Process)
    }
    shipped -= {"Process", "LabelNoise"}  # the base, and what is wrapped around others
    assert {call.split("(")[0] for call, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))} == shipped


@pytest.mark.parametrize(("call", "told"), ROW.findall(PAGE.read_text(encoding="utf-8")))
def test_the_table_tells_what_the_processes_state(call, told):
    process = eval(call, vars(whygap.process))  # a line of our own page
    if not process.truths():
        assert told == "not known"
    for truth in process.truths():
        if truth.value and truth.how == "closed form":
            assert f"{truth.value:.6g}" in told
        elif truth.value:
            assert f"{truth.value:.6f}, standard error {truth.standard_error:.6f}" in told
        else:
            assert " 0" in told or "`flip`" in told
