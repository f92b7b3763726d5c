"""The step images: one folder per image, and the command that builds them all."""
