import pytest

from whygap.errors import InputError
from whygap.logs.named_table import read_table
from whygap.logs.source import Source

TABLES = {
    "csv": "it,a,b,lr\n1,0.5,0.6,0.1\n2,0.4,0.5,0.1\n",
    "json": '{"it": [1, 2], "a": [0.5, 0.4], "b": [0.6, 0.5]}',
    "json lines": '{"it": 1, "a": 0.5, "b": 0.6}\n{"it": 2, "a": 0.4, "b": 0.5}\n',
    "records": '{"log": [{"it": 1, "a": 0.5, "b": 0.6}, {"it": 2, "a": 0.4, "b": 0.5}]}',
}


@pytest.fixture
def source(tmp_path):
    def of(text):
        path = tmp_path / "log"
        path.write_text(text)
        return Source(path)

    return of


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("epoch", ["it", None])
def test_columns_are_what_they_are_said_to_be(source, kind, epoch):
    (run,) = read_table(source(TABLES[kind]), train="a", valid="b", epoch=epoch)
    assert run.of("a", "train").value.tolist() == [0.5, 0.4]
    assert run.of("a", "valid").value.tolist() == [0.6, 0.5]
    assert run.of("a", "train").epoch.tolist() == [1, 2]


def test_what_is_said_goes_before_what_names_say(source):
    (run,) = read_table(source("epoch,train_loss,val_loss\n1,2,3\n2,2,3\n"), train="val_loss", valid="train_loss")
    assert run.of("loss", "train").value.tolist() == [3, 3]


def test_a_column_that_is_not_there_is_named(source):
    with pytest.raises(InputError, match=r"no column 'c'; there are: it, a, b, lr"):
        read_table(source(TABLES["csv"]), train="a", valid="c")


def test_what_is_no_table(source):
    with pytest.raises(InputError, match="not a CSV or JSON table"):
        read_table(source("some words"), train="a", valid="b")
