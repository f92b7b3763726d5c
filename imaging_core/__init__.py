"""Pixels and numbers: datasets, stores, decoders, models, inference, metrics and the report."""

__version__ = "0.1.0"
