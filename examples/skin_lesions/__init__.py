"""Drawn skin lesions in JPEG, segmented and classified."""
