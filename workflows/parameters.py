"""What a run is asked to do: the values that the workflow is built from and that ``run.json`` keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args, get_type_hints

from imaging_core.errors import DataError, UsageError
from imaging_core.inference.dicom_results.asked import DicomResults

Policy = Literal["balanced", "reference"]
CaseNames = Literal["file", "index"]
Device = Literal["auto", "cpu", "cuda"]


ADDED = {
    *("patient", "group_by", "metric", "price_per_hour", "surface_distances", "lesions"),
    *("dicom_results", "require", "no_regression"),
}
"""Parameters that records of the first version lack: they ran without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """One run.

    Attributes:
        dataset: full location of the dataset file (DTD).
        model: full location of the model bundle's folder.
        run: full location of the prefix below which everything is written.
        split: the split to infer, or ``all``.
        shards: how many shards at most.
        parallelism: how many shards are inferred at the same time.
        threads_per_step: CPU threads of each step. Part of the compute class: other threads may give other last bits.
        policy: how samples are dealt out to shards; ``reference`` groups them as the original split-yaml did.
        allow_root: locations besides the dataset's folder that the dataset may refer to.
        allow_http: hosts that the dataset may refer to.
        case_names: whether reports name cases by file or by index only.
        max_failed: how many cases may fail, a count (``5``) or a percentage (``2%``).
        require_one_class: whether results of mixed compute classes are an error.
        require: limits that figures must meet, such as ``iou.mean>=0.77``.
        no_regression: full location of an earlier run that this one may not be worse than; None for none.
        patient: the feature that names a case's patient, for intervals; None when cases stand for themselves.
        group_by: the features by which metrics are wanted.
        metric: names of the metrics that are wanted; all when it is empty.
        price_per_hour: what the machine of one shard costs, such as ``2.50 EUR``, for the report; None when unknown.
        probabilities: whether probability maps are written too.
        surface_distances: the tolerance, in mm where a spacing is known, else in pixels, at which surfaces are measured
            too; None when they are not.
        lesions: whether lesions are counted too.
        dicom_results: whether results of DICOM images are written as DICOM too, and whether these say whose they are;
            None when they are not written.
        device: where the model runs.
        cache: full location of a folder that runs share, for what was inferred already; None for none. It changes no
            result.
        retry_failed: whether cases that failed before are tried again.
        max_pixels: an image of more pixels is a failed case; None for the step's own limit.
        max_bytes: a file of more bytes is a failed case; None for the step's own limit.
    """

    dataset: str
    model: str
    run: str
    split: str = "test"
    shards: int
    parallelism: int
    threads_per_step: int = 1
    policy: Policy = "balanced"
    allow_root: tuple[str, ...] = ()
    allow_http: tuple[str, ...] = ()
    case_names: CaseNames = "file"
    max_failed: str = "0"
    require_one_class: bool = False
    require: tuple[str, ...] = ()
    no_regression: str | None = None
    patient: str | None = None
    group_by: tuple[str, ...] = ()
    metric: tuple[str, ...] = ()
    price_per_hour: str | None = None
    probabilities: bool = False
    surface_distances: float | None = None
    lesions: bool = False
    dicom_results: DicomResults | None = None
    device: Device = "auto"
    cache: str | None = None
    retry_failed: bool = False
    max_pixels: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and "{{" in text:
                    raise UsageError(
                        f"{option(name)} {text}: Argo would take {{{{…}}}} for one of its own expressions; rename it"
                    )

    def to_json(self) -> dict[str, Any]:
        """The values as ``run.json`` keeps them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> Self:
        """Read what :meth:`to_json` wrote; DataError names ``where`` when it is something else."""
        if absent := [each.name for each in fields(cls) if each.name not in {*values, *ADDED}]:
            raise DataError(f"{where}: parameters: {absent[0]} is missing; this run was begun by another version")
        return cls(**checked_fields(cls, values, f"{where}: parameters"))


def checked_fields(kind: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values for the fields of a dataclass of ours, as JSON holds them; some may be missing.

    Raises:
        DataError: one is unknown or of another type.
    """
    types = get_type_hints(kind)
    if unknown := sorted(set(values) - set(types)):
        raise DataError(f"{where}: {unknown[0]} is unknown; this run was begun by another version")
    read = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if wrong := [name for name, value in read.items() if not _fits(value, types[name])]:
        raise DataError(f"{where}: {wrong[0]} cannot be {read[wrong[0]]!r}")
    return read


def option(name: str) -> str:
    """The command line option that sets a parameter."""
    return "--" + name.replace("_", "-")


def _fits(value: Any, expected: Any) -> bool:
    if expected == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if isinstance(expected, type):
        return type(value) is expected
    choices = [each for choice in get_args(expected) for each in get_args(choice) or (choice,)]
    return any(value == choice if isinstance(choice, str) else type(value) is choice for choice in choices)
