"""A small trainer: seeded, early stopping on a validation split, learning curves, a model bundle."""
