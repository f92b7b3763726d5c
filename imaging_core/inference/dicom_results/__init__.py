"""Results as DICOM, where a run asks for them: segmentations (SEG) and structured reports (SR) by highdicom.

They refer to the images that they are about. The same images, model and results give the same bytes: UIDs are made of
what a file holds, and no clock and no host is asked.
"""
