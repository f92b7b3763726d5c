"""Brings what lies only on this machine to the run's prefix, where pods can read it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from imaging_core import run
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.errors import UsageError
from imaging_core.models.card import CARD, read_bundle_card
from imaging_core.store import Location, open_source, sizes
from imaging_core.store.base import Store
from imaging_core.store.location import FILE
from workflows.checks import Inputs
from workflows.parameters import Parameters, option

THREADS = 8


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        files: object key below the run's prefix, to the file of this machine.
        images: how many of them are images and masks.
        size: of those, in bytes.
        absent: how many more images and masks the dataset names that are not here; they will be failed cases.
        dataset: where pods will find the dataset file.
        model: where pods will find the bundle.
    """

    files: dict[str, Location]
    images: int
    size: int
    absent: int
    dataset: str
    model: str

    def carry_out(self, store: Store, progress: Callable[[int], None]) -> None:
        """Put every file, several at a time; ``progress`` is called with the bytes of each one that is there.

        Raises:
            MissingError, DataError: a file cannot be read.
            InferenceError: the store takes no more.
        """

        def put(item: tuple[str, Location]) -> int:
            key, location = item
            data = open_source(location).bytes()
            store.put(key, data)
            return len(data)

        pool = ThreadPoolExecutor(THREADS)
        try:
            for size in pool.map(put, self.files.items()):
                progress(size)
        finally:
            pool.shutdown(cancel_futures=True)

    def changed(self, parameters: Parameters) -> Parameters:
        """The parameters as pods see them."""
        return replace(parameters, dataset=self.dataset, model=self.model)


def plan_upload(parameters: Parameters, inputs: Inputs, *, images: bool) -> Upload:
    """What of the inputs lies on this machine; the dataset file and the bundle go below their digests.

    Args:
        parameters: of the run, with its locations as they are on this machine.
        inputs: the same, read.
        images: whether images and masks may be uploaded, too.

    Raises:
        UsageError: images would have to be uploaded and may not, or lie where the uploaded dataset file cannot name
            them; the message says how many they are.
    """
    files: dict[str, Location] = {}
    root = Location.parse(parameters.run)
    for name in ("allow_root", "cache"):
        given = getattr(parameters, name) or ()
        for text in (given,) if isinstance(given, str) else given:
            if Location.parse(text).scheme == FILE:
                raise UsageError(f"{option(name)} {text}: pods cannot see this machine's folders; give s3://bucket/key")
    dataset, model = parameters.dataset, parameters.model
    pictures: dict[Location, int] = {}
    absent = 0
    if inputs.dataset.location.scheme == FILE:
        read = read_dataset(inputs.dataset.location, parameters.split, show_names=parameters.case_names == "file")
        named = _pictures(read, parameters, upload=images)
        pictures = sizes(named)
        absent = len(named) - len(pictures)
        folder, home = f"{run.INPUTS}{inputs.dataset.sha256}", read.location.parent
        files |= {f"{folder}/{each.relative_to(home)}": each for each in pictures}
        files[f"{folder}/{read.location.name}"] = read.location
        dataset = str(root.join(folder, read.location.name))
    if inputs.model.location.scheme == FILE:
        card, digest = read_bundle_card(inputs.model.location)
        folder = f"{run.INPUTS}{digest}"
        files |= {f"{folder}/{name}": inputs.model.location.join(name) for name in (CARD, card.weights.file)}
        model = str(root.join(folder))
    return Upload(files, len(pictures), sum(pictures.values()), absent, dataset, model)


def _pictures(dataset: Dataset, parameters: Parameters, *, upload: bool) -> list[Location]:
    """The images and masks of the requested split that lie on this machine."""
    members = dataset.split.get(parameters.split, range(len(dataset.samples)))
    texts: list[str] = []
    for index in members:
        sample = dataset.samples[index]
        texts += sample.locations
        texts += [sample.label] if isinstance(sample.label, str) else []
    local = {location: text for text in texts if (location := dataset.resolve(text)).scheme == FILE}
    if not local:
        return []
    where = dataset.location.for_person()
    if not upload:
        size = megabytes(sum(sizes(local).values()))
        raise UsageError(
            f"{where}: {len(local)} images and masks of split {parameters.split} ({size}) lie on this machine, where "
            "pods cannot read them; put the dataset's folder into a bucket and give its file as s3://bucket/key, or "
            "add --upload-images"
        )
    home = dataset.location.parent
    if odd := [location for location, text in local.items() if _full(text) or not location.is_within(home)]:
        raise UsageError(
            f"{where}: {len(odd)} of its images and masks are named by a full path or lie outside its folder, where "
            "the uploaded file would not find them; put them below its folder, named by relative paths"
        )
    return list(local)


def _full(text: str) -> bool:
    return text.startswith("/") or "://" in text


def megabytes(size: int) -> str:
    """``1.3 MB``; ``0.02 MB``."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e6:.2g} MB"
