"""Model bundles (a card and its weights) and the allow-listed architectures."""
