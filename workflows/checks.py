"""What is looked at before anything is started: a mistake in what is given should cost seconds, not hours."""

from dataclasses import dataclass

from imaging_core import run
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.index import read_index
from imaging_core.errors import DataError, MissingError, UsageError
from imaging_core.metrics import lesions, surface
from imaging_core.metrics.registry import check_chosen, metrics_of
from imaging_core.models.card import CARD, Card, read_bundle_card
from imaging_core.report.requirements import Requirement
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
        UsageError: the dataset has no such feature, the task no such metric, what is required will not be measured, or
            a classification is asked for what only masks have.
        ConfigurationError: no cache can be at the location that is given for it.
    """
    if parameters.cache is not None:
        open_store(Location.parse(parameters.cache))
    inputs = Inputs(_dataset(parameters), _model(parameters))
    if parameters.no_regression is not None:
        _check_baseline(parameters.no_regression, parameters.run, inputs.dataset)
    return inputs


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
    for text in parameters.require:
        _check_requirement(Requirement.parse(text), card, parameters)
    try:
        open_source(location.join(card.weights.file)).size()
    except MissingError as error:
        raise DataError(f"{location}: {card.weights.file} is missing, the weights that {CARD} names") from error
    return Input(location, digest, f"{card.name} ({card.architecture.name}), {card.task}")


def _check_requirement(requirement: Requirement, card: Card, parameters: Parameters) -> None:
    requirement.check(card.task, card.output.classes)
    collected = next(each.collected for each in metrics_of(card.task) if each.name == requirement.metric)
    for option, counts, asked in (
        ("--surface-distances", surface.measured, parameters.surface_distances is not None),
        ("--lesions", lesions.counted, parameters.lesions),
    ):
        if collected is counts and not asked:
            raise UsageError(f"--require {requirement.text}: is measured with {option} only; add it")


def _check_baseline(baseline: str, this: str, dataset: Input) -> None:
    location = Location.parse(baseline)
    where = f"--no-regression {location.for_person()}"
    if location == Location.parse(this):
        raise UsageError(f"{where}: is this run itself; give an earlier one")
    store = open_store(location)
    if not store.exists(run.SHARD_INDEX):
        raise MissingError(f"{where}: holds no run; give the location of one, such as runs/isic-1")
    if read_index(store).dataset.sha256 != dataset.sha256:
        raise DataError(
            f"{where}: is of another dataset file than {dataset.location.for_person()}, and runs are compared case by "
            "case; infer this dataset with the earlier model first"
        )
