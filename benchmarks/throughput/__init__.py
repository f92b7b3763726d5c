"""What ``benchmarks.infer`` measures beside our pipeline, and on what."""
