"""Event files: every number, to the damage; and which folders make a run."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs.event_writer import event, event_file, record, scalar, slow_crc32c, tensor, varint

from whygap.errors import InputError
from whygap.logs import event_file as reading
from whygap.logs.crc32c import BLOCK, crc32c
from whygap.logs.event_file import read_points
from whygap.logs.protobuf import fields_in
from whygap.logs.source import Source
from whygap.logs.tensorboard import READER


def read(path):
    source = Source(path)
    assert READER.matches(source)
    return READER.read(source)


def write(path, tag_values, first=0):
    """Write the values of each tag, a step each."""
    rows = zip(*tag_values.values(), strict=True)
    event_file(path, *(event(first + k, *map(scalar, tag_values, row)) for k, row in enumerate(rows)))


@given(
    st.binary(max_size=3 * BLOCK),
    st.lists(st.tuples(st.integers(0, 3 * BLOCK), st.integers(0, 3 * BLOCK)), min_size=1, max_size=8),
)
def test_the_checksum_of_any_parts(text, ends):
    ends = [sorted((min(a, len(text)), min(b, len(text)))) for a, b in ends]
    start, end = np.array(ends, dtype=np.int64).T
    found = crc32c(np.frombuffer(text, np.uint8), start, end - start)
    assert found.tolist() == [slow_crc32c(text[a:b]) for a, b in ends]


@pytest.mark.parametrize("field", [b"\x08\x96\x01", b"\x12\x02ab", b"\x0d" + b"abcd", b"\x09" + b"abcdefgh"])
def test_a_field_that_is_cut_is_no_message(field):
    assert len(fields_in(field, 0, len(field))) == 1
    for end in range(1, len(field)):
        with pytest.raises(ValueError, match="end"):
            fields_in(field[:end], 0, end)


@pytest.mark.parametrize("message", [b"\x0b", b"\x0f", b"\xff" * 12])
def test_what_is_no_message(message):
    with pytest.raises(ValueError, match=r"wire|end"):
        fields_in(message, 0, len(message))


FLOAT, DOUBLE, INT, LONG, HALF, TEXT = 1, 2, 3, 9, 19, 7
DTYPE = varint(1 << 3)
LIST = varint(5 << 3 | 2) + varint(4)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (DTYPE + bytes([FLOAT]) + b"\x12\x00\x22\x04" + struct.pack("<f", 0.5), 0.5),
        (DTYPE + bytes([FLOAT]) + LIST + struct.pack("<f", 0.5), 0.5),
        (DTYPE + bytes([FLOAT]) + varint(5 << 3 | 5) + struct.pack("<f", 0.5), 0.5),
        (DTYPE + bytes([DOUBLE]) + b"\x22\x08" + struct.pack("<d", 1 / 3), 1 / 3),
        (DTYPE + bytes([HALF]) + b"\x22\x02" + np.float16(0.25).tobytes(), 0.25),
        (DTYPE + bytes([LONG]) + varint(10 << 3) + varint(-7), -7.0),
        (DTYPE + bytes([INT]) + varint(7 << 3) + varint(7), 7.0),
        (DTYPE + bytes([FLOAT]) + b"\x22\x08" + struct.pack("<ff", 0.5, 0.5), None),
        (DTYPE + bytes([TEXT]) + b"\x42\x04text", None),
        (b"", None),
    ],
)
def test_a_scalar_as_a_tensor(tmp_path, content, value):
    event_file(tmp_path / "events", event(3, tensor("loss", content)))
    points = read_points(Source(tmp_path / "events"))
    assert points.value == ([] if value is None else [value])
    assert points.damage is None


def test_all_points_are_read_in_whatever_pieces(tmp_path, monkeypatch):
    write(tmp_path / "events", {"loss": np.arange(2000.0), "val_loss": np.arange(2000.0)})
    monkeypatch.setattr(reading, "PIECE", 1000)
    (run,) = read(tmp_path / "events")
    assert run.of("loss", "train").value.tolist() == list(range(2000))
    assert run.of("loss", "valid").step.tolist() == list(range(2000))


def test_negative_steps_are_signed(tmp_path):
    event_file(tmp_path / "events", event(-1, scalar("loss", 1)), event(2, scalar("loss", 1)))
    assert read_points(Source(tmp_path / "events")).step == [-1, 2]


def test_a_cut_tail_is_read_up_to_the_damage_and_said(tmp_path):
    path = tmp_path / "events"
    write(path, {"Loss/train": [3.0, 2.0, 1.0], "Loss/valid": [3.0, 2.0, 1.0]})
    content = path.read_bytes()
    last = content[: -len(record(event(2, scalar("Loss/train", 1), scalar("Loss/valid", 1))))]
    for end in range(len(last) + 1, len(content), 7):
        path.write_bytes(content[:end])
        (run,) = read(path)
        assert run.of("loss", "train").value.tolist() == [3, 2]
        assert run.notes[-1].endswith(f"is damaged at byte {len(last)}: it was read up to there")


@pytest.mark.parametrize("place", [0, 5, 9, 20, -3])
def test_a_wrong_bit_is_found(tmp_path, place):
    path = tmp_path / "events"
    good = [event(k, scalar("loss", k), scalar("val_loss", k)) for k in range(6)]
    event_file(path, *good)
    content, begun = bytearray(path.read_bytes()), len(path.read_bytes()) - 3 * len(record(good[0]))
    content[begun + place % len(record(good[0]))] ^= 4
    path.write_bytes(content)
    (run,) = read(path)
    assert run.of("loss", "train").value.tolist() == [0, 1, 2]
    assert f"byte {begun}:" in run.notes[-1]


def test_damage_before_any_number_is_an_error(tmp_path):
    path = tmp_path / "events"
    write(path, {"loss": [1.0]})
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="events is damaged at byte 40"):
        read(path)


@pytest.mark.parametrize(
    ("train", "valid"),
    [("train", "validation"), ("Loss_train", "Loss_valid"), ("Loss/train", "Loss/valid"), ("a/train", "a/val")],
)
def test_folders_that_are_splits_make_one_run(tmp_path, train, valid):
    write(tmp_path / train / "events.out.tfevents.1", {"Loss": [3.0, 2.0]})
    write(tmp_path / valid / "events.out.tfevents.1", {"Loss": [4.0, 3.0]})
    (run,) = read(tmp_path)
    assert run.name == ("a" if train.startswith("a") else "")
    assert run.of("loss", "train").value.tolist() == [3, 2]
    assert run.of("loss", "valid").value.tolist() == [4, 3]


def test_other_folders_are_runs(tmp_path):
    for name in ("one", "two/deeper"):
        write(tmp_path / name / "events.out.tfevents.1", {"loss": [3.0, 2.0], "val_loss": [3.0, 2.0]})
    assert [run.name for run in read(tmp_path)] == ["one", "two/deeper"]


def test_a_file_that_goes_on_is_the_same_run_and_one_that_starts_again_another(tmp_path):
    scores = {"loss": [3.0, 2.0], "val_loss": [3.0, 2.0]}
    for k, first in enumerate((0, 2, 0)):
        write(tmp_path / f"events.out.tfevents.{k}", scores, first)
    first, second = read(tmp_path)
    assert (first.name, second.name) == ("1", "2")
    assert first.of("loss", "train").epoch.tolist() == [1, 2, 3, 4]
    assert second.of("loss", "train").value.tolist() == [3, 2]


def test_the_tag_epoch_places_steps(tmp_path):
    events = [event(9, scalar("epoch", 0), scalar("val_loss", 3)), event(19, scalar("epoch", 1), scalar("val_loss", 2))]
    events[1:1] = [event(14, scalar("epoch", 1), scalar("train_loss_step", 2))]
    events[0:0] = [event(4, scalar("epoch", 0), scalar("train_loss_step", 3))]
    event_file(tmp_path / "events", *events)
    (run,) = read(tmp_path / "events")
    assert run.framework == "lightning"
    assert run.of("loss", "train").epoch.tolist() == [0.5, 1.5]
    assert run.of("loss", "valid").epoch.tolist() == [1, 2]


def test_points_without_steps_are_in_their_order(tmp_path):
    event_file(tmp_path / "events", *(event(0, scalar("loss", k), scalar("val_loss", k)) for k in range(3)))
    (run,) = read(tmp_path / "events")
    assert run.of("loss", "train").epoch.tolist() == [1, 2, 3]
    assert run.of("loss", "train").step is None


def test_keras_by_batches_too(tmp_path):
    for split in ("train", "validation"):
        events = [event(k, scalar("epoch_loss", 3 - k)) for k in range(2)]
        if split == "train":
            events[:0] = [event(k, scalar("batch_loss", 9)) for k in range(1, 9)]
        else:
            events[:0] = [event(4 * k, scalar("evaluation_loss_vs_iterations", 3 - k)) for k in (1, 2)]
        event_file(tmp_path / split / "events.out.tfevents.1", *events)
    (run,) = read(tmp_path)
    assert run.framework == "keras"
    assert run.facts == {"steps_per_epoch": 4}
    assert run.of("loss", "train").epoch.tolist() == [1, 2]
    assert [s.step.tolist() for s in run.series if s.grain == "step"] == [list(range(1, 9))]
