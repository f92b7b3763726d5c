"""A step's output parameters: one small file each, which Argo shows in its UI and hands on."""

from collections.abc import Mapping
from pathlib import Path

from imaging_core.errors import ConfigurationError

HELP = "write what the step says in numbers there, one small file each; for Argo"


def write_outputs(folder: Path | None, values: Mapping[str, str | bytes]) -> None:
    """Write each value to the file of its name, a path below ``folder``; None writes nothing.

    Raises:
        ConfigurationError: one cannot be written.
    """
    if folder is None:
        return
    for name, value in values.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value if isinstance(value, bytes) else value.encode())
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; give another --outputs") from error
