"""From a source to bytes, with every way that it can fail told as a failed case."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from imaging_core.decode.case import CaseError, FailureKind, Limits
from imaging_core.errors import ConfigurationError, DataError, MissingError, TemporaryError, TooLargeError
from imaging_core.store.base import Source

Role = Literal["image", "mask"]

HEAD = 512
"""How many bytes tell a format."""

_MISSING: dict[Role, FailureKind] = {"image": "missing", "mask": "mask_missing"}
_UNREADABLE: dict[Role, FailureKind] = {"image": "unreadable", "mask": "mask_unreadable"}


def read_whole(source: Source, limits: Limits, role: Role = "image") -> bytes:
    """All bytes of ``source``.

    Raises:
        CaseError: nothing is there, it is empty, it is longer than the limit, or the store does not give it.
    """
    with store_failures(role, limits):
        data = source.bytes(limits.encoded_bytes)
    if not data:
        raise CaseError(_UNREADABLE[role], f"the {role} file is empty (zero bytes)")
    return data


def read_head(source: Source, limits: Limits, role: Role = "image") -> bytes:
    """The first :data:`HEAD` bytes of ``source``, or all of a shorter one; CaseError as :func:`read_whole`."""
    with store_failures(role, limits), source.open() as file:
        data = file.read(HEAD)
    if not data:
        raise CaseError(_UNREADABLE[role], f"the {role} file is empty (zero bytes)")
    return data


@contextmanager
def store_failures(role: Role, limits: Limits) -> Iterator[None]:
    """Turns what a store says about one object into a CaseError without its location."""
    try:
        yield
    except MissingError as error:
        raise CaseError(_MISSING[role], f"the {role} is not there") from error
    except TooLargeError as error:
        raise CaseError(
            "too_large", f"the {role} file is longer than {limits.encoded_bytes} bytes (--max-bytes)"
        ) from error
    except DataError as error:
        raise CaseError(_UNREADABLE[role], f"the {role} is not a file") from error
    except ConfigurationError as error:
        raise CaseError("store", f"access to the {role} is denied", temporary=True) from error
    except (TemporaryError, OSError) as error:
        raise CaseError("store", f"the store did not give the {role}", temporary=True) from error
