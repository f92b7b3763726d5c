"""What S3 says, as our errors; and what is tried again: time-outs, resets, 5xx and SlowDown, nothing else."""

from collections.abc import Callable
from typing import TypeVar

import tenacity
import urllib3.exceptions
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from imaging_core.errors import ConfigurationError, InferenceError, MissingError, TemporaryError
from imaging_core.store.location import Location

GIVE_UP_SECONDS = 120
"""How long one request is tried again: longer than a server's restart."""

_MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_BUSY = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
}
_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_FORBIDDEN = 403
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

Result = TypeVar("Result")


def retrying(location: Location, request: Callable[[], Result]) -> Result:
    """Call ``request`` until it succeeds, with growing, jittered pauses, for at most GIVE_UP_SECONDS.

    Raises:
        MissingError: nothing is at the location (404).
        ConfigurationError: access denied, wrong credentials or bucket: at once.
        TemporaryError: still failing after GIVE_UP_SECONDS.
    """
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TemporaryError),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
        stop=tenacity.stop_after_delay(GIVE_UP_SECONDS),
        reraise=True,
    ):
        with attempt:
            try:
                return request()
            except (MinioException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
                raise translate(location, error) from error
            except ValueError as error:  # how the client refuses a bucket's or a key's name
                raise ConfigurationError(f"{location}: {error}") from error
    raise AssertionError("tenacity ends with a result or an error")


def translate(location: Location, error: Exception) -> InferenceError:
    """Our error for what the client raised at ``location``: what is wrong there, and what to do."""
    status = _status(error)
    code = (error.code if isinstance(error, S3Error) else None) or ""
    if code in _MISSING:
        return MissingError(f"{location}: no such object")
    if isinstance(error, urllib3.exceptions.SSLError):
        what = "the server's certificate is not trusted; set AWS_CA_BUNDLE to the file of its authority"
    elif code == "NoSuchBucket":
        what = f"there is no bucket {location.host!r}; create it or mend the location"
    elif code in _CREDENTIALS:
        what = f"the server refuses the credentials ({code}); check AWS_ACCESS_KEY_ID and its secret"
    elif status == _FORBIDDEN:
        what = f"access denied; give these credentials the right to this in bucket {location.host!r}"
    elif status is None or status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS or code in _BUSY:
        said = code or (f"status {status}" if status else type(error).__name__)
        return TemporaryError(f"{location}: the S3 server does not answer as it should ({said}); try again")
    else:
        what = f"the S3 server refuses the request ({code or status})"
    return ConfigurationError(f"{location}: {what}")


def _status(error: Exception) -> int | None:
    if isinstance(error, S3Error):
        return error.response.status
    if isinstance(error, InvalidResponseError):
        return int(error.args[0].partition("Response code: ")[2].partition(",")[0])
    if isinstance(error, ServerError):
        return error.status_code
    return None
