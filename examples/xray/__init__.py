"""Drawn chest X-rays in DICOM, with and without an effusion."""
