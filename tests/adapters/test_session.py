"""What a session passes on from one epoch to the next."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

import whygap.adapters.session
from whygap.adapters.epoch import Earlier, Sampled
from whygap.adapters.session import Session
from whygap.observation import Observation, Sample, Visits
from whygap.records import Score


def test_as_many_rows_are_useful_as_the_middle_one_of_recent_epochs_called_for(monkeypatch):
    """One sample may tell too small a variance, or too large a one; where one can't tell, neither can the ledger."""
    found = iter([300, 100, 120, None, 80, 60, 70, 50])
    monkeypatch.setattr(whygap.adapters.session, "count_useful", lambda o, rungs: next(found))
    session = Session(source="", store=False, versions={}, seeds={}, preserve=nullcontext)
    useful = []
    for epoch in range(1, 9):
        session.begin_epoch(epoch)
        session.end_epoch([session.unmeasured(epoch, 0.5, 0.6)], evaluations=0)
        useful.append(session.ledger.useful)
    assert useful == [300, 300, 120, None, 100, 80, 70, 70]


def test_epochs_that_were_sampled_alike_choose_the_estimator(monkeypatch):
    """Of whole batches what was recorded tells far more than of some rows of each."""
    monkeypatch.setattr(whygap.adapters.session, "compare_methods", lambda o, rungs: {"difference": o.epoch / 10})
    session = Session(source="", store=False, versions={}, seeds={}, preserve=nullcontext)

    def methods():
        return [
            session.earlier(
                "loss", Sampled(batch=np.arange(8), first=np.arange(8), unit=np.repeat(np.arange(8), taken)), [4] * 20
            ).method
            for taken in (4, 2)
        ]

    assert session.earlier("loss", None, []) == Earlier("plain", {})
    assert methods() == ["plain", "plain"]
    for epoch, taken in ((1, 4), (7, 2)):
        sample = Sample(
            batch=np.arange(5),
            unit=np.repeat(np.arange(5), taken),
            on_rung={"eval_mode": np.random.default_rng(0).random((1, 5 * taken))},
        )
        visits = Visits(score=np.random.default_rng(1).random(20), rows=np.full(20, 4))
        session.begin_epoch(epoch)
        o = Observation(epoch=epoch, score=Score(), train_reported=0.5, valid_reported=0.6, visits=visits, sample=sample)
        session.end_epoch([o], evaluations=0)
        assert methods() == ["difference", "plain"]


def test_random_states_are_kept_once_by_the_outermost():
    kept = []

    @contextmanager
    def preserve():
        kept.append("begin")
        yield
        kept.append("end")

    session = Session(source="", store=False, versions={}, seeds={}, preserve=preserve)
    with session.preserved():
        with session.shield("measuring"), session.preserved():
            kept.append("inside")
        session.end_epoch([session.unmeasured(1, 0.5, 0.6)], evaluations=0)
    with pytest.raises(KeyboardInterrupt), session.preserved():
        raise KeyboardInterrupt
    with session.preserved():
        pass
    assert kept == ["begin", "inside", "end", "begin", "begin", "end"]
