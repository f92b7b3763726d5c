"""The process in which OpenSlide works, run as a file: what crashes its C code ends this process alone.

A request is JSON with its length before it: ``["open", path]`` is answered with what the slide says of itself, as JSON,
``["read", x, y, level, width, height]`` with RGB pixels, ``["close"]`` with nothing. An answer begins with one byte
that says how it went, and its length.
"""

import json
import signal
import struct
import sys
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from openslide import OpenSlide

REQUEST, ANSWER = struct.Struct(">I"), struct.Struct(">cQ")
DONE, UNSUPPORTED, DAMAGED, NO_MEMORY = b"d", b"u", b"e", b"m"
_MPP = "openslide.mpp-y", "openslide.mpp-x"


class Desk:
    """Answers requests about one slide after the other."""

    def __init__(self) -> None:
        self._slide: OpenSlide | None = None

    def answer(self, request: list[Any]) -> tuple[bytes, bytes]:
        """How it went, and what was asked for."""
        import openslide  # not in the process that asks, which takes only names from here

        try:
            match request:
                case ["open", path]:
                    return DONE, self._open(openslide.OpenSlide(path))
                case ["read", x, y, level, width, height]:
                    return DONE, self._read((x, y), level, (width, height))
                case _:
                    return DONE, self._close()
        except openslide.OpenSlideUnsupportedFormatError:
            return UNSUPPORTED, b""
        except openslide.OpenSlideError:
            return DAMAGED, b""
        except MemoryError:
            return NO_MEMORY, b""

    def _open(self, slide: "OpenSlide") -> bytes:
        self._slide = slide
        mpp = [slide.properties.get(name) for name in _MPP]
        return json.dumps([slide.level_dimensions, slide.level_downsamples, mpp]).encode()

    def _read(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> bytes:
        if self._slide is None:
            raise ValueError("no slide is open")
        region = self._slide.read_region(place, level, size)
        white = Image.new("RGB", region.size, "white")
        white.paste(region, mask=region.getchannel("A"))
        return white.tobytes()

    def _close(self) -> bytes:
        if self._slide is not None:
            self._slide.close()
        self._slide = None
        return b""


def main() -> None:
    """Answer until standard input ends, as it does when the process that asks has ended in whatever way."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    desk = Desk()
    while head := sys.stdin.buffer.read(REQUEST.size):
        (length,) = REQUEST.unpack(head)
        how, data = desk.answer(json.loads(sys.stdin.buffer.read(length)))
        sys.stdout.buffer.write(ANSWER.pack(how, len(data)))
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
