"""Decoders: bytes, a file or a path in; a Case with its model inputs out. Never imports torch."""
