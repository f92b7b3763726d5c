"""S3 credentials: variables, a profile of ``~/.aws``, a pod's own identity; without any, requests are anonymous."""

import os
import re
import threading
from collections.abc import Callable

from minio.credentials.credentials import Credentials
from minio.credentials.providers import EnvAWSProvider, IamAwsProvider, Provider
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from imaging_core.errors import ConfigurationError, TemporaryError
from imaging_core.store.s3_profile import Profile, profile_files, read_profile

HOW = "set AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (of ~/.aws/credentials)"

_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_OWN_IDENTITY = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_STS, _CONTAINER = "https://sts.amazonaws.com", "http://169.254.170.2"
_STATUS = re.compile(r"HTTP status code (\d+)$")


def find_credentials(profile: Profile, pool_for: Callable[[str], PoolManager]) -> Provider | None:
    """Where requests get their keys from; None when there are none.

    Args:
        profile: of AWS's files.
        pool_for: makes connections to a URL: that of the service that knows a pod's identity.

    Raises:
        ConfigurationError: a key without its other half, or a profile whose keys come from somewhere else.
    """
    given = {name: bool(os.environ.get(name)) for name in (_KEY, _SECRET)}
    if all(given.values()):
        return EnvAWSProvider()
    if any(given.values()):
        there, absent = sorted(given, key=lambda name: not given[name])
        raise ConfigurationError(f"{there} is set without {absent}; set both or neither")
    if profile.get("aws_access_key_id") and profile.get("aws_secret_access_key"):
        return _ProfileKeys()
    if any(os.environ.get(name) for name in _OWN_IDENTITY):
        sts, _, given_url = (os.environ.get(name) for name in _OWN_IDENTITY)
        return _OwnIdentity(pool_for(_STS if sts else given_url or _CONTAINER))
    if profile.keys_elsewhere:
        raise ConfigurationError(
            f"profile {profile.name!r} takes its S3 credentials from {profile.keys_elsewhere}, which is not asked "
            f"here; run aws configure export-credentials --profile {profile.name} --format env, and set what it prints"
        )
    return None


class _ProfileKeys(Provider):
    """The keys of the profile, read again when a file changed: a session token that is renewed there is taken up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[list[tuple[int, int] | None], Credentials] | None = None

    def retrieve(self) -> Credentials:
        with self._lock:
            state = [_state_of(str(path)) for path in profile_files()]
            if self._read is None or self._read[0] != state:
                self._read = state, _keys_of(read_profile())
            return self._read[1]


def _keys_of(profile: Profile) -> Credentials:
    key, secret = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
    if key is None or secret is None:
        raise ConfigurationError(f"profile {profile.name!r} holds no S3 credentials any more; {HOW}")
    return Credentials(key, secret, session_token=profile.get("aws_session_token"))


class _OwnIdentity(Provider):
    """What the service that knows this pod says, asked again when it expires; its errors, which quote tokens, stay."""

    def __init__(self, http: PoolManager) -> None:
        self._lock = threading.Lock()
        self._service = IamAwsProvider(http_client=http)

    def retrieve(self) -> Credentials:
        try:
            with self._lock:
                return self._service.retrieve()
        except (ConnectionError, TimeoutError, HTTPError):
            raise
        except Exception as error:  # the client library raises what its parsers raise
            status = _STATUS.search(str(error))
            said = f"HTTP {status[1]}" if status else type(error).__name__
            if status and int(status[1]) >= 500:
                raise TemporaryError(f"the service of this pod's identity does not answer ({said})") from None
            raise ConfigurationError(
                f"the service of this pod's identity gives no S3 credentials ({said}); check its role, or {HOW}"
            ) from None


def _state_of(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - asked before every request
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
