"""Metrics: pure functions of confusion counts or of (case, score, label), and their exact merging."""
