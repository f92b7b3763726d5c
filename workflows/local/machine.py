"""What this machine offers: cores and GPUs, without importing torch."""

import os
import re
import shutil
import subprocess
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """The cores that this process may use: its affinity, and its container's limit (cgroup v2) where there is one."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = _CGROUP.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def gpus() -> list[str]:
    """The GPUs that a step may use, as ``CUDA_VISIBLE_DEVICES`` names them.

    That variable's own list when it is set, else what ``nvidia-smi -L`` shows. A GPU that is cut up (MIG) counts once
    per instance.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        devices = [device.strip() for device in listed.split(",")]
        # CUDA stops at the first name that it does not know; -1 and the empty name are the usual ways to say "none".
        return devices[: next((i for i, device in enumerate(devices) if device in ("", "-1")), len(devices))]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        shown = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[str] = []
    for line in shown.splitlines():
        if gpu := re.match(r"GPU (\d+):", line):
            found.append(gpu[1])
        elif instance := re.search(r"MIG .*\(UUID: (MIG-[^)]+)\)", line):
            if found and found[-1].isdigit():
                found.pop()
            found.append(instance[1])
    return found
