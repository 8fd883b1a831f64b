"""Texts as people paste them: every number that stands in them is found, and no other."""

import math

import pytest
from tests.logs.console_samples import SAMPLES
from tests.logs.printed_samples import PRINTED

from whygap.logs.consoles import read_console
from whygap.logs.source import Source


def numbers_of(run):
    """Return the numbers of a run by split and score, those of evaluations by score; without learning rates and times."""
    found = {}
    for series in run.series:
        split = "evaluation" if "(evaluation)" in series.column else series.split
        if split != "none":
            found.setdefault(f"{split} {series.score}", []).extend(series.value.tolist())
    return found


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "console.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_console(Source(path))

    return read


def test_there_are_many():
    assert len(SAMPLES) >= 60
    assert len({s.name for s in SAMPLES}) == len(SAMPLES)
    assert len(PRINTED) >= 25


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_number_is_found(sample, read):
    runs = read(sample.text)
    assert [run.format for run in runs] == [sample.format] * len(sample.runs)
    for run, expected in zip(runs, sample.runs, strict=True):
        assert {k: [repr(v) for v in vs] for k, vs in numbers_of(run).items()} == {
            k: [repr(float(v)) for v in vs] for k, vs in expected.items()
        }
    if sample.epochs is not None:
        first = next(s for s in runs[0].series if s.split != "none")
        assert first.epoch.tolist() == pytest.approx(sample.epochs)
    for name, value in sample.facts.items():
        assert runs[0].facts[name] == value


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_units_are_the_last_digits(sample, read):
    for run in read(sample.text):
        for series in run.series:
            finite = series.value[[math.isfinite(v) for v in series.value]]
            assert 0 <= series.resolution <= max(1.0, abs(finite).max(initial=0))
