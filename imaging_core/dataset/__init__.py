"""Dataset files in the DeepHealth Toolkit format (DTD) and their shards."""
