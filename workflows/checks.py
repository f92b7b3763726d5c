"""What is looked at before anything is started: a mistake in what is given should cost seconds, not hours."""

from dataclasses import dataclass

from imaging_core.dataset.dtd import read_dataset
from imaging_core.errors import DataError, MissingError, UsageError
from imaging_core.metrics.registry import check_chosen
from imaging_core.models.card import CARD, read_bundle_card
from imaging_core.store import Location, open_source, open_store
from workflows.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset or a model that was found to be usable.

    Attributes:
        sha256: of the dataset file's, or of the model card's bytes.
        words: what it is, for a person.
    """

    location: Location
    sha256: str
    words: str

    def __str__(self) -> str:
        return f"{self.location.for_person()}: {self.words}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads."""

    dataset: Input
    model: Input


def check_inputs(parameters: Parameters) -> Inputs:
    """Read the dataset file and the model card. Images and weights are only read by the steps.

    Raises:
        DataError: one of them is missing or not usable; the message names it and the fix.
        UsageError: the dataset has no such feature, the task no such metric, or a classification is asked for what only
            masks have.
        ConfigurationError: no cache can be at the location that is given for it.
    """
    if parameters.cache is not None:
        open_store(Location.parse(parameters.cache))
    return Inputs(_dataset(parameters), _model(parameters))


def _dataset(parameters: Parameters) -> Input:
    location = Location.parse(parameters.dataset)
    dataset = read_dataset(location, parameters.split, show_names=parameters.case_names == "file")
    for name in [*parameters.group_by, *([parameters.patient] if parameters.patient else [])]:
        if name not in dataset.features:
            has = f"its features are {', '.join(dataset.features)}" if dataset.features else "it has none"
            raise UsageError(f"{location.for_person()}: has no feature {name!r} for --patient or --group-by; {has}")
    images = len(dataset.samples)
    asked = len(dataset.split.get(parameters.split, range(images)))
    return Input(location, dataset.sha256, f"{dataset.task}, {asked} of {images} images in split {parameters.split}")


def _model(parameters: Parameters) -> Input:
    location = Location.parse(parameters.model)
    card, digest = read_bundle_card(location)
    asked = (parameters.probabilities, parameters.surface_distances is not None, parameters.lesions)
    if card.task != "segmentation" and any(asked):
        wrong = ("--probabilities", "--surface-distances", "--lesions")[asked.index(True)]
        raise UsageError(f"{wrong} is for segmentation; {location.for_person()} is for {card.task}")
    check_chosen(card.task, parameters.metric)
    try:
        open_source(location.join(card.weights.file)).size()
    except MissingError as error:
        raise DataError(f"{location}: {card.weights.file} is missing, the weights that {CARD} names") from error
    return Input(location, digest, f"{card.name} ({card.architecture.name}), {card.task}")
