"""UIDs that the same content gives again: a UUID from a SHA-256 as a UID below 2.25 (PS3.5 B.2)."""

import hashlib
import uuid


def derived_uid(what: str, *parts: str | bytes) -> str:
    """The UID of a thing of this kind that is made of these parts."""
    digest = hashlib.sha256(what.encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"2.25.{uuid.UUID(bytes=digest.digest()[:16], version=5).int}"
