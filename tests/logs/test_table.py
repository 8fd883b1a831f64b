import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.logs import table as tables
from whygap.logs.table import Column, Gatherer, Table, are_in_full, read_runs, resolution_of


def table(**columns):
    """Return a table of columns that have None in rows without a number."""
    rows = max(map(len, columns.values()))
    gatherer = Gatherer("a log")
    for name, values in columns.items():
        kept = [k for k, value in enumerate(values) if value is not None]
        gatherer.add(name, kept, [float(values[k]) for k in kept])
    return gatherer.table(rows)


def read(**columns):
    return read_runs(table(**columns), format="a test")


@pytest.mark.parametrize("first", [0, 1])
def test_epochs_count_from_1_whatever_the_log_counts_from(first):
    (run,) = read(epoch=[first, first + 1], loss=[3, 2], val_loss=[4, 3])
    assert run.of("loss", "train").epoch.tolist() == [1, 2]
    assert run.of("loss", "valid").grain == "epoch"


def test_fractions_of_epochs_are_as_logged():
    (run,) = read(epoch=[0.5, 1, 1.5, 2], train_loss=[4, 3, 2, 1], val_loss=[None, 2, None, 1])
    assert run.of("loss", "train").epoch.tolist() == [0.5, 1, 1.5, 2]
    assert run.of("loss", "train").grain == "step"
    assert run.of("loss", "valid").grain == "epoch"


def test_steps_are_placed_between_the_ends_of_epochs():
    step = [4, 9, 9, 14, 19, 19, 24]
    (run,) = read(
        epoch=[0, 0, 0, 1, 1, 1, 2],
        step=step,
        train_loss=[9, 8, None, 7, 6, None, 5],
        val_loss=[None, None, 8, None, None, 6, None],
    )
    np.testing.assert_allclose(run.of("loss", "train").epoch, [0.5, 1, 1.5, 2, 2.5])
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]
    assert run.facts == {"steps_per_epoch": 10}


def test_rows_of_one_epoch_without_steps_are_taken_as_evenly_spaced_and_that_is_said():
    (run,) = read(epoch=[1, 1, 2, 2], loss=[4, 3, 2, 1], val_loss=[None, 4, None, 3])
    assert run.of("loss", "train").epoch.tolist() == [0.5, 1, 1.5, 2]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]
    assert any("evenly" in note for note in run.notes)


def test_rows_are_epochs_where_both_scores_stand_in_them():
    (run,) = read(step=[0, 1, 2], train_loss=[3, 2, 1], val_loss=[3, 2, 1])
    assert run.of("loss", "train").epoch.tolist() == [1, 2, 3]
    assert any("each row" in note for note in run.notes)


def test_rows_in_turn_are_epochs():
    (run,) = read(_step=[0, 1, 2, 3], train_loss=[3, None, 2, None], val_loss=[None, 3, None, 2])
    assert run.of("loss", "train").epoch.tolist() == run.of("loss", "valid").epoch.tolist() == [1, 2]


@pytest.mark.parametrize(
    "columns",
    [
        {"step": [0, 250, 500], "train_loss": [3, 2, 1], "val_loss": [3, 2, 1]},
        {"step": [1, 2, 3, 4], "train_loss": [4, 3, 2, 1], "val_loss": [None, 3, None, 1]},
    ],
)
def test_epochs_that_the_log_does_not_say_are_not_known(columns):
    (run,) = read(**columns)
    assert np.isnan(run.of("loss", "train").epoch).all()
    assert run.of("loss", "train").step.tolist() == columns["step"]
    assert run.of("loss", "train").grain == "step"


def test_a_new_run_begins_where_epochs_start_again():
    first, second = read(epoch=[0, 1, 0, 1, 2], loss=[5, 4, 3, 2, 1], val_loss=[5, 4, 3, 2, 1])
    assert (first.name, second.name) == ("1", "2")
    assert second.of("loss", "valid").epoch.tolist() == [1, 2, 3]


def test_rows_of_each_split_are_told_apart_by_their_label():
    labelled = table(epoch=[1, 1, 2, 2], loss=[4, 5, 2, 3]).split_by(["train", "val", "train", "val"])
    (run,) = read_runs(labelled, format="a test")
    assert run.of("loss", "train").value.tolist() == [4, 2]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


def test_labels_that_are_no_splits_are_left_alone():
    assert list(table(loss=[1, 2]).split_by(["a", "val"]).columns) == ["loss"]


def test_nan_and_infinity_are_numbers():
    (run,) = read(epoch=[1, 2, 3], loss=[1, np.nan, np.inf], val_loss=[1, 2, 3])
    np.testing.assert_array_equal(run.of("loss", "train").value, [1, np.nan, np.inf])


def test_a_table_without_scores_has_no_run():
    assert read(epoch=[1, 2], lr=[0.1, 0.1]) == ()


def test_names_are_made_fit_to_be_shown():
    (run,) = read(**{"\x1b[31mloss": [1, 2], "val_" + "x" * 1000: [1, 2]})
    assert all(s.column.isprintable() and len(s.column) <= 200 for s in run.series)


def test_gathering_has_bounds(monkeypatch):
    monkeypatch.setattr(tables, "MOST_COLUMNS", 2)
    monkeypatch.setattr(tables, "MOST_NUMBERS", 5)
    gatherer = Gatherer("a log")
    gatherer.add("a", range(3), [1.0] * 3)
    with pytest.raises(InputError, match="a log: more than 5 numbers"):
        gatherer.add("b", range(3), [1.0] * 3)
    with pytest.raises(InputError, match="more than 2 columns"):
        gatherer.add("c", range(1), [1.0])


def test_runs_have_bounds(monkeypatch):
    monkeypatch.setattr(tables, "MOST_RUNS", 3)
    with pytest.raises(InputError, match="start again more than 3 times"):
        read(epoch=[2, 1] * 3, loss=[1, 1] * 3)


def test_rows_that_come_out_of_order_are_put_in_order():
    gatherer = Gatherer("a log")
    gatherer.add("a", [3, 4], [3.0, 4.0])
    gatherer.add("a", [0, 3], [0.0, 3.5])
    assert gatherer.table(5).columns["a"].value.tolist() == [0, 3, 3.5, 4]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([0.52, 0.5, 0.48], 0.01),
        ([88.78, 91.24], 0.01),
        ([1e-05, 2.5e-05], 1e-06),
        ([3, 4, 5], 1.0),
        ([1.5, 2.25], 0.01),
        ([np.nan], 0.0),
        ([], 0.0),
    ],
)
def test_resolution_is_the_unit_of_the_last_digit(values, unit):
    assert resolution_of(np.array(values, dtype=float)) == unit


@given(st.lists(st.integers(0, 9999), min_size=20, max_size=50), st.integers(0, 6))
def test_resolution_of_rounded_numbers(whole, decimals):
    assert resolution_of(np.array([float(f"{w * 10 + 1}e-{decimals}") for w in whole])) == float(f"1e-{decimals}")


def test_numbers_in_full_have_no_resolution():
    assert are_in_full(np.array([0.5, 1 / 3]))
    (run,) = read(epoch=[1, 2], loss=[1 / 3, 0.5], val_loss=[0.25, 0.5])
    assert [s.resolution for s in run.series] == [0, 0]
    (run,) = read(epoch=[1, 2], loss=[0.31, 0.5], val_loss=[0.255, 0.512])
    assert [s.resolution for s in run.series] == [0.01, 0.001]


def test_parts_of_a_table():
    whole = Table({"a": Column(np.array([0, 2, 5]), np.array([1.0, 2.0, 3.0]))}, 6, "a log")
    first, second, third = whole.cut([1, 3, 5, 6])
    assert (first.columns["a"].row.tolist(), first.columns["a"].value.tolist(), first.rows) == ([1], [2.0], 2)
    assert second.columns == {}
    assert third.columns["a"].value.tolist() == [3.0]
