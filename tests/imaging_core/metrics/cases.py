"""Random cases that the metrics' tests share."""

import numpy as np

from imaging_core.metrics.classification import ClassificationCases, Kind

CLASSES = 5


def random_cases(kind: Kind, seed: int, n: int = 200) -> ClassificationCases:
    """Scores of two decimals, so that there are many ties."""
    generator = np.random.default_rng(seed)
    if kind == "binary":
        labels = generator.integers(0, 2, n)
        scores = np.round(np.clip(labels * 0.3 + generator.random(n) * 0.7, 0, 1), 2)[:, np.newaxis]
        return ClassificationCases(kind, 2, labels, scores, 0.5)
    if kind == "multiclass":
        labels = generator.choice(CLASSES, n, p=[0.5, 0.2, 0.15, 0.1, 0.05])
        logits = generator.random((n, CLASSES)) + 0.5 * (labels[:, np.newaxis] == np.arange(CLASSES))
        return ClassificationCases(kind, CLASSES, labels, np.round(logits / logits.sum(axis=1, keepdims=True), 2))
    multilabels = generator.random((n, CLASSES)) < 0.3
    scores = np.round(np.clip(multilabels * 0.25 + generator.random((n, CLASSES)) * 0.75, 0, 1), 2)
    return ClassificationCases(kind, CLASSES, multilabels, scores, 0.4)
