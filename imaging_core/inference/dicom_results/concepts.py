"""The coded concepts of results: a model's classes, and who says so.

A class has a code of its own in a private scheme, its meaning is the class's name. Its category is as general as the
standard's list (PS3.16 CID 7150) allows: a card does not say whether a class is an organ or a lesion.
"""

from typing import Any

from highdicom.content import AlgorithmIdentificationSequence
from highdicom.sr import AlgorithmIdentification, CodedConcept
from pydicom.sr.codedict import codes

from imaging_core import __version__
from imaging_core.models.card import Card

MAKER = "distributed-medical-inference"
CATEGORY = CodedConcept("309825002", "SCT", "Spatial and Relational Concept")
PIXELS = CodedConcept("{pixels}", "UCUM", "pixels")
_SCHEME = "99INFERENCE"
COUNT = CodedConcept("PIXELS", _SCHEME, "Number of pixels")
PREDICTED = CodedConcept("PREDICTED", _SCHEME, "Predicted class")
_LONGEST = 64


def text(value: str) -> str:
    """A text as DICOM's LO holds it: one line of at most 64 characters, without backslashes."""
    plain = "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in value)
    return " ".join(plain.split())[:_LONGEST].rstrip() or "unnamed"


class Concepts:
    """Those of one model.

    Args:
        card: the model's.
        digest: the bundle's.

    Attributes:
        model: its name.
        version: the bundle's digest.
        of_instance: what highdicom wants to know of every result alike.
    """

    def __init__(self, card: Card, digest: str) -> None:
        self._digest = digest
        self.model = text(card.name)
        self.version = digest
        self.of_instance: dict[str, Any] = {
            "sop_instance_uid": "2.25.1",  # until all that it is made of is there
            "instance_number": 1,
            "manufacturer": MAKER,
            "manufacturer_model_name": self.model,
            "software_versions": __version__,
            "device_serial_number": digest,
            "series_description": self.model,
            "specific_character_set": "ISO_IR 192",
        }

    def of_class(self, index: int, name: str) -> CodedConcept:
        """The concept of a class of this model."""
        return CodedConcept(f"{self._digest[:8]}-{index}", _SCHEME, text(name))

    @property
    def in_segmentation(self) -> AlgorithmIdentificationSequence:
        """Which algorithm made a segment."""
        return AlgorithmIdentificationSequence(
            name=self.model, family=codes.DCM.ArtificialIntelligence, version=self.version, source=MAKER
        )

    @property
    def in_report(self) -> AlgorithmIdentification:
        """Which algorithm measured."""
        return AlgorithmIdentification(name=self.model, version=self.version, parameters=[f"software {__version__}"])
