"""Agreement of predicted and true classes beyond what chance gives, from the confusion of cases."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.counts import FN, FP, TN, TP
from imaging_core.metrics.resampling import divided
from imaging_core.metrics.values import Values, mean_of_defined


def cohen_kappa(cases: ClassificationCases) -> Values:
    """Cohen's kappa, (observed - expected agreement) / (1 - expected), unweighted: Cohen 1960.

    0 is chance, 1 is perfect; undefined when truth and prediction are one and the same class throughout. Of a
    multilabel model each label is a question of its own, and macro is their mean.
    """
    return _of_tables(_kappa, cases)


def matthews(cases: ClassificationCases) -> Values:
    """Matthews' correlation coefficient (Matthews 1975), of several classes Gorodkin's R_K (2004).

    In [-1, 1], where 0 is chance; 0 when truth or prediction is one class throughout, as scikit-learn's
    ``matthews_corrcoef``. Of a multilabel model each label is a question of its own, and macro is their mean.
    """
    return _of_tables(_matthews, cases)


def _of_tables(of: Callable[[NDArray[np.int64]], float | None], cases: ClassificationCases) -> Values:
    if cases.kind != "multilabel":
        return Values(pooled=of(cases.confusion))
    tables = [np.array([[row[TN], row[FP]], [row[FN], row[TP]]]) for row in cases.counts]
    by_class = tuple(of(table) for table in tables)
    return Values(macro=mean_of_defined(by_class), per_class=by_class)


def _kappa(table: NDArray[np.int64]) -> float | None:
    n, true, said = _margins(table)
    expected = sum(a * b for a, b in zip(true, said, strict=True))
    observed = n * int(np.trace(table))
    return (observed - expected) / (n * n - expected) if n * n != expected else None


def _matthews(table: NDArray[np.int64]) -> float | None:
    n, true, said = _margins(table)
    if not n:
        return None
    covariance = n * int(np.trace(table)) - sum(a * b for a, b in zip(true, said, strict=True))
    spread = (n * n - sum(a * a for a in true)) * (n * n - sum(b * b for b in said))
    return covariance / math.sqrt(spread) if spread else 0.0


def _margins(table: NDArray[np.int64]) -> tuple[int, list[int], list[int]]:
    """How many cases, and how many of each class by truth and by prediction; Python's integers never overflow."""
    return int(table.sum()), table.sum(axis=1).tolist(), table.sum(axis=0).tolist()


def kappas(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cohen's kappa of many tables, n x classes x classes; NaN where it is undefined."""
    n, agreed, true, said = _many_margins(tables)
    by_chance = (true * said).sum(axis=1)
    return divided(n * agreed - by_chance, n * n - by_chance)


def correlations(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Matthews' correlation of many tables, n x classes x classes."""
    n, agreed, true, said = _many_margins(tables)
    spreads = [(n * n - (margin * margin).sum(axis=1)).astype(np.float64) for margin in (true, said)]
    spread = np.sqrt(spreads[0] * spreads[1])  # of equal ones it is exact, so that of perfect tables it is 1
    return np.nan_to_num(divided(n * agreed - (true * said).sum(axis=1), spread))


def _many_margins(tables: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """How many cases, how many of them right, and how many of each class by truth and by prediction; per table."""
    return tables.sum(axis=(1, 2)), np.trace(tables, axis1=1, axis2=2), tables.sum(axis=2), tables.sum(axis=1)
