"""Control characters, colours, quotation marks and time stamps are taken away; the text stays."""

import pytest

from whygap.logs.console_lines import LONGEST, ConsoleLines


def texts(*chunks):
    return [line.text for line in ConsoleLines(chunks)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\n\n one \n", [" one"]),
        ("\x1b[1mone\x1b[0m \x1b[38;5;12mtwo", ["one two"]),
        ("\x1b]0;a title\x07one", ["one"]),
        ("[1mone[0m", ["one"]),
        ("␛[32mone␛[0m", ["one"]),
        ("> one", ["one"]),
        (">>> one", ["one"]),
        ("#> one", ["one"]),
        ("&gt; one", ["one"]),
        ("> > one", ["one"]),
        ("2023-03-22 09:32:32,123 - INFO - one", ["one"]),
        ("2023-03-22T09:32:32.123456Z one", ["one"]),
        ("[2023-03-22 09:32:32] [WARNING] one", ["one"]),
        ("03/22/2023 09:32:32 - INFO - one", ["one"]),
        ("09:32:32 one", ["one"]),
        ("INFO:root:one", ["root:one"]),
        ("I0322 09:32:32.123456 140123 train.py:98] one", ["one"]),
        ("(train pid=123) one", ["one"]),
        ("[rank0]: one", ["one"]),
        ("[0]\ttrain-rmse:0.5", ["[0]\ttrain-rmse:0.5"]),
        (" - 2s - loss: 0.5", [" - 2s - loss: 0.5"]),
        ("INFORMATION one", ["INFORMATION one"]),
    ],
)
def test_what_is_left_of_a_line(text, lines):
    assert texts(text) == lines


@pytest.mark.parametrize("back", ["\r", "\b\b\b\b", "\b\r", "^H^H^H", "\\x08\\x08", "␈"])
def test_states_that_were_overwritten(back):
    found = [(line.number, line.text, line.overwritten) for line in ConsoleLines([f"first\n10%{back}50%{back}100%\nlast"])]
    assert found == [(1, "first", False), (2, "10%", True), (2, "50%", True), (2, "100%", False), (3, "last", False)]


def test_the_last_state_stays_though_the_cursor_goes_back_once_more():
    assert [(line.text, line.overwritten) for line in ConsoleLines(["10%\b\b\b100%\b\b\b\b\n"])] == [
        ("10%", True),
        ("100%", False),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_may_end_anywhere(size):
    text = "one\r\n10%\b\b\b\b20%\r\x1b[31mtwo\x1b[0m\r\n\r\nthree"
    whole = [line[:3] for line in ConsoleLines([text])]
    assert [line[:3] for line in ConsoleLines(text[i : i + size] for i in range(0, len(text), size))] == whole


def test_lines_are_counted_with_the_empty_ones():
    assert [line.number for line in ConsoleLines(["\n\none\n\ntwo"])] == [3, 5]


def test_a_line_that_is_too_long_is_cut():
    lines = ConsoleLines(["ab " * LONGEST, "cd " * LONGEST, "\nnext\n"])
    assert [len(line.text) <= LONGEST for line in lines] == [True, True]
    assert lines.notes == ("line 1 is too long: what follows its 16,384th character is passed over",)
    assert texts("ab " * LONGEST, "\rnext\n")[-1] == "next"


def test_a_long_run_of_one_character_is_shortened():
    assert texts("[" + "=" * 100_000, "=" * 100_000 + "] end") == ["[" + "=" * 60 + "] end"]


def test_it_is_known_whether_the_last_line_ends():
    for text, is_open in [("one\n", False), ("one\ntwo", True), ("one\r\n", False)]:
        lines = ConsoleLines([text])
        list(lines)
        assert lines.ends_in_the_middle == is_open
