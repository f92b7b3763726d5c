"""What S3 says, as our errors: what another attempt may mend is a TemporaryError, nothing else."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TypeVar

import urllib3.exceptions
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from imaging_core.errors import (
    ChangedError,
    ConfigurationError,
    DeniedError,
    InferenceError,
    MissingError,
    TemporaryError,
)
from imaging_core.store import retry
from imaging_core.store.connection import what_no_retry_mends
from imaging_core.store.location import Location
from imaging_core.store.retry import TRY_AGAIN
from imaging_core.store.s3_client import address, has_credentials
from imaging_core.store.s3_credentials import HOW

_MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_BUSY = {
    "BadDigest",  # the server received other bytes than were sent
    "ContentSHA256Mismatch",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
}
_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidTokenId"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_ELSEWHERE = {"AuthorizationHeaderMalformed", "PermanentRedirect", "Redirect", "TemporaryRedirect"}
_FULL = {"XMinioStorageFull", "InsufficientStorage"}
_FORBIDDEN, _BAD_REQUEST, _PRECONDITION_FAILED = 403, 400, 412
_MOVED = {301, 302, 307, 308}
_TEMPORARY_STATUS = {408, 429, 499}
_SERVER_ERROR, _NEVER = 500, {501, 505}
_REGION = re.compile(r"<Region>([\w-]+)</Region>")

Result = TypeVar("Result")


def retrying(location: Location, request: Callable[[], Result], progress: Callable[[], int] = lambda: 0) -> Result:
    """Call ``request``, which asks the S3 server, until it succeeds; as :func:`imaging_core.store.retry.retrying`.

    Raises:
        MissingError: nothing is at the location (404).
        DeniedError: access to it is denied.
        ChangedError: it is another version than the one asked for.
        ConfigurationError: wrong credentials, endpoint, bucket, certificate: at once.
        TemporaryError, LostError: still failing after a while.
    """

    def attempt() -> Result:
        try:
            return request()
        except (MinioException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
            raise translate(location, error) from error
        except (ET.ParseError, UnicodeDecodeError) as error:
            raise TemporaryError(
                f"{location}: the answer is none of an S3 server; check AWS_ENDPOINT_URL_S3"
            ) from error
        except ValueError as error:  # how the client refuses a bucket's or a key's name
            raise ConfigurationError(f"{location}: {error}") from error

    return retry.retrying(location, attempt, progress)


def translate(location: Location, error: Exception) -> InferenceError:
    """Our error for what the client raised at ``location``: what is wrong there, and what to do."""
    status, code = _status(error), (error.code if isinstance(error, S3Error) else None) or ""
    if code in _MISSING:
        return MissingError(f"{location}: no such object")
    if code == "PreconditionFailed" or status == _PRECONDITION_FAILED:
        return ChangedError(f"{location}: was replaced while it was read; try again")
    if what := what_no_retry_mends(error, "AWS_CA_BUNDLE"):
        return ConfigurationError(f"{location}: {what}")
    if code in _FULL:
        return TemporaryError(f"{location}: the S3 server has no space left; free some, then run the same again")
    if _is_temporary(status, code):
        said = code or (f"status {status}" if status else type(error).__name__)
        return TemporaryError(
            f"{location}: the S3 server at {address()} does not answer as it should ({said}){TRY_AGAIN}"
        )
    if what := _wrong_everywhere(location, code, status, error):
        return ConfigurationError(f"{location}: {what}")
    if status == _FORBIDDEN:
        return DeniedError(
            f"{location}: access denied; give these credentials the right to this in bucket {location.host!r}"
        )
    return ConfigurationError(f"{location}: the S3 server refuses the request ({code or status})")


def _is_temporary(status: int | None, code: str) -> bool:
    if status is None or code in _BUSY or status in _TEMPORARY_STATUS:
        return True
    return status >= _SERVER_ERROR and status not in _NEVER


def _wrong_everywhere(location: Location, code: str, status: int | None, error: Exception) -> str | None:
    """What is wrong with more than this object."""
    if code == "NoSuchBucket":
        return f"there is no bucket {location.host!r}; create it or mend the location"
    if code in _EXPIRED:
        return "the session token has expired; get new credentials, then run the same again"
    if code in _CREDENTIALS:
        return f"the server refuses the credentials ({code}); check AWS_ACCESS_KEY_ID and its secret"
    if code == "RequestTimeTooSkewed":
        return "this machine's clock and the server's differ by more than S3 allows; set it (NTP)"
    region = _region(error)
    if code in _ELSEWHERE or status in _MOVED or (region and status == _BAD_REQUEST):
        return f"the bucket is served elsewhere; set AWS_REGION{f'={region}' if region else ' to its region'}"
    if status == _FORBIDDEN and not has_credentials():
        return f"access denied, and there are no S3 credentials: {HOW}"
    return None


def _region(error: Exception) -> str | None:
    """The region that the server says the bucket is in."""
    if not isinstance(error, S3Error):
        return None
    named = _REGION.search((error.response.data or b"").decode(errors="replace"))
    return error.response.headers.get("x-amz-bucket-region") or (named and named[1])


def _status(error: Exception) -> int | None:
    if isinstance(error, S3Error):
        return error.response.status
    if isinstance(error, InvalidResponseError):
        return int(error.args[0].partition("Response code: ")[2].partition(",")[0])
    if isinstance(error, ServerError):
        return error.status_code
    return None
