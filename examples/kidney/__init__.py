"""Kidneys and their lesions in synthetic CT series, DICOM with labels in NIfTI."""
