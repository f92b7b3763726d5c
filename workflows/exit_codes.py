"""The exit code of a run whose steps have failed."""

from collections.abc import Sequence

from imaging_core.errors import EXIT_CONFIGURATION, EXIT_DATA, EXIT_TEMPORARY

PASSED_ON = (EXIT_CONFIGURATION, EXIT_DATA, EXIT_TEMPORARY)
"""Why a step failed says more than that gather then found the result incomplete."""


def of_failed(codes: Sequence[int]) -> int:
    """The exit code of the run, from those of the steps that failed, in their order; at least one."""
    return next((code for code in PASSED_ON if code in codes), codes[-1])
