"""``python tied.py PARENT COMMAND …``: becomes COMMAND, which gets SIGTERM when PARENT ends, even by SIGKILL.

The local engine starts every step through this file, so that no step goes on when the engine is gone. Linux only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

parent, command = int(sys.argv[1]), sys.argv[2:]
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != parent:  # it ended before the line above
    sys.exit(143)
try:
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
except OSError as error:
    sys.exit(f"error: {command[0]}: {error.strerror}")
