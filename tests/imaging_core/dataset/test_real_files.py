"""The real dataset files beside the checkout, and files in the style of the other DeepHealth use cases."""

import pytest
import yaml

from imaging_core.dataset.dtd import parse_dataset, read_dataset
from imaging_core.dataset.sample import Sample
from imaging_core.store import Location

HOME = Location.parse("/data/set/dataset.yml")


def read(path, split=None):
    return read_dataset(Location.parse(str(path)), split)


def sizes(dataset):
    return {name: len(indices) for name, indices in dataset.split.items()}


def test_isic_segmentation(shared_data):
    dataset = read(shared_data / "dtd" / "isic_segmentation.yml", "test")
    assert (dataset.name, dataset.description, dataset.task) == ("ISIC", "ISIC segmentation dataset", "segmentation")
    assert len(dataset.samples) == 2750
    assert list(dataset.split["test"]) == list(range(2150, 2750))
    assert dataset.samples[0] == Sample(
        ("images_segmentation/ISIC_0014480.jpg",), "ground_truth/ISIC_0014480_segmentation.png"
    )
    assert dataset.warnings == ()


def test_isic_classification(shared_data):
    dataset = read(shared_data / "dtd" / "isic_classification_2018.yml", "test")
    assert dataset.task == "classification"
    assert dataset.classes == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    assert len(dataset.samples) == 10208
    assert dataset.samples[0] == Sample(("images/ISIC_0024632.jpg",), (2,))
    assert {sample.label for sample in dataset.samples} == {(index,) for index in range(7)}


def test_ms_segmentation(shared_data):
    dataset = read(shared_data / "dtd" / "ms_segmentation.yml", "test")
    assert dataset.features == ("number_of_slices",)
    assert dataset.samples[0] == Sample(
        ("Pre-processed training dataset/01016SACH/FLAIR_preprocessed.nii",),
        "Unprocessed training dataset/TrainingDataset_MSSEG/01016SACH/Consensus.nii",
        (512,),
    )
    (warning,) = dataset.warnings
    assert f"{len(dataset.samples)} images have more values than the 1 feature" in warning


@pytest.mark.parametrize(
    "name",
    [
        "isic_segmentation.yml",
        "isic_classification_2018.yml",
        "ms_segmentation.yml",
        "split_reference/isic_segmentation_small.yml",
        "split_reference/part-000-isic_segmentation.yml",
        "split_reference/part-001-isic_segmentation.yml",
    ],
)
def test_every_real_file_says_what_pyyaml_reads(shared_data, name):
    path = shared_data / "dtd" / name
    dataset = read(path)
    plain = yaml.safe_load(path.read_text())
    classes = plain.get("classes", [])
    assert [sample.locations for sample in dataset.samples] == [(image["location"],) for image in plain["images"]]
    assert [sample.label for sample in dataset.samples] == [
        (classes.index(image["label"]),) if classes else image["label"] for image in plain["images"]
    ]
    assert {split: list(indices) for split, indices in dataset.split.items()} == plain["split"]
    assert (dataset.name, dataset.description) == (plain["name"], plain["description"])


def kidney():
    entries = [
        {"location": [f"{side}/{n:04d}.dcm" for n in range(300)], "label": f"{side}.nii"} for side in ("left", "right")
    ]
    return {"name": "kidney", "images": entries, "split": {"training": [0], "test": [1]}}


def lung():
    """15,252 images, of which 5,874 are in a split."""
    images = [{"location": f"studies/{n // 9}/{n}.png", "label": f"masks/{n}.png"} for n in range(15_252)]
    used = range(0, 15_252, 2)[:5_874]
    return {"images": images, "split": {"training": list(used[:4000]), "test": list(used[4000:])}}


def skin():
    """25,331 images of eight classes, which are called like their indices."""
    images = [{"location": f"{n}.jpg", "label": str(n % 8) if n % 2 else n % 8} for n in range(25_331)]
    return {"classes": list("01234567"), "images": images, "split": {"training": list(range(20_000)), "test": [25_330]}}


@pytest.mark.parametrize("make", [kidney, lung, skin])
@pytest.mark.parametrize("options", [{}, {"sort_keys": False}, {"default_flow_style": None}])
def test_files_of_the_use_cases(make, options):
    written = make()
    data = yaml.dump(written, Dumper=yaml.CSafeDumper, **options).encode()
    dataset = parse_dataset(data, HOME, "test")
    assert len(dataset.samples) == len(written["images"])
    assert sizes(dataset) == {name: len(indices) for name, indices in written["split"].items()}
    for sample, image in zip(dataset.samples, written["images"], strict=True):
        location, label = image["location"], image["label"]
        assert sample.locations == (tuple(location) if isinstance(location, list) else (location,))
        assert sample.label == ((int(label),) if "classes" in written else label)
