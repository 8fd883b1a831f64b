"""Text in columns: each tool's, and nobody's."""

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.logs.delimited import header_in
from whygap.logs.files import FILES
from whygap.logs.lines import lines
from whygap.logs.source import Source


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "log"
    path.write_bytes(text.encode(encoding))
    source = Source(path)
    reader = next((reader for reader in FILES if reader.matches(source)), None)
    return (reader.format, reader.read(source)) if reader else (None, ())


PLAIN = "epoch,train_loss,val_loss\n1,0.5,0.6\n2,0.4,0.55\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", "\n\n"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("train_loss", '"train_loss"').replace("0.5,", '"0.5",'),
        "# run 7\n#\n" + PLAIN,
        PLAIN.rstrip(),
        PLAIN.replace("epoch", "Epoch"),
        "\ufeff" + PLAIN,
        PLAIN.replace("1,", "0,", 1).replace("2,", "1,", 1),
        PLAIN.replace("\n", ",\n"),
    ],
)
def test_a_plain_table(tmp_path, text):
    name, (run,) = read(tmp_path, text)
    assert name == "CSV table"
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]
    assert run.of("loss", "valid").resolution == 0.01
    assert run.notes == ()


def test_utf_16(tmp_path):
    _, (run,) = read(tmp_path, PLAIN, "utf-16")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]


def test_percentages_stay_as_printed(tmp_path):
    _, (run,) = read(tmp_path, "epoch,val_acc\n1,88.78 %\n2,91.24%\n")
    assert run.of("accuracy", "valid").value.tolist() == [88.78, 91.24]


def test_gaps_are_no_numbers_and_nan_is_one(tmp_path):
    _, (run,) = read(tmp_path, "epoch,loss,val_loss\n1,nan,\n2,inf,NA\n3,1,0.5\n")
    np.testing.assert_array_equal(run.of("loss", "train").value, [np.nan, np.inf, 1])
    assert run.of("loss", "valid").epoch.tolist() == [3]


def test_cells_that_are_not_understood_are_said_with_their_line(tmp_path):
    _, (run,) = read(tmp_path, "epoch,loss,val_loss,note\n1,0.5,0.6,good\n\n2,oops,0.5,bad\n3,0.4,0.4,\n")
    assert run.of("loss", "train").epoch.tolist() == [1, 3]
    assert run.notes == ("column loss: not all are numbers, the first that isn't stands in line 4: oops",)


def test_a_last_line_that_ends_early_is_passed_over(tmp_path):
    _, (run,) = read(tmp_path, PLAIN + "3,0.3")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.notes == ("line 4, the last, ends early: it was passed over",)


def test_a_line_with_too_many_cells_is_named(tmp_path):
    with pytest.raises(InputError, match=r"line 3 has 4 cells, and the header 3"):
        read(tmp_path, "epoch,loss,val_loss\n1,2,3\n1,2,3,4\n")


def test_a_quote_without_end_is_named(tmp_path):
    with pytest.raises(InputError, match=r"line \d+: field larger"):
        read(tmp_path, 'epoch,loss,val_loss\n1,2,3\n2,"' + "1,1\n" * 100_000)


def test_columns_with_the_same_name(tmp_path):
    _, (run,) = read(tmp_path, "epoch,loss,loss,val_loss\n1,1,9,2\n2,1,9,2\n")
    assert run.of("loss", "train").value.tolist() == [1, 1]


def test_tables_one_after_another_are_runs(tmp_path):
    _, runs = read(tmp_path, PLAIN + PLAIN)
    assert [run.name for run in runs] == ["1", "2"]


def test_a_table_of_rows_with_labels(tmp_path):
    _, (run,) = read(tmp_path, "epoch,phase,loss\n1,train,0.5\n1,val,0.6\n2,train,0.4\n2,val,0.5\n")
    assert run.of("loss", "train").value.tolist() == [0.5, 0.4]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


def test_a_table_of_pandas_with_its_index(tmp_path):
    _, (run,) = read(tmp_path, ",loss,val_loss\n0,0.5,0.6\n1,0.4,0.5\n")
    assert run.of("loss", "train").epoch.tolist() == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one\ntwo\n",
        "Epoch 1, loss 0.5, val_loss 0.6\nEpoch 2, loss 0.4, val_loss 0.5\n",
        "1,2,3\n4,5,6\n",
        "a,b\nc,d\n",
        "epoch,loss\n",
        "epoch,lr\n1,0.1\n",
    ],
)
def test_what_is_no_table_of_scores(tmp_path, text):
    assert read(tmp_path, text)[1] == ()


def test_the_header_is_looked_for_once():
    assert header_in("a,b\n1,2\n") is header_in("a,b\n1,2\n")


def test_ultralytics(tmp_path):
    head = "epoch,time,train/box_loss,train/cls_loss,metrics/mAP50(B),val/box_loss,val/cls_loss,lr/pg0\n"
    name, (run,) = read(tmp_path, head + "1,599.92,0.93206,1.40172,0.17518,0.69522,73.1245,0.00066634\n")
    assert (name, run.framework) == ("Ultralytics results.csv", "ultralytics")
    assert run.of("box_loss", "train").value.tolist() == [0.93206]
    assert run.of("cls_loss", "valid").value.tolist() == [73.1245]
    assert run.of("map50_b", "valid").column == "metrics/mAP50(B)"
    assert [s.column for s in run.series if s.split == "none"] == ["time", "lr/pg0"]


def test_ultralytics_of_old_pads_names_and_counts_from_0(tmp_path):
    head = "                  epoch,      train/box_loss,metrics/mAP_0.5,    val/box_loss,  x/lr0\n"
    _, (run,) = read(
        tmp_path, head + "                      0,             0.11, 0.001,  0.09,  0.07\n  1, 0.1, 0.002, 0.08, 0.04\n"
    )
    assert run.of("box_loss", "train").epoch.tolist() == [1, 2]
    assert run.of("box_loss", "valid").value.tolist() == [0.09, 0.08]


def test_a_chart_that_wandb_exported(tmp_path):
    runs = ("deep - sea-1", "calm-2")
    columns = [f"{run} - {s}{end}" for run in runs for s in ("val/loss", "train/loss") for end in ("", "__MIN", "__MAX")]
    head = ",".join(f'"{name}"' for name in ("epoch", *columns))
    rows = "1," + ",".join(f'"0.{k}"' for k in range(1, 13)) + "\n2," + ",".join('"0.1"' for _ in range(6)) + ",,,,,," + "\n"
    name, found = read(tmp_path, f"{head}\n{rows}")
    assert (name, [run.name for run in found]) == ("W&B CSV export", list(runs))
    assert found[0].of("loss", "valid").value.tolist() == [0.1, 0.1]
    assert found[0].of("loss", "train").value.tolist() == [0.4, 0.1]
    assert found[1].of("loss", "train").epoch.tolist() == [1]
    assert [s.column for s in found[1].series] == ["val/loss", "train/loss"]


def test_fastai(tmp_path):
    name, (run,) = read(tmp_path, "epoch,train_loss,valid_loss,accuracy,time\n0,0.9,0.8,0.7,00:10\n1,0.8,0.7,0.8,00:11\n")
    assert (name, run.framework) == ("fastai history.csv", "fastai")
    assert run.of("accuracy", "valid").epoch.tolist() == [1, 2]


@pytest.mark.parametrize(
    "header", ["epoch,train_loss,valid_loss,time", "epoch,loss,acc,val_loss", "epoch,val_loss", "loss,val_loss"]
)
def test_what_is_not_of_keras(tmp_path, header):
    name, _ = read(tmp_path, f"{header}\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert name == "CSV table"


def test_lightning_with_one_number_an_epoch_logged_before_its_end(tmp_path):
    text = "epoch,step,train_loss,val_loss\n0,49,0.9,\n0,59,,0.8\n1,99,0.7,\n1,119,,0.6\n2,149,0.5,\n2,179,,0.4\n"
    name, (run,) = read(tmp_path, text)
    assert name == "Lightning metrics.csv"
    np.testing.assert_allclose(run.of("loss", "train").epoch, [50 / 60, 100 / 60, 150 / 60])
    assert run.of("loss", "train").grain == "step"
    assert run.of("loss", "valid").epoch.tolist() == [1, 2, 3]


@pytest.mark.parametrize("sample", ["a\nb\n", "a\r\nb\r\n", "a\rb", "a\nb"])
def test_lines(tmp_path, sample):
    path = tmp_path / "text"
    path.write_bytes(sample.encode())
    assert list(lines(Source(path))) == ["a", "b"]


def test_lines_across_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("whygap.logs.source.CHUNK", 3)
    path = tmp_path / "text"
    path.write_bytes(b"ab\r\ncdefgh\r\n\r\nx")
    assert list(lines(Source(path))) == ["ab", "cdefgh", "", "x"]


def test_a_line_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr("whygap.logs.lines.LONGEST", 10)
    monkeypatch.setattr("whygap.logs.source.CHUNK", 4)
    path = tmp_path / "text"
    path.write_text("ok\n" + "x" * 20)
    with pytest.raises(InputError, match="line 2 is longer"):
        list(lines(Source(path)))
