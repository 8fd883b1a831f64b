"""The reader of a text is found by its lines; what can't be read is named; prose is no run."""

import pytest
from tests.logs.console_samples import BAR, SAMPLES
from tests.logs.printed_samples import PRINTED

from whygap.errors import InputError
from whygap.logs.consoles import CONSOLE, read_console
from whygap.logs.source import Source


@pytest.fixture
def source(tmp_path):
    def source(text, name="console"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Source(path, "standard input")

    return source


def test_the_last_reader_takes_what_is_left():
    assert CONSOLE[-1].format == "printed text"
    assert len({reader.format for reader in CONSOLE}) == len(CONSOLE)


@pytest.mark.parametrize(
    "text",
    [
        '{"loss": [0.5, 0.4], "val_loss": [0.6, 0.5]}',
        '[{"loss": 0.5, "epoch": 1}, {"eval_loss": 0.4, "epoch": 1}]',
        '{\n "log_history": [\n  {"epoch": 0.5, "loss": 1.5}\n ]\n}',
        "epoch,loss,val_loss\n0,0.5,0.6\n1,0.4,0.55\n",
        "epoch,train/box_loss,val/box_loss,lr/pg0\n1,0.93,0.69,0.0006\n",
        "",
        " \n\n",
    ],
)
def test_no_reader_claims_other_formats(text, source):
    assert [reader.format for reader in CONSOLE if reader.matches(source(text))] == []


def test_no_reader_claims_a_folder(tmp_path):
    assert not any(reader.matches(Source(tmp_path)) for reader in CONSOLE)


@pytest.mark.parametrize(
    "text",
    [
        "Deep learning is a class of machine learning algorithms.\nIt has layers.\n",
        "In 1998, LeNet had 60,000 parameters; the accuracy was good, the loss was not told.\n",
        "Epoch of great loss.\nThe training was hard, and validation came late.\n",
        "total 48\ndrwxr-xr-x 2 me me 4096 Mar  3 10:11 .\n-rw-r--r-- 1 me me 120 Mar  3 10:11 train.py\n",
        "Namespace(batch_size=32, epochs=10, lr=0.1, val_split=0.2, test_size=0.1)\n",
        "Model: sequential\nTotal params: 1,234\nTrainable params: 1,234\n",
        "Requirement already satisfied: numpy>=1.16 in ./lib (1.19.5)\n",
        "Epoch 5: reducing learning rate of group 0 to 1.0000e-04.\n",
        "Validation loss decreased (0.45 --> 0.40).  Saving model ...\n",
        "train 8521\nval 2857\n",
    ],
)
def test_prose_is_no_run(text, source):
    given = source(text)
    assert [reader.read(given) for reader in CONSOLE] == [()] * len(CONSOLE)
    with pytest.raises(InputError, match=r"^standard input: line 1 is not understood: "):
        read_console(given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "standard input: it is empty"),
        ("\n\n  hello\x07 there\n", "standard input: line 3 is not understood: hello? there"),
        (
            "start\nEpoch 1 loss: --- val_loss: ---\n",
            "standard input: line 2 is not understood: Epoch 1 loss: --- val_loss: ---",
        ),
        ("x" * 500, f"standard input: line 1 is not understood: {'x' * 77}..."),
        ("\x1b[31m\n\b\b\r\r", "standard input: it is empty"),
    ],
)
def test_what_is_not_understood_is_named(text, message, source):
    with pytest.raises(InputError) as raised:
        read_console(source(text))
    assert str(raised.value) == message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_windows_encodings(encoding, source):
    text = f"Epoch 1/1\r\n8/8 {BAR} - 1s 2ms/step - loss: 0.5000 - val_loss: 0.4000\r\n"
    (run,) = read_console(source(text.encode(encoding)))
    assert [s.value.tolist() for s in run.series] == [[0.5], [0.4]]


@pytest.mark.parametrize("sample", [SAMPLES[2], *PRINTED[:3]], ids=str)
def test_a_log_that_begins_late_is_found(sample, source):
    noise = "".join(f"Collecting package number {i} of many\n" for i in range(5000))
    late = read_console(source(noise + sample.text))
    early = read_console(source(sample.text, "early"))
    assert [[s.value.tolist() for s in run.series] for run in late] == [[s.value.tolist() for s in run.series] for run in early]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_line_ends_of_windows_change_nothing(sample, source):
    there = read_console(source(sample.text.replace("\r\n", "\n").replace("\n", "\r\n"), "there"))
    here = read_console(source(sample.text, "here"))
    assert repr([[s.value.tolist() for s in r.series] for r in there]) == repr(
        [[s.value.tolist() for s in r.series] for r in here]
    )


def test_notes_say_what_was_not_read(source):
    text = f"{'yes and no, ' * 9000}\nEpoch 1/1\n8/8 {BAR} - 1s - loss: 0.5000\n4/4 {BAR} - 0s - loss: 0.6000\n"
    (run,) = read_console(source(text))
    assert run.notes == (
        "line 1 is too long: what follows its 16,384th character is passed over",
        "scores of evaluations, which are no epoch's, stand apart: 1",
    )
