"""The demo against Keras's own evaluation in another process, and the coverage of its sampled intervals."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from whygap.demo import Demo
from whygap.errors import InputError
from whygap.process import draw_sequences
from whygap.verdict import judge
from whygap.verdict.judge import explains_most

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "demo_exact.py"
spec = importlib.util.spec_from_file_location("demo_exact", SCRIPT)
demo_exact = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo_exact)


@pytest.fixture(scope="module")
def exact():
    return demo_exact.demo_with_observations(0, 12)


def test_every_exact_term_equals_keras_evaluate_to_1e_6(exact):
    run, _ = exact
    truth = demo_exact.reference_in_another_process(0, 12)
    assert len(run.epochs) == 12
    for i, gap in enumerate(run.epochs):
        assert gap.train_reported == pytest.approx(truth["reported"][i], abs=1e-9)
        assert gap.valid_reported == pytest.approx(truth["reported_valid"][i], abs=1e-9)
        assert gap.term("averaging").value == pytest.approx(truth["train"][i] - truth["reported"][i], abs=1e-6)
        assert gap.term("generalisation").value == pytest.approx(truth["valid"][i] - truth["train"][i], abs=1e-6)
        assert sum(t.value for t in gap.terms) + gap.unattributed == pytest.approx(gap.gap.value, abs=1e-15)


def test_averaging_explains_most_and_there_is_nothing_to_fix(exact):
    run, _ = exact
    assert sum(explains_most(g) == "averaging" for g in run.epochs) >= 10
    verdict = judge(run)
    assert "nothing to fix" in verdict.headline.lower()
    assert verdict.overfitting.state == "no"
    assert verdict.causes[0].cause == "averaging"
    text = str(verdict).lower()
    assert "leak" not in text
    # and at no time on the way
    for n in range(1, 13):
        import msgspec

        assert judge(msgspec.structs.replace(run, epochs=run.epochs[:n])).overfitting.state != "yes"


def test_sampled_intervals_cover_the_exact_terms_at_their_level(exact):
    _, observations = exact
    counted = demo_exact.coverage(observations, 80)
    for method in demo_exact.METHODS:
        rows = [r for r in counted if r["method"] == method]
        for cause in ("averaging", "generalisation"):
            # 960 draws of 95 %: below 0.929 with a probability of 0.3 %
            assert np.mean([r[cause] for r in rows]) >= 0.929, (method, cause)


def test_the_default_budget_in_a_real_run_covers_the_exact_one(exact):
    run, _ = exact
    demo = Demo(budget=512, store=False)
    demo.train()
    assert [g.gap.value for g in demo.run.epochs] == [g.gap.value for g in run.epochs]  # the very same run
    covered = [
        a.term(cause).estimate.low <= b.term(cause).value <= a.term(cause).estimate.high
        for a, b in zip(demo.run.epochs, run.epochs, strict=True)
        for cause in ("averaging", "generalisation")
    ]
    assert sum(covered) >= 20  # of 24
    assert all(g.term("averaging").estimate.how == "sampled" for g in demo.run.epochs)
    assert demo.explain().overfitting.state != "yes"


def test_the_data_are_as_described():
    d = draw_sequences(3)
    assert d.x_train.shape == d.x_valid.shape == (5000, 5, 5)
    assert set(np.unique(d.x_train[:, :, 0])) == {0.0, 1.0, 2.0}
    assert set(np.unique(d.x_valid[:, :, 1])) == {-1.0, 0.0, 1.0}
    assert d.x_train[:, :, 2].min() >= 2.0
    assert d.x_train[:, :, 2].max() <= 3.0
    assert d.x_train[:, :, 3:].min() >= 0.0
    assert d.x_train[:, :, 3:].max() <= 1.0
    assert (d.y_train.min(), d.y_train.max()) == (0.0, 1.0)
    assert abs(d.y_valid.max() - 1.0) < 0.1
    assert not np.array_equal(d.x_train, d.x_valid)
    # the noise is a factor within 5 %: the target divided by its formula stays there, before scaling
    last = d.x_train[:, -1].astype(np.float64)
    mean = last.mean(axis=0)
    clean = last[:, 0] * mean[3] + last[:, 1] * mean[4] + (last[:, 0] * last[:, 1] * mean[2]) ** 2
    slope, offset = np.polyfit(d.y_train.astype(np.float64), clean, 1)
    large = np.abs(clean) > 1
    ratio = (d.y_train[large] * slope + offset) / clean[large]
    assert 0.93 < ratio.min() < ratio.max() < 1.07
    np.testing.assert_array_equal(d.x_train, draw_sequences(3).x_train)
    with pytest.raises(InputError, match="at least 2"):
        draw_sequences(0, n=1)
