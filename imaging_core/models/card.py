"""The model card ``model.yaml``: what a model is, what it wants to see, and what it says. Torch-free."""

import hashlib
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from imaging_core.decode.intensity import Intensity
from imaging_core.decode.slide import Tiles
from imaging_core.decode.volume import DIRECTIONS, Patches, View
from imaging_core.errors import DataError, MissingError, listing
from imaging_core.store import Location, open_source

CARD = "model.yaml"
SAFETENSORS_FILE = "weights.safetensors"
LARGEST_CARD = 1024 * 1024

ONNX = "onnx"
"""The architecture of a card whose weights are an ONNX file: the network, too, is in there."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Channels = Annotated[int, Field(ge=1, le=4096)]
Side = Annotated[int, Field(ge=1, le=16384)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Mpp = Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False)]
Step = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Architecture(_Part):
    """An allow-listed architecture and its own parameters (see ``steps.bundle list``), or ``onnx``.

    ``onnx`` takes one parameter, ``output``: which of the file's outputs, where it has several.
    """

    name: str
    parameters: dict[str, int | float | str | bool] = {}


class Processing(_Part):
    """An operator of ``docs/operators.md`` that leaves pixels in their place; its parameters stand beside its name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    operator: str


class Input(_Part):
    """What the model sees.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: 1 reads images as grey, 3 as RGB, another number as so many planes.
        scaling: ``unit`` divides by the largest value of the image's type (255 for 8 bit; floats stay), or spreads the
            range of ``clip`` over [0, 1]; ``none`` leaves values as they are, a number divides by it.
        mean: subtracted after scaling, one value per channel.
        std: divided by after subtracting, one value per channel.
        clip: two values; after resizing and before scaling, what is smaller becomes the first, what is larger the
            second. Hounsfield units want it: (-1000, 400), say.
        resize: interpolation from the image's size to the model's; ``stretch`` is the only rule, as DeepHealth's.
        antialias: low-pass when shrinking (bilinear and bicubic only).
        decode: ``full`` decodes every pixel; ``reduced`` decodes a JPEG at the smallest of libjpeg's scales (1/2, 1/4,
            1/8) that is no smaller than the input: faster, with slightly other pixels.
        dicom: which grey values of DICOM files it sees: ``window`` as a viewer shows them, black to white in uint8 or
            uint16; ``rescaled`` what the modality measured (Hounsfield units of CT), in float32. See
            :mod:`imaging_core.decode.dicom_grey`.
        normalization: of each case and channel by its own statistics, instead of ``clip``, ``scaling``, ``mean`` and
            ``std``: ``zscore`` (mean 0, standard deviation 1) or ``percentiles`` (0 at one, 1 at the other, limited to
            that); see :mod:`imaging_core.decode.intensity`. Magnetic resonance, which has no unit, wants it.
        nonzero: zscore counts and changes only values other than 0, which is background.
        percentiles: the two, from 0 to 100.
        nan: ``zero`` reads NaN as 0, ``fail`` fails the case.
        orientation: of volumes: three letters, where columns, rows and slices ascend to (R right, L left, A anterior, P
            posterior, S superior, I inferior). Volumes are turned into it, to the nearest axis, and seen slice by
            slice: RAS and LPS are axial (LPS as DICOM lays out axial slices), RSA coronal, ASR sagittal.
        depth: slices of a patch: the model is three-dimensional and sees patches of depth x height x width voxels,
            which are cut out of the volume and never stretched. None: it sees images and slices.
        spacing: of the patches' voxels along slices, rows and columns, in mm; volumes are resampled to it linearly,
            and what the model says back to their own voxels. None takes them as they are.
        processing: operators that images and slices go through as they are decoded, before they are resized; see
            :mod:`imaging_core.transforms.chain`.
        overlap: of neighbouring patches along each side; where they overlap, what the model says is averaged with a
            Gaussian weight. The same of the tiles of a slide.
        mpp: of models that see whole slides, as tiles of height x width: micrometres per pixel at which they see them;
            ``none`` for slides that do not say theirs: ``level`` is seen as it is. None: a slide is an image like
            others, and likely too large.
        mpp_tolerance: a level of a slide that differs from ``mpp`` by at most this part is seen as it is; else the next
            finer level is resized.
        level: of a slide, which one is seen where ``mpp`` is ``none``; 0 is the finest.
        tissue: ``otsu`` sees only tiles with tissue, found by Otsu's threshold on saturation; ``off`` sees all.
    """

    height: Side
    width: Side
    channels: Channels
    scaling: Literal["unit", "none"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "unit"
    mean: tuple[Finite, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    clip: tuple[Finite, Finite] | None = None
    resize: Literal["nearest", "bilinear", "bicubic", "area"] = "bilinear"
    antialias: bool = False
    decode: Literal["full", "reduced"] = "full"
    dicom: Literal["window", "rescaled"] = "window"
    normalization: Literal["none", "zscore", "percentiles"] = "none"
    nonzero: bool = False
    percentiles: tuple[Percent, Percent] = (0.5, 99.5)
    nan: Literal["fail", "zero"] = "fail"
    orientation: str = "RAS"
    depth: Side | None = None
    spacing: tuple[Step, Step, Step] | None = None
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    processing: tuple[Processing, ...] = ()
    mpp: Mpp | Literal["none"] | None = None
    mpp_tolerance: Annotated[float, Field(ge=0, le=1)] = 0.1
    level: Annotated[int, Field(ge=0, le=64)] = 0
    tissue: Literal["otsu", "off"] = "otsu"

    @property
    def size(self) -> tuple[int, ...]:
        """(Depth,) height and width of what the network takes."""
        return (self.height, self.width) if self.depth is None else (self.depth, self.height, self.width)

    @property
    def reduce_to(self) -> tuple[int, int] | None:
        """What :attr:`imaging_core.decode.case.Limits.reduce_to` is for this model."""
        return (self.height, self.width) if self.decode == "reduced" else None

    @property
    def view(self) -> View:
        """How this model looks at volumes and slides, and at the intensities of images, too."""
        intensity = Intensity(self.normalization, self.nonzero, self.percentiles)
        if self.depth is None:
            return View(self.orientation, intensity=intensity, tiles=self._tiles)
        patches = Patches((self.depth, self.height, self.width), self.overlap, self.spacing)
        return View(self.orientation, patches, intensity)

    @property
    def _tiles(self) -> Tiles | None:
        if self.mpp is None:
            return None
        mpp = None if self.mpp == "none" else self.mpp
        return Tiles((self.height, self.width), self.overlap, mpp, self.mpp_tolerance, self.level, self.tissue)

    @model_validator(mode="after")
    def _each_axis_once(self) -> "Input":
        axes = [DIRECTIONS[letter][0] for letter in self.orientation if letter in DIRECTIONS]
        if len(self.orientation) != 3 or sorted(axes) != [0, 1, 2]:
            raise ValueError(
                f"orientation {self.orientation!r} does not have one letter each of R or L, A or P, S or I, such as RAS"
            )
        return self

    @model_validator(mode="after")
    def _patches(self) -> "Input":
        if self.depth is None and self.spacing is not None:
            raise ValueError("spacing is for models that see patches of volumes; give depth, too, or leave it out")
        if self.depth is not None and self.processing:
            raise ValueError("processing is for models that see images and slices; leave it or depth out")
        return self

    @model_validator(mode="after")
    def _normalized(self) -> "Input":
        if self.normalization != "none":
            others = {"clip": self.clip, "mean": self.mean, "std": self.std}
            given = [name for name, value in others.items() if value is not None]
            given += ["scaling"] if self.scaling not in ("unit", "none") else []
            if given:
                raise ValueError(f"normalization takes the place of {' and '.join(given)}; leave one of them out")
        if self.nonzero and self.normalization != "zscore":
            raise ValueError("nonzero is for normalization zscore")
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("percentiles ascend, such as 0.5 and 99.5")
        return self

    @model_validator(mode="after")
    def _slides(self) -> "Input":
        if self.mpp is not None and self.depth is not None:
            raise ValueError("mpp is for models that see slides, depth for those that see volumes; leave one out")
        if self.mpp is not None and self.channels not in (1, 3):
            raise ValueError(f"slides have colours: channels is 3 or, for grey, 1, not {self.channels}")
        if self.mpp is not None and self.normalization != "none":
            raise ValueError("normalization is by a whole case's statistics, which a slide's tiles do not have")
        if self.level and self.mpp != "none":
            raise ValueError("level is for slides without micrometres per pixel; give mpp: none, or leave it out")
        return self

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> "Input":
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels; give one per channel")
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            raise ValueError(f"clip ascends; {self.clip[0]:g} is not less than {self.clip[1]:g}")
        if self.antialias and self.resize not in ("bilinear", "bicubic"):
            raise ValueError(f"antialias works with bilinear and bicubic, not with {self.resize}")
        return self


class Output(_Part):
    """What the model says.

    Attributes:
        kind: ``binary`` (one channel), ``multiclass`` (one channel per class, exactly one class is right), or
            ``multilabel`` (one channel per class, any number is right).
        activation: applied to what the network returns.
        threshold: a binary or multilabel score at or above it is positive.
        classes: names, one per class. A binary model names its positive class, or the negative and the positive one.
        ignore: a value of multiclass masks that is not scored.
        slide: of classification, how the scores of a slide's tiles become the slide's: their ``mean``, for each class
            the largest (``max``), or, a number k, the mean of the k largest. Of exclusive classes they are then divided
            by their sum.
    """

    kind: Literal["binary", "multiclass", "multilabel"]
    activation: Literal["sigmoid", "softmax", "none"]
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    classes: tuple[str, ...]
    ignore: Annotated[int, Field(ge=0, le=255)] | None = None
    slide: Literal["mean", "max"] | Annotated[int, Field(ge=1)] = "mean"

    @model_validator(mode="after")
    def _consistent(self) -> "Output":
        if self.activation == "softmax" and self.kind != "multiclass":
            raise ValueError(f"softmax gives exactly one class, so it does not fit a {self.kind} output; use sigmoid")
        if self.kind == "binary" and len(self.classes) not in (1, 2):
            raise ValueError(f"a binary output has one or two class names, not {len(self.classes)}")
        if self.kind == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass output has at least two classes")
        if not self.classes:
            raise ValueError("name at least one class")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        return self

    @property
    def channels(self) -> int:
        """How many channels the network returns."""
        return 1 if self.kind == "binary" else len(self.classes)


class Weights(_Part):
    """The file beside the card, and its digest."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = SAFETENSORS_FILE
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


UNPACKED = Weights(sha256="0" * 64)
"""Stands in the card of a bundle whose weights are not written yet."""


class Card(_Part):
    """A model card.

    Attributes:
        batch: the fixed batch shape: the last batch is padded to it.
        precision: ``fp32`` everywhere; ``tf32``, ``bf16`` and ``fp16`` take effect on a GPU only.
    """

    format: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    task: Literal["classification", "segmentation"]
    architecture: Architecture
    input: Input
    batch: Annotated[int, Field(ge=1, le=65536)]
    output: Output
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    weights: Weights

    @model_validator(mode="after")
    def _masks_of_slides(self) -> "Card":
        if self.input.mpp is not None and self.task == "segmentation" and self.output.kind == "multilabel":
            raise ValueError("masks of slides hold one class a pixel: the output is binary or multiclass")
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be a plain name", problem_mark=key.start_mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_card(data: bytes, where: str) -> Card:
    """Read and check a card; ``where`` names it in errors.

    Raises:
        DataError: not YAML, or not a card; every problem is listed with its entry.
    """
    try:
        value = yaml.load(data, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: not readable as YAML: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: a model card is a map (name, task, architecture, input, batch, output, weights)")
    return make_card(value, where)


def make_card(values: dict[str, Any], where: str) -> Card:
    """A card of values as YAML gives them; DataError with every problem and its entry, ``where`` names the card."""
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        raise DataError(listing(where, [_problem(each) for each in error.errors()])) from error


def read_bundle_card(bundle: Location) -> tuple[Card, str]:
    """The card of the bundle in a folder, and the bundle's digest; the weights are not read.

    Raises:
        DataError: no bundle is there, or its card is not one.
        TemporaryError: the store may answer a retry.
    """
    location = bundle.join(CARD)
    try:
        data = open_source(location).bytes(LARGEST_CARD)
    except MissingError as error:
        raise DataError(f"{bundle}: no model bundle here ({CARD} is missing); see python -m steps.bundle") from error
    return read_card(data, str(location)), card_digest(data)


def write_card(card: Card) -> bytes:
    """The card as YAML, in the order of its fields."""
    values = card.model_dump(mode="json", exclude_defaults=False)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()


def card_digest(data: bytes) -> str:
    """The bundle's digest: SHA-256 of the card's bytes, which hold the weights' digest."""
    return hashlib.sha256(data).hexdigest()


_PARTS: dict[str, type[_Part]] = {"architecture": Architecture, "input": Input, "output": Output, "weights": Weights}


def _problem(error: ErrorDetails) -> str:
    """One entry of a card, what is wrong with it, and what it may be."""
    path = [str(part) for part in error["loc"]]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        part = _PARTS.get(path[0], Card) if len(path) > 1 else Card
        message = f"no such entry; known here: {', '.join(part.model_fields)}"
    elif error["type"] == "missing":
        message = "is missing"
    elif error["type"] == "string_type":
        message += "; put it in quotes"
    return f"{'.'.join(path) or 'card'}: {message}"
