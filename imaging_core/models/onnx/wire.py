"""How many parts a Protocol Buffers message has, counted without building it.

Two bytes of a hostile file become a hundred of memory when they are an empty part of a message; so a file is counted
before it is parsed. Format: https://protobuf.dev/programming-guides/encoding.
"""

from typing import Any

_FIXED = {1: 8, 5: 4}


def count_fields(data: bytes, kind: Any, most: int) -> int:
    """The number of fields of a message and of all messages in it; counting ends above ``most``.

    Args:
        data: the message.
        kind: its type, a descriptor of the protobuf package.
        most: where to stop.

    Raises:
        ValueError: the bytes are no message.
    """
    count = 0
    left = [(0, len(data), kind)]
    while left:
        position, end, message = left.pop()
        while position < end:
            count += 1
            if count > most:
                return count
            tag, position = _varint(data, position, end)
            match tag & 7:
                case 0:
                    _, position = _varint(data, position, end)
                case 2:
                    length, position = _varint(data, position, end)
                    field = message.fields_by_number.get(tag >> 3)
                    if length and field is not None and field.message_type is not None:
                        left.append((position, position + length, field.message_type))
                    position += length
                case 1 | 5 as fixed:
                    position += _FIXED[fixed]
                case _:
                    raise ValueError("a group, which ONNX does not have")
            if position > end:
                raise ValueError("ends within a field")
    return count


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ValueError("ends within a number, or has one that is too long")
