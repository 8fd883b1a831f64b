"""How long it takes to read large logs: 20,000 TensorBoard scalars, a CSV of 100 MB, JSON lines of 50 MB.

python benchmarks/logs_files_speed.py
"""

from __future__ import annotations

import json
import random
import resource
import struct
import tempfile
import time
from pathlib import Path

import numpy as np

from whygap.logs.crc32c import crc32c
from whygap.logs.files import FILES
from whygap.logs.source import Source

MB = 1_000_000


def varint(value: int) -> bytes:
    """Return a number as a varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def masked(text: bytes) -> bytes:
    """Return a record file's checksum of a text."""
    crc = int(crc32c(np.frombuffer(text, np.uint8), np.array([0]), np.array([len(text)]))[0])
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def event_file(path: Path, scalars: int) -> None:
    """Write scalars of two tags as TensorFlow 1 and PyTorch do."""
    with path.open("wb") as file:
        for k in range(-1, scalars):
            tag = (b"Loss/train", b"Loss/valid")[k % 2]
            value = b"\x0a" + varint(len(tag)) + tag + b"\x15" + struct.pack("<f", 1 / (k + 2))
            summary = b"\x0a" + varint(len(value)) + value
            event = b"\x09" + struct.pack("<d", 1e9 + k)
            event += b"\x1a\x0dbrain.Event:2" if k < 0 else b"\x10" + varint(k // 2) + b"\x2a" + varint(len(summary)) + summary
            length = struct.pack("<Q", len(event))
            file.write(length + masked(length) + event + masked(event))


def csv(path: Path, size: int) -> None:
    """Write rows of eight numbers with a header."""
    with path.open("w") as file:
        file.write("epoch,loss,accuracy,val_loss,val_accuracy,f1,val_f1,lr\n")
        epoch = 0
        while file.tell() < size:
            rows = []
            for _ in range(1000):
                rows.append(",".join([str(epoch), *(f"{random.random():.9f}" for _ in range(7))]))
                epoch += 1
            file.write("\n".join(rows) + "\n")


def json_lines(path: Path, size: int) -> None:
    """Write records of five numbers."""
    with path.open("w") as file:
        step = 0
        while file.tell() < size:
            record = {"epoch": step / 1000, "step": step, "loss": random.random(), "grad_norm": random.random(), "lr": 1e-3}
            file.write(json.dumps(record) + "\n")
            step += 1


def main() -> None:
    """Print the time for each."""
    random.seed(1)
    cases = [
        ("20,000 scalars", event_file, 20_000),
        ("CSV of 100 MB", csv, 100 * MB),
        ("JSON lines of 50 MB", json_lines, 50 * MB),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, write, size in cases:
            path = Path(folder) / "log"
            write(path, size)
            begun, used = time.perf_counter(), time.process_time()
            source = Source(path)
            reader = next(reader for reader in FILES if reader.matches(source))
            runs = reader.read(source)
            took, used = time.perf_counter() - begun, time.process_time() - used
            numbers = sum(series.value.size for run in runs for series in run.series)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            timed = f"{took:6.2f} s ({used:.2f} s of CPU)"
            print(f"{name:20} {reader.format:12} {timed}  {numbers:10,} numbers  peak so far {peak:,.0f} MB")


if __name__ == "__main__":
    main()
