"""Real images that Python packages ship, as datasets to try the pipeline on."""
