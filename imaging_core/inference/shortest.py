"""The shortest decimals of float32 values, many at once: each by way of a text takes ten times as long."""

import numpy as np
from numpy.typing import NDArray

_DIGITS = 9
"""So many tell every float32 from its neighbours."""

_POWERS = np.array([float(f"1e{power}") for power in range(23)])
"""The powers of ten that a float64 holds exactly."""

_NEAR_TIE = 1e-6
"""Ten times the error of a product below 10**9."""


def shortest(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The decimals of nine significant digits that are still these float32 and no others: order and ties survive.

    ``float(f"{value:.9g}")`` of each. A whole number below 2**53 divided by an exact power of ten is correctly rounded
    (Clinger 1990). Only very small or large values, and those that lie nearly halfway between two such decimals, go by
    way of a text.
    """
    exact = values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = _DIGITS - 1 - np.floor(np.log10(np.abs(exact)))
        plain = (places >= 0) & (places < len(_POWERS))
        powers = _POWERS[np.where(plain, places, 0).astype(np.intp)]
        scaled = exact * powers
        plain &= np.abs(scaled - np.floor(scaled) - 0.5) > _NEAR_TIE
        decimals: NDArray[np.float64] = np.rint(scaled) / powers
    decimals[~plain] = [float(f"{value:.{_DIGITS}g}") for value in exact[~plain].tolist()]
    return decimals
