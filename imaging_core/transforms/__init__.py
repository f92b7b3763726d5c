"""Operators on batched tensors, on any device."""
