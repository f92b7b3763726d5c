"""From the bytes of a dataset file to its text: what is refused before any parser sees it."""

from imaging_core.errors import DataError

MOST_ITEMS = 10_000_000
"""Lines and commas of a file: they bound how many values it can hold, and so the memory that it takes."""

_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"


def to_text(data: bytes, where: str) -> str:
    """The text, each line ended by a line feed; DataError for what is not a text, or too big a one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{where}:{line}: not UTF-8 text; is this a dataset file? Save it as UTF-8") from error
    if len(data.translate(None, _CONTROL)) < len(data):
        first = min(place for place in map(data.find, map(bytes, zip(_CONTROL, strict=True))) if place >= 0)
        line = data.count(b"\n", 0, first) + 1
        raise DataError(f"{where}:{line}: holds control characters, so it is not a text file; is this a dataset file?")
    if data.count(b"\n") + data.count(b",") > MOST_ITEMS:
        raise DataError(f"{where}: more than {MOST_ITEMS} lines and list items; make several dataset files of it")
    if b"\r" in data:
        text = text.replace("\r\n", "\n")
    return text if text.endswith("\n") else text + "\n"
