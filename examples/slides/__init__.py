"""Drawn slides with known tumours, in tiled TIFF."""
