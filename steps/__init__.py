"""One file = one container entry point: arguments in, files out, an exit code."""
