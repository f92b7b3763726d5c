"""Names for what a file is when no decoder here reads it."""

_BY_START: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"NRRD", "NRRD"),
    (b"\x89HDF", "HDF5"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP"),
    (b"%PDF", "PDF"),
    (b"P1\n", "PNM"), (b"P2\n", "PNM"), (b"P3\n", "PNM"), (b"P4\n", "PNM"), (b"P5\n", "PNM"), (b"P6\n", "PNM"),
)  # fmt: skip
_TEXT_CONTROLS = {7, 8, 9, 10, 12, 13, 27}


def describe(head: bytes) -> str | None:
    """The name of a known file format that starts with these bytes, ``"text"``, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"heic": "HEIC"}.get(head[8:12], "ISO media (video or HEIC)")
    for start, name in _BY_START:
        if head.startswith(start):
            return name
    if not any(byte < 32 and byte not in _TEXT_CONTROLS for byte in head):
        return "text"
    return None
