"""ECVL's augmentations and the text that it writes them in."""
