"""What a run may ask for. Nothing here imports pydicom or highdicom."""

from typing import Literal

DicomResults = Literal["anonymous", "identified"]
"""``anonymous`` leaves empty what names the patient, the study's date and place; ``identified`` has it of the image."""

SEGMENTATION = "dicom_seg"
REPORT = "dicom_sr"
OUTPUTS = (SEGMENTATION, REPORT)
"""The names of these outputs in the ledger, and of their columns in tables."""
