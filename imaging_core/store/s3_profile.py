"""A profile of AWS's usual files, ``~/.aws/config`` and ``~/.aws/credentials``."""

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imaging_core.errors import ConfigurationError

DEFAULT = "default"

_ELSEWHERE = ("sso_session", "sso_start_url", "role_arn", "credential_process")
"""Settings that say that the keys come from somewhere that this project does not ask."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile.

    Attributes:
        name: AWS_PROFILE, or ``default``.
        settings: of both files; the credentials file's come first.
        s3: settings of S3 in the section ``services`` that the profile names.
    """

    name: str
    settings: Mapping[str, str]
    s3: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """A setting; None where it is absent or empty."""
        return self.settings.get(name) or None

    @property
    def endpoint_url(self) -> str | None:
        """The address of the S3 server, if the profile names one."""
        return self.s3.get("endpoint_url") or self.get("endpoint_url")

    @property
    def keys_elsewhere(self) -> str | None:
        """The setting by which the profile takes its keys from somewhere that is not asked here."""
        return next((name for name in _ELSEWHERE if self.get(name)), None)


def profile_files() -> tuple[Path, Path]:
    """Where the config file and the credentials file lie; they need not be there."""
    return _place("AWS_CONFIG_FILE", "~/.aws/config"), _place("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")


def read_profile() -> Profile:
    """The profile that AWS_PROFILE names, or the default one, which may be empty.

    Raises:
        ConfigurationError: a file cannot be parsed, or AWS_PROFILE names a profile that is in neither.
    """
    asked = os.environ.get("AWS_PROFILE")
    name = asked or DEFAULT
    config, credentials = (_parsed(path) for path in profile_files())
    found = [_section(config, f"profile {name}"), _section(credentials, name)]
    if name == DEFAULT:
        found.insert(0, _section(config, DEFAULT))
    if asked and not any(found):
        raise ConfigurationError(
            f"AWS_PROFILE={asked}: there is no such profile in {' or '.join(map(str, profile_files()))}"
        )
    settings = {key: value for each in found for key, value in each.items()}
    services = _section(config, f"services {settings.get('services', '')}")
    return Profile(name, settings, _nested(services.get("s3", "")))


def _place(variable: str, usual: str) -> Path:
    return Path(os.path.expanduser(os.environ.get(variable) or usual))  # noqa: PTH111 - a container may have no home


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: not readable ({type(error).__name__}); mend it, or set AWS_REGION and the keys by variables"
        ) from error
    return parser


def _section(parser: configparser.RawConfigParser, name: str) -> dict[str, str]:
    return dict(parser[name]) if parser.has_section(name) else {}


def _nested(text: str) -> dict[str, str]:
    """The indented lines of a setting, ``name = value`` each."""
    parts = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in parts}
