"""Lesions of multiple sclerosis in synthetic volumes, NIfTI."""
