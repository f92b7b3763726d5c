"""Whether the network said numbers."""

from collections.abc import Sequence

from imaging_core.decode.case import CaseError


def check_finite(finite: Sequence[bool]) -> None:
    """CaseError when the network returned NaN or infinite values for an input; each has a flag."""
    bad = finite.count(False)
    if bad:
        inputs = "" if len(finite) == 1 else f" for {bad} of {len(finite)} inputs"
        raise CaseError("not_finite", f"the model returned NaN or infinite values{inputs}")
