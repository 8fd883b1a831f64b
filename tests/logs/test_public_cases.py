"""Real machine output from public threads parses to exactly the numbers that were read in it."""

import pytest
from tests.logs.public_cases import read_cases, shared_file

from whygap.logs.consoles import read_console
from whygap.logs.source import Source

FILE = shared_file()
CASES = read_cases(FILE.read_text(encoding="utf-8")) if FILE else []
WORDS = {"loss": ("loss", "output"), "acc": ("accuracy",), "auc": ("auc",)}


def series_of(run, split, word):
    found = [s for s in run.series if s.split == split and any(w in s.score for w in WORDS[word])]
    assert len(found) == 1
    return found[0]


def numbers_of(run, name, expected):
    """Return what a run has under a name of the file: there, what evaluate() printed is a loss like the others."""
    if name == "iteration":
        series = run.series[0]
        return (series.epoch - (run.framework == "xgboost")).tolist()
    if name.startswith("evaluate_"):
        word = name.rpartition("_")[2]
        return series_of(run, "unknown", word if word in WORDS else "loss").value.tolist()
    series = series_of(run, "valid" if name.startswith("val_") else "train", name.removeprefix("val_"))
    values = (series.value / (100 if series.column.endswith("%") else 1)).tolist()
    missing = len(values) < len(expected)
    return [*values, *series_of(run, "unknown", name).value.tolist()] if missing else values


@pytest.mark.skipif(not CASES, reason="the file of public cases isn't beside the repository (WHYGAP_SHARED names its folder)")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_public_case_is_read_to_its_numbers(case, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(case.log, encoding="utf-8")
    (run,) = read_console(Source(path))
    assert run.framework == {"lightgbm": "lightgbm", "xgboost": "xgboost"}.get(
        case.framework, "keras" if case.log_format.startswith("keras") else ""
    )
    for name, expected in case.numbers.items():
        # In the file, the results of evaluate() are rounded by hand, and percentages are fractions.
        nearly = {"abs": 1e-4} if name.startswith("evaluate_") else {"rel": 1e-12}
        assert numbers_of(run, name, expected) == pytest.approx(expected, **nearly), name


@pytest.mark.skipif(not CASES, reason="the file of public cases isn't beside the repository")
def test_the_file_is_read_whole():
    assert len(CASES) >= 16
    assert sum(len(v) for case in CASES for v in case.numbers.values()) > 200
