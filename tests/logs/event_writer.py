"""Event files by the format's description, and checksums by their definition: what the reader is held against."""

import struct


def slow_crc32c(text):
    """Return the CRC-32C of a text, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def varint(value):
    """Return an int64 as a varint."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def part(number, content):
    """Return a field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def scalar(tag, value):
    """Return a value of a summary as TensorFlow 1 writes it."""
    return part(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value)


def tensor(tag, content):
    """Return a value of a summary with a tensor as TensorFlow 2 writes it."""
    return part(1, tag.encode()) + part(8, content) + part(9, part(1, part(1, b"scalars")))


def event(step, *values):
    """Return an event."""
    summary = b"".join(part(1, value) for value in values)
    return varint(1 << 3 | 1) + struct.pack("<d", 1e9) + varint(2 << 3) + varint(step) + part(5, summary)


VERSION = varint(1 << 3 | 1) + struct.pack("<d", 1e9) + part(3, b"brain.Event:2")


def record(message):
    """Return a message in its frame."""

    def masked(text):
        crc = slow_crc32c(text)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(message))
    return length + masked(length) + message + masked(message)


def event_file(path, *events):
    """Write events to a file, the format's version first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(record, (VERSION, *events))))
