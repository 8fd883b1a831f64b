"""Logs as JSON: each tool's, and nobody's."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.logs import json_text
from whygap.logs.files import FILES
from whygap.logs.json_text import depth_of, number_in, parse
from whygap.logs.source import Source
from whygap.logs.trainer_state import read_history


def read(tmp_path, document):
    """Read a document, or a text as it is."""
    path = tmp_path / "log"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    source = Source(path)
    reader = next((reader for reader in FILES if reader.matches(source)), None)
    return reader.read(source) if reader else None


HISTORY = {"loss": [0.5, 0.4], "val_loss": [0.6, 0.55]}


@pytest.mark.parametrize(
    "document",
    [
        HISTORY,
        {"history": HISTORY, "params": {"verbose": 1}},
        {"loss": {"0": 0.5, "1": 0.4}, "val_loss": {"0": 0.6, "1": 0.55}},
        {"loss": ["0.5", "0.4"], "val_loss": ["0.6", "0.55"], "lr": [0.1, 0.1]},
        {"history": HISTORY, "epoch": [0, 1]},
    ],
)
def test_keras(tmp_path, document):
    (run,) = read(tmp_path, document)
    assert (run.format, run.framework) == ("Keras History", "keras")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


def test_keras_that_went_on(tmp_path):
    (run,) = read(tmp_path, {"history": HISTORY, "epoch": [5, 6]})
    assert run.of("loss", "train").epoch.tolist() == [6, 7]


@pytest.mark.parametrize(("document", "names"), [([HISTORY, HISTORY], ["1", "2"]), ({"a": HISTORY, "b": HISTORY}, ["a", "b"])])
def test_keras_of_several_runs(tmp_path, document, names):
    runs = read(tmp_path, document)
    assert [(run.name, run.format) for run in runs] == [(name, "Keras History") for name in names]


def test_keras_with_validation_in_some_epochs(tmp_path):
    (run,) = read(tmp_path, {"loss": [5, 4, 3, 2, 1], "val_loss": [4, 2]})
    assert run.of("loss", "valid").epoch.tolist() == [2, 4]
    (run,) = read(tmp_path, {"loss": [5, 4, 3, 2, 1], "val_loss": [4]})  # of epoch 3, 4 or 5
    assert run.of("loss", "valid") is None
    assert any("val_loss" in note for note in run.notes)


def test_trainer_state_with_evaluations_within_epochs(tmp_path):
    log = [{"epoch": e / 2, "step": 5 * e, "loss": 1 / e} for e in range(1, 5)]
    log += [{"epoch": e / 2, "step": 5 * e, "eval_loss": 2 / e} for e in range(1, 5)]
    (run,) = read(tmp_path, {"log_history": sorted(log, key=lambda r: r["epoch"]), "max_steps": 20, "num_train_epochs": 2})
    assert run.of("loss", "valid").grain == "step"
    assert run.of("loss", "train").step.tolist() == [5, 10, 15, 20]
    assert run.facts == {"steps_per_epoch": 10, "epochs_planned": 2}


def test_the_records_of_the_trainer_as_printed():
    (run,) = read_history(
        [{"loss": 0.5, "epoch": 1.0}, {"eval_loss": 0.6, "epoch": 1.0}], "a log", format="transformers console"
    )
    assert (run.format, run.framework) == ("transformers console", "transformers")
    assert run.of("loss", "train").grain == "epoch"
    assert run.of("loss", "valid").value.tolist() == [0.6]


def test_an_evaluation_before_training_is_at_epoch_0():
    records = [{"eval_loss": 0.9, "epoch": 0.0}, {"loss": 0.5, "epoch": 1.0}, {"eval_loss": 0.6, "epoch": 1.0}]
    (run,) = read_history(records, "a log", format="transformers console")
    assert run.of("loss", "valid").epoch.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("sets", "splits", "framework"),
    [
        (("train", "eval"), ["train", "valid"], "xgboost"),
        (("dtrain", "dtest"), ["train", "test"], "xgboost"),
        (("validation_0",), ["unknown"], "xgboost"),
        (("validation_0", "validation_1"), ["unknown", "unknown"], "xgboost"),
        (("train", "validation_1"), ["train", "valid"], "xgboost"),
        (("training", "valid_1"), ["train", "valid"], "lightgbm"),
        (("valid_0", "valid_1"), ["unknown", "unknown"], "lightgbm"),
        (("learn", "validation"), ["train", "valid"], "catboost"),
        (("mine", "yours"), ["unknown", "unknown"], "xgboost"),
    ],
)
def test_which_set_is_the_training_one_is_what_its_name_says(tmp_path, sets, splits, framework):
    (run,) = read(tmp_path, {name: {"logloss": [0.5, 0.4], "auc": [0.6, 0.7]} for name in sets})
    assert [s.split for s in run.series if s.score == "logloss"] == splits
    assert [s.split for s in run.series if s.score == "auc"] == splits
    assert run.framework == framework
    assert run.series[0].epoch.tolist() == [1, 2]


TABLES = [
    [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.6}, {"epoch": 2, "train_loss": 0.4, "val_loss": 0.55}],
    [{"epoch": 0, "train": {"loss": 0.5}, "val": {"loss": 0.6}}, {"epoch": 1, "train": {"loss": 0.4}, "val": {"loss": 0.55}}],
    {"epoch": [1, 2], "train_loss": [0.5, 0.4], "val_loss": [0.6, 0.55]},
    {"train_loss": [0.5, 0.4], "val_loss": [0.6, 0.55]},
    {"train": {"loss": [0.5, 0.4], "acc": [1, 1]}, "val": {"loss": [0.6, 0.55], "acc": [1, 1]}},
    {
        "model": "net",
        "log": [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.6}, {"epoch": 2, "train_loss": 0.4, "val_loss": 0.55}],
    },
    [
        {"mode": mode, "epoch": e, "loss": loss}
        for e, both in ((1, (0.5, 0.6)), (2, (0.4, 0.55)))
        for mode, loss in zip(("train", "val"), both, strict=True)
    ],
]


@pytest.mark.parametrize("document", TABLES)
def test_a_table_of_nobody(tmp_path, document):
    (run,) = read(tmp_path, document)
    assert (run.format, run.framework) == ("JSON table", "")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


@pytest.mark.parametrize("document", [table for table in TABLES if isinstance(table, list)])
def test_json_lines(tmp_path, document):
    (run,) = read(tmp_path, "\n".join(map(json.dumps, document)) + "\n\n")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


def test_tables_by_name_are_runs(tmp_path):
    table = {"train_loss": [0.5, 0.4], "val_loss": [0.6, 0.55]}
    assert [run.name for run in read(tmp_path, {"first": table, "second": table})] == ["first", "second"]


def test_skorch(tmp_path):
    epochs = [
        {"epoch": e, "train_loss": 1 / e, "valid_loss": 2 / e, "train_loss_best": True, "dur": 0.1, "batches": []}
        for e in (1, 2)
    ]
    (run,) = read(tmp_path, epochs)
    assert run.framework == "skorch"
    assert [s.column for s in run.series] == ["train_loss", "valid_loss", "dur"]


def test_json_lines_that_end_early(tmp_path):
    (run,) = read(tmp_path, '{"epoch": 1, "loss": 2, "val_loss": 3}\n{"epoch": 2, "loss": 1, "val_loss": 2}\n{"epoch": 3, "lo')
    assert run.of("loss", "train").value.tolist() == [2, 1]
    assert run.notes == ("line 3, the last, is broken: it was passed over",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": }\n{"a": 2}\n', r"line 2: column 7: not JSON"),
        ('{"a": 1}\n{"b": 2}\n[1]\n', r"line 3 is JSON, and no record"),
        ('{"loss": [1, 2],\n "val_loss": [1, 2', r"line 2, column \d+: not JSON"),
        ('{"a": [1,]}', r"column 10: not JSON"),
        ('{"a":' * 100 + "1" + "}" * 100, r"nested deeper than 64 levels"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path, text)


def test_one_document_has_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr(json_text, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="more than"):
        read(tmp_path, HISTORY)


@pytest.mark.parametrize("document", [{}, [], {"a": 1}, {"a": "b"}, {"log_history": []}, {"loss": []}, [[[[[1]]]]]])
def test_json_without_scores_has_no_runs(tmp_path, document):
    assert read(tmp_path, document) == ()


def test_numbers_of_any_size_are_floats():
    assert parse("[1e999999, -1e999999, " + "9" * 5000 + ", 7]", "a log") == [np.inf, -np.inf, np.inf, 7.0]
    assert isinstance(parse("7", "a log"), float)


def test_what_is_a_number():
    assert [number_in(v) for v in (1.5, "Infinity", "x", None, True, [1.0])] == [1.5, np.inf, None, None, None, None]


def nested(document):
    if isinstance(document, dict):
        return 1 + max(map(nested, document.values()), default=0)
    return 1 + max(map(nested, document), default=0) if isinstance(document, list) else 0


texts = st.text('[]{}"\\,a')


@given(
    st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=30),
    st.integers(65, 80),
)
def test_depth_is_counted_without_strings(document, levels):
    for _ in range(levels):
        document = [document]
    assert depth_of(json.dumps(document).encode()) == nested(document)
