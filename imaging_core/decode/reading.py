"""From a source to bytes: what is wrong with one file is told as a failed case, what ails its store ends the step."""

import errno
from typing import Literal

from imaging_core.decode.case import CaseError, FailureKind, Limits
from imaging_core.errors import (
    ConfigurationError,
    DamagedError,
    DataError,
    DeniedError,
    LostError,
    MissingError,
    TemporaryError,
    TooLargeError,
)
from imaging_core.store import Location
from imaging_core.store.base import Source
from imaging_core.store.memory import MemorySource

Role = Literal["image", "mask"]

HEAD = 512
"""How many bytes tell a format."""

_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}

_MISSING: dict[Role, FailureKind] = {"image": "missing", "mask": "mask_missing"}
_UNREADABLE: dict[Role, FailureKind] = {"image": "unreadable", "mask": "mask_unreadable"}


def read_whole(source: Source, limits: Limits, role: Role = "image") -> bytes:
    """All bytes of ``source``. Raises as :func:`store_failures`; CaseError too when it is empty."""
    try:
        data = source.bytes(limits.encoded_bytes)
    except Exception:
        with store_failures(source.location, role, limits):
            raise
    if not data:
        raise CaseError(_UNREADABLE[role], f"the {role} file is empty (zero bytes)")
    return data


def read_head(source: Source, limits: Limits, role: Role = "image") -> bytes:
    """The first :data:`HEAD` bytes of ``source``, or all of a shorter one. Raises as :func:`read_whole`."""
    if isinstance(source, MemorySource):
        return read_whole(source, limits, role)[:HEAD]
    with store_failures(source.location, role, limits), source.open(limits.encoded_bytes) as file:
        data = file.read(HEAD)
    if not data:
        raise CaseError(_UNREADABLE[role], f"the {role} file is empty (zero bytes)")
    return data


class store_failures:  # noqa: N801 - reads as a statement
    """Turns what a store says about one object into errors that do not name it.

    Raises:
        CaseError: nothing is there, it is too long, damaged, not open to these credentials, or does not come although
            others do.
        LostError: the store gives nothing any more.
        ConfigurationError: the store cannot be used: credentials, bucket, certificate, address.
        OSError: the disk that objects are spooled to is full.
    """

    def __init__(self, location: Location, role: Role, limits: Limits) -> None:
        self._location, self._role, self._limits = location, role, limits

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        role, limits = self._role, self._limits
        match error:
            case MissingError():
                raise CaseError(_MISSING[role], f"the {role} is not there") from error
            case TooLargeError():
                raise CaseError(
                    "too_large", f"the {role} file is longer than {limits.encoded_bytes} bytes (--max-bytes)"
                ) from error
            case DamagedError():
                raise CaseError(
                    _UNREADABLE[role], f"the {role} is damaged: its bytes do not fit their checksum"
                ) from error
            case DataError():
                raise CaseError(_UNREADABLE[role], f"the {role} is not a file") from error
            case DeniedError():
                raise CaseError("store", f"access to the {role} is denied", temporary=True) from error
            case ConfigurationError() | LostError():
                message = _nameless(str(error), self._location)
                raise type(error)(f"{role}s on {self._location.store}: {message}") from error
            case OSError() if error.errno in _DISK_IS_FULL:
                return
            case TemporaryError() | OSError():
                raise CaseError("store", f"the store did not give the {role}", temporary=True) from error


class codec_failures:  # noqa: N801 - reads as a statement
    """Turns whatever a codec raises on damaged data into CaseError: unreadable, or out_of_memory."""

    def __init__(self, form: str, role: Role) -> None:
        self._form, self._role = form, role

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, CaseError) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError) or "memory" in str(error).lower():  # C libraries have words of their own
            raise CaseError("out_of_memory", f"no memory left to decode this {self._form} {self._role}") from error
        raise CaseError("unreadable", f"the {self._form} data is truncated or damaged") from error


def _nameless(message: str, location: Location) -> str:
    """What a message says about a location, without it: its name may be a patient's."""
    return message.removeprefix(f"{location.shown}: ")
