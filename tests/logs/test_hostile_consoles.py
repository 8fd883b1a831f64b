"""Whatever stands in a file: runs come out, or an InputError of one line, and soon."""

import random
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.logs.console_samples import SAMPLES
from tests.logs.printed_samples import PRINTED

from whygap.errors import InputError
from whygap.logs.consoles import CONSOLE, read_console
from whygap.logs.source import Source

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    "loss",
    "val_loss",
    "epoch",
    "Epoch 3/10",
    "train",
    "valid",
    ":",
    "=",
    "0.5",
    "1e-3",
    "nan",
    "|",
    "-",
    "(",
    ")",
    "[",
    "]",
    "\t",
]
PIECES += [
    "12/12 [====]",
    "1/12 [>..]",
    "- 2s -",
    "learn:",
    "a's b:",
    "[3]",
    "0:",
    "ETA: 3s",
    "{'loss': 1.5,",
    "'epoch': 1}",
    "100%|█| 3/3 [",
]
PIECES += [
    "\x1b[31m",
    "\x1b[",
    "\b\b\b",
    "\r",
    "\n",
    "\n",
    "\r\n",
    "train_loss valid_loss",
    "No log",
    ",",
    "1,234",
    "0,5",
    "━━━━",
    "\0",
    "é",
    "9" * 400,
]


def check(path):
    """Read a file by every reader: what comes out is whole, what is raised is one line."""
    source = Source(path, "the file")
    for read in (read_console, *(reader.read for reader in CONSOLE)):
        try:
            runs = read(source)
        except InputError as error:
            message = str(error)
            assert message.startswith("the file")
            assert "\n" not in message
            assert len(message) < 200
            continue
        for run in runs:
            assert run.series
            for series in run.series:
                assert len(series.value) == len(series.epoch) > 0
                assert series.step is None or len(series.step) == len(series.value)
    for reader in CONSOLE:
        assert reader.matches(source) in (True, False)


@FUZZ
@given(content=st.binary(max_size=2000))
@example(content=b"\xff\xfe")
@example(content=b"\xff\xfe\x00")
@example(content=b"\xef\xbb\xbf")
def test_any_bytes(content, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(content)
    check(path)


@FUZZ
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=120), between=st.sampled_from([" ", "", "\n"]))
def test_any_pieces_of_logs(pieces, between, tmp_path):
    path = tmp_path / "log"
    path.write_text(between.join(pieces), encoding="utf-8", newline="")
    check(path)


@FUZZ
@given(sample=st.sampled_from(SAMPLES), start=st.integers(0, 400), end=st.integers(0, 400), seed=st.integers(0, 9))
def test_truncated_samples(sample, start, end, seed, tmp_path):
    path = tmp_path / "log"
    content = sample.text.encode()[start:]
    path.write_bytes(content[: len(content) - end])
    check(path)


@FUZZ
@given(a=st.sampled_from(SAMPLES), b=st.sampled_from(PRINTED), rng=st.randoms(use_true_random=False))
def test_shuffled_lines(a, b, rng, tmp_path):
    lines = a.text.splitlines() + b.text.splitlines()
    rng.shuffle(lines)
    path = tmp_path / "log"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    check(path)


@FUZZ
@given(sample=st.sampled_from(SAMPLES), rng=st.randoms(use_true_random=False))
def test_a_flood_of_colours_changes_nothing(sample, rng, tmp_path):
    codes = ["\x1b[31m", "\x1b[0m", "\x1b[2K", "\x1b[1;32;40m", "\x1b]0;title\x07", "\x1b[?25l"]
    flooded = (
        "".join(c + rng.choice(codes) * rng.randint(0, 3) for c in sample.text) if "\x1b" not in sample.text else sample.text
    )
    (tmp_path / "plain").write_text(sample.text, encoding="utf-8", newline="")
    (tmp_path / "flooded").write_text(flooded, encoding="utf-8", newline="")
    there, here = (read_console(Source(tmp_path / name)) for name in ("flooded", "plain"))
    if "[0m" not in sample.text and "\\x08" not in sample.text:
        assert repr([[s.value.tolist() for s in r.series] for r in there]) == repr(
            [[s.value.tolist() for s in r.series] for r in here]
        )


def patterns():
    rng = random.Random(1)
    names = [a + b for a, b in zip(rng.sample(PIECES, 12), rng.sample(PIECES, 12), strict=True)]
    return [
        *PIECES,
        *names,
        "a: 1 - ",
        "'s l2: ",
        "1/1 ",
        "[1]\ta-b:",
        "100%|",
        "epoch ",
        "step 1 loss: 0.5 ",
        "tensor(",
        "\x1b]",
        "\x1b[1;",
    ]


@pytest.mark.parametrize("pattern", patterns(), ids=ascii)
def test_no_repeated_pattern_hangs(pattern, tmp_path):
    path = tmp_path / "log"
    path.write_text(pattern * (200_000 // len(pattern)), encoding="utf-8", newline="")
    start = time.process_time()
    check(path)
    assert time.process_time() - start < 10  # it takes a fraction of a second; what is quadratic takes minutes


def test_a_long_run_of_one_character_keeps_its_end(tmp_path):
    path = tmp_path / "log"
    path.write_text(f"Epoch 1/1\n10/10 [{'=' * 300_000}] - 1s - loss: 0.5000 - val_loss: 0.4000\n", encoding="utf-8")
    (run,) = read_console(Source(path))
    assert [s.value.tolist() for s in run.series] == [[0.5], [0.4]]


def test_there_are_not_more_runs_than_memory(tmp_path):
    path = tmp_path / "log"
    path.write_text("Epoch 1/5\n8/8 [====] - 1s - loss: 0.5000 - val_loss: 0.4000\n" * 1500, encoding="utf-8")
    runs = read_console(Source(path))
    assert len(runs) == 1000
    assert runs[0].notes == ("the first 1,000 runs are read, 500 more are not",)
