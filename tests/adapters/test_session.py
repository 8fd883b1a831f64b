"""What a session passes on from one epoch to the next."""

from contextlib import contextmanager, nullcontext

import pytest

import whygap.adapters.session
from whygap.adapters.session import Session


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
