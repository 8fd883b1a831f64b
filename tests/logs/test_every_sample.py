"""From a sample of each tool, and from whatever numbers there may be, to an answer: nothing else than one line may go wrong."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from whygap.errors import InputError
from whygap.logs import explain_log, read_log
from whygap.logs.pairs import paired_scores
from whygap.logs.records import LoggedRun, Series
from whygap.logs.rules import FRAMEWORKS

DATA = Path(__file__).with_name("data")
SAMPLES = sorted(DATA.iterdir())


def check(answer):
    for gap in answer.run.epochs:
        if gap.gap is not None:
            parts = [*(t.value for t in gap.terms), gap.unattributed]
            assert sum(parts) == pytest.approx(gap.gap.value, rel=1e-9, abs=1e-9 * max(map(abs, parts)))
    assert "leak" not in {c.cause for c in answer.verdict.causes}
    assert str(answer.verdict)
    return answer


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_each_tools_sample_is_explained_or_refused_in_one_line(path):
    for run in read_log(str(path)):
        if paired_scores(run):
            check(explain_log(run, source=path.name))
        else:
            with pytest.raises(InputError, match=r"^no score of both training and validation.*\Z"):
                explain_log(run, source=path.name)


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.floats(0.0, 3.0), st.sampled_from([0.0, 1.0, -1e308, 1e308, 5e-324])
)


@st.composite
def runs(draw):
    n = draw(st.integers(0, 30))
    places = draw(st.sampled_from(["whole", "later", "gaps", "fractions", "none", "same", "huge", "backwards", "negative"]))
    at = {
        "whole": np.arange(1.0, n + 1),
        "later": np.arange(51.0, n + 51),
        "gaps": np.arange(1.0, n + 1) ** 2,
        "fractions": np.arange(1.0, n + 1) / 3,
        "none": np.full(n, np.nan),
        "same": np.ones(n),
        "huge": np.arange(1.0, n + 1) * 1e15,
        "backwards": np.arange(n, 0.0, -1),
        "negative": -np.arange(1.0, n + 1),
    }[places]

    def series(split, keep):
        value = np.asarray(draw(st.lists(numbers, min_size=n, max_size=n)), dtype=float)
        grain = draw(st.sampled_from(["epoch", "step"]))
        resolution = draw(st.sampled_from([0.0, 1e-4, 1.0]))
        return Series(
            column=f"{split}_loss",
            score="loss",
            split=split,
            value=value[:keep],
            epoch=at[:keep],
            grain=grain,
            resolution=resolution,
        )

    both = (series("train", n), series("valid", draw(st.integers(0, n))))
    facts = {
        "n_train": draw(numbers),
        "n_valid": draw(numbers),
        "n_classes": 10.0,
        "steps_per_epoch": draw(st.floats(0.1, 1e6)),
    }
    return LoggedRun(format="x console", framework=draw(st.sampled_from(sorted(FRAMEWORKS))), series=both, facts=facts)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_whatever_the_numbers_are_there_is_an_answer(run):
    answer = check(explain_log(run, source="x"))
    for gap in answer.run.epochs:
        for term in gap.terms:
            assert term.estimate.low <= term.estimate.value <= term.estimate.high


def test_an_epoch_number_of_nobody_takes_no_memory():
    at = np.array([1.0, 2.0, 1e12])
    series = (
        Series(column=c, score="loss", split=s, value=at, epoch=at, grain="step")
        for c, s in (("loss", "train"), ("v", "valid"))
    )
    assert len(explain_log(LoggedRun(format="x", framework="", series=tuple(series)), source="x").run.epochs) == 3
