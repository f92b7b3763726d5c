"""DICOM files made for tests: pydicom writes what numpy and a few elements describe."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import VR

PATIENT = "Doe^Jane"


def dicom(pixels: NDArray[Any], syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Dataset:
    """An image of ``pixels``: rows x columns, or frames x rows x columns, (x 3 for colours, by pixel).

    Bits are those of the type unless ``elements`` say otherwise; what they say replaces anything.
    """
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    spatial = pixels.shape[:-1] if colour else pixels.shape
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName = PATIENT
    dataset.PatientID = "4711-Doe"
    dataset.Modality = "OT"
    dataset.Rows, dataset.Columns = spatial[-2:]
    if len(spatial) == 3:
        dataset.NumberOfFrames = spatial[0]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated = bits
    dataset.BitsStored = elements.get("BitsStored", bits)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    native = pixels.astype(pixels.dtype.newbyteorder("<" if syntax != "1.2.840.10008.1.2.2" else ">")).tobytes()
    dataset.add_new("PixelData", VR.OB if bits == 8 else VR.OW, native + b"\0" * (len(native) % 2))
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def written(dataset: Dataset) -> bytes:
    """The file's bytes."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def item(**elements: Any) -> Sequence:
    """A sequence of one item with these elements."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return Sequence([dataset])


def ct_series(voxels: NDArray[np.int16], step: float = 2.5, **elements: Any) -> list[Dataset]:
    """Axial slices of one series, the lowest first: voxels are slices x rows x columns; rows 0.7 mm, columns 0.5 mm."""
    series = generate_uid()
    slices = []
    for number, pixels in enumerate(voxels):
        slices.append(
            dicom(
                pixels,
                **{
                    "SOPClassUID": CTImageStorage,
                    "SeriesInstanceUID": series,
                    "InstanceNumber": len(voxels) - number,
                    "ImagePositionPatient": [-10.0, -20.0, 30.0 + step * number],
                    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                    "PixelSpacing": [0.7, 0.5],
                    "RescaleSlope": 1,
                    "RescaleIntercept": -1024,
                    **elements,
                },
            )
        )
    return slices


def table(entries: list[int], first: int, bits: int, vr: str = "OW") -> Sequence:
    """A Modality or VOI LUT Sequence's one item: its entries as bytes (OW) or as numbers (US)."""
    sequence = item(LUTDescriptor=[len(entries), first, bits])
    sequence[0].add_new("LUTData", vr, np.array(entries, "<u2").tobytes() if vr == "OW" else entries)
    return sequence
