"""Writing large S3 objects in parts: whole or absent, and no part is left behind."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error

from imaging_core.errors import InferenceError, MissingError, TemporaryError
from imaging_core.store.base import Data
from imaging_core.store.location import Location
from imaging_core.store.s3_client import client
from imaging_core.store.s3_read import SHA256, first_bytes
from imaging_core.store.s3_retry import retrying

PART_BYTES = 16 * 1024 * 1024
MOST_PARTS = 10_000
"""What S3 allows."""

BEGINNINGS = 3
"""How often an upload that vanished, as when a second writer of the same object was faster, is begun anew."""

Result = TypeVar("Result")


class _VanishedError(Exception):
    """The server does not know the upload: it was aborted, or it is complete."""


def upload(location: Location, data: Data, sha256: str) -> None:
    """Write an object in parts, each tried again by itself; nothing is visible before all of it is.

    What is begun and not completed is aborted, and so is what killed writers of the same object have left.

    Raises:
        TemporaryError: it could not be written.
    """
    for _ in range(BEGINNINGS):
        with suppress(_VanishedError):
            _upload(location, data, sha256)
        # The answer to its completion may be lost, or say 200 first and then what went wrong.
        if _is_there(location, len(data), sha256):
            return _abort_others(location)
    raise TemporaryError(f"{location}: another process writes it at the same time; try again")


def _upload(location: Location, data: Data, sha256: str) -> None:
    bucket, key = location.host, location.key
    headers: dict[str, str | list[str] | tuple[str]] = {f"x-amz-meta-{SHA256}": sha256}
    upload_id = retrying(location, lambda: client()._create_multipart_upload(bucket, key, headers))
    try:
        step = max(PART_BYTES, -(-len(data) // MOST_PARTS))
        parts = []
        for number, start in enumerate(range(0, len(data), step), start=1):
            send = partial(_send_part, location, data[start : start + step], upload_id, number)
            parts.append(Part(number, _retrying(location, send)))
        _retrying(location, lambda: client()._complete_multipart_upload(bucket, key, upload_id, parts))
    except BaseException:
        with suppress(Exception):  # a lost server takes no abort; whoever writes this object next does it
            client()._abort_multipart_upload(bucket, key, upload_id)
        raise


def _send_part(location: Location, data: bytes, upload_id: str, number: int) -> str:
    return client()._upload_part(location.host, location.key, data, None, upload_id, number)


def _retrying(location: Location, request: Callable[[], Result]) -> Result:
    """As :func:`retrying`, but _VanishedError when the server does not know the upload."""

    def attempt() -> Result:
        try:
            return request()
        except S3Error as error:
            if error.code == "NoSuchUpload":
                raise _VanishedError from error
            raise

    return retrying(location, attempt)


def _is_there(location: Location, size: int, sha256: str) -> bool:
    try:
        _, head = first_bytes(location, 1)
    except MissingError:
        return False
    return (head.size, head.sha256) == (size, sha256)


def _abort_others(location: Location) -> None:
    """Abort what writers that were killed have left of this object; for tidiness only, so that it may fail."""
    with suppress(InferenceError):
        retrying(location, lambda: _abort_all(client(), location.host, location.key))


def _abort_all(server: Minio, bucket: str, key: str) -> None:
    for each in server._list_multipart_uploads(bucket, prefix=key).uploads:
        if each.object_name == key and each.upload_id:
            server._abort_multipart_upload(bucket, key, each.upload_id)
