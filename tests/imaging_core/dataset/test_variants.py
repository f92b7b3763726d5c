"""Every form in which REFERENCE.md's dataset files say the same things, read through the public entry point."""

import hashlib
import json
from random import Random

import pytest
import yaml

from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.sample import Sample
from imaging_core.store import Location

HOME = Location.parse("/data/set/dataset.yml")
CLASSES = "classes: [cat, dog, cow]\n"


def read(text, split=None):
    return parse_dataset(text.encode() if isinstance(text, str) else text, HOME, split)


def samples(text):
    return list(read(text).samples)


class TestLocations:
    @pytest.mark.parametrize(
        ("entry", "locations"),
        [
            ("a.png", ("a.png",)),
            ("'a.png'", ("a.png",)),
            ('"a.png"', ("a.png",)),
            ("{location: a.png}", ("a.png",)),
            ("location: a.png", ("a.png",)),
            ('"location": "a.png"', ("a.png",)),
            ("[a.png, b.png]", ("a.png", "b.png")),
            ("- a.png\n    - b.png", ("a.png", "b.png")),
            ("location: [a.png, 'b c.png']", ("a.png", "b c.png")),
            ("location: [a.png]", ("a.png",)),
            ("location:\n      - a.png\n      - b.png", ("a.png", "b.png")),
            ("location:\n    - a.png\n    - b.png", ("a.png", "b.png")),
            (
                "location: Pre-processed training dataset/01016SACH/x.nii",
                ("Pre-processed training dataset/01016SACH/x.nii",),
            ),
            ("location: a very long\n      name.png", ("a very long name.png",)),
            ("location: Größe/画像 \U0001f600.png", ("Größe/画像 \U0001f600.png",)),
            ('location: "Gr\\xF6\\u00dfe \\U0001F600.png"', ("Größe \U0001f600.png",)),
            ("location: http://host:8080/a%20b.png?x=1#y", ("http://host:8080/a%20b.png?x=1#y",)),
            ("location: https://host/a.png", ("https://host/a.png",)),
            ("location: s3://bucket/a b.png", ("s3://bucket/a b.png",)),
            ("location: /abs/a.png", ("/abs/a.png",)),
            ("location: ../other/a.png", ("../other/a.png",)),
            ("location: 5", ("5",)),
            ("location: 2001-01-01", ("2001-01-01",)),
            ("location: yes", ("yes",)),
            ("location: x#y (1), [2] & {3}", ("x#y (1), [2] & {3}",)),
            ("location: a.png # a comment", ("a.png",)),
            ("location: a.png   ", ("a.png",)),
            ("location: 'it''s.png'", ("it's.png",)),
            ("location: >-\n      folded\n      text.png", ("folded text.png",)),
            ("location: |-\n      a.png", ("a.png",)),
            ("location: !!str a.png", ("a.png",)),
            ("? location\n    : a.png", ("a.png",)),
        ],
    )
    def test_of_an_entry(self, entry, locations):
        assert samples(f"images:\n  - {entry}\n") == [Sample(locations)]
        for other in ("y.png", "location: z.png\n    label: m.png", "{location: z.png, label: m.png}"):
            _, read_entry, after = samples(f"images:\n  - {other}\n  - {entry}\n  - last.png\n")
            assert (read_entry, after) == (Sample(locations), Sample(("last.png",)))

    @pytest.mark.parametrize(
        "text",
        [
            'images: ["x.jpg", y.jpg]\n',
            "images: [x.jpg,\n  y.jpg]\n",
            "images:\n- x.jpg\n- y.jpg\n",
            "images:\n        -    x.jpg\n        -    y.jpg\n",
            "images:\n\n  # first\n  - x.jpg\n\n  # second\n  - y.jpg\n\n",
            "---\nimages:\n  - x.jpg\n  - y.jpg\n...\n",
            "%YAML 1.1\n---\nimages:\n  - x.jpg\n  - y.jpg\n",
            "# a comment\nimages: # all\n  - x.jpg # one\n  - y.jpg\n# the end",
            '{"images": ["x.jpg", "y.jpg"]}',
            "{images: [x.jpg, y.jpg]}",
            "'images': ['x.jpg', 'y.jpg']",
            "images: &all\n  - x.jpg\n  - y.jpg\n",
            "images:\r\n  - x.jpg\r\n  - y.jpg\r\n",
            "images:\r  - x.jpg\r  - y.jpg\r",
            "\ufeffimages:\n  - x.jpg\n  - y.jpg\n",
            "images:\n  - x.jpg\n  - y.jpg",
            "images:\n  - x.jpg\n  - y.jpg\nimages2: [z.jpg]\n'more images':\n- a\n",
            "description: 'about\n\n  images:\n   - z.jpg'\nimages: [x.jpg, y.jpg]\n",
            'description: "about\nimages:\n- z.jpg"\nimages: [x.jpg, y.jpg]\n',
            "description: |\n  images:\n    - z.jpg\nimages: [x.jpg, y.jpg]\n",
        ],
    )
    def test_of_a_whole_file(self, text):
        assert samples(text) == [Sample(("x.jpg",)), Sample(("y.jpg",))]

    def test_hundreds_of_files_make_one_volume(self):
        slices = [f"kidney/case 1/{number:04d}.dcm" for number in range(400)]
        for style in (False, None, True):
            images = [{"location": slices, "label": "kidney/1.nii"}]
            text = yaml.safe_dump({"images": images}, default_flow_style=style)
            assert samples(text) == [Sample(tuple(slices), "kidney/1.nii")]


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "indices"),
        [
            ("1", (1,)),
            ("'1'", (1,)),
            ('"1"', (1,)),
            ("dog", (1,)),
            ("'dog'", (1,)),
            ("[0, 2]", (0, 2)),
            ("['2', cat]", (0, 2)),
            ("[cow, cat, cow]", (0, 2)),
            ("\n    - cat\n    - 2", (0, 2)),
            ("\n      - '1'", (1,)),
            ("null", None),
            ("~", None),
            ("", None),
        ],
    )
    def test_are_indices_even_in_quotes_and_names(self, label, indices):
        text = f"{CLASSES}images:\n  - location: a.png\n    label: {label}\n  - location: b.png\n    label: cat\n"
        assert [sample.label for sample in samples(text)] == [indices, (0,)]
        assert read(text).task == "classification"
        turned = f"{CLASSES}images:\n  - label: {label}\n    location: a.png\n"
        assert samples(turned) == [Sample(("a.png",), indices)]

    def test_of_integer_named_classes_are_their_indices(self):
        text = "classes: ['0', '1', '2']\nimages:\n" + "".join(
            f"  - location: {number}.png\n    label: {label}\n" for number, label in enumerate(["2", "'2'", '"1"', "0"])
        )
        assert [sample.label for sample in samples(text)] == [(2,), (2,), (1,), (0,)]

    def test_are_masks_without_classes(self):
        text = "images:\n  - location: a.png\n    label: masks/a b.png\n  - location: c.png\n"
        assert samples(text) == [Sample(("a.png",), "masks/a b.png"), Sample(("c.png",))]
        assert read(text).task == "segmentation"

    def test_without_classes_an_index_is_still_one(self):
        assert samples("images:\n  - location: a.png\n    label: '7'\n") == [Sample(("a.png",), (7,))]

    def test_may_be_missing_everywhere(self):
        dataset = read("images: [a.png]\n")
        assert (dataset.task, dataset.classes, dataset.split) == ("segmentation", (), {})
        assert read(f"{CLASSES}images: [a.png]\n").task == "classification"

    def test_are_masks_with_classes_when_none_is_an_index(self):
        text = f"{CLASSES}images:\n  - location: a.png\n    label: a.tif\n  - location: b.png\n"
        assert read(text).task == "segmentation"
        assert read(f"{text}  - location: c.png\n    label: cow\n").task == "classification"


class TestValues:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ("[512, float32]", (512, "float32")),
            ("[512, null]", (512, None)),
            ("[~, '']", (None, "")),
            ("[true, 'true']", (True, "true")),
            ("[-1, .5]", (-1, 0.5)),
            ("[1e3, '1e3']", (1000.0, "1e3")),
            ("[1]", (1, None)),
            ("[]", (None, None)),
            ("null", (None, None)),
            ("{b: 2}", (None, 2)),
            ("{b: null, a: x y}", ("x y", None)),
            ("\n      - 1\n      - two words", (1, "two words")),
            ("\n    - 1\n    - ~", (1, None)),
            ("\n      b: two words\n      a: 1", (1, "two words")),
            ("{}", (None, None)),
        ],
    )
    def test_by_place_and_by_name(self, values, expected):
        first, second = f"location: x.png\n    values: {values}", "location: y.png\n    values: [3, 4]"
        text = f"features: [a, b]\nimages:\n  - {first}\n  - {second}\n"
        assert [sample.values for sample in samples(text)] == [expected, (3, 4)]

    def test_are_none_for_images_without(self):
        assert samples("features: [a, b]\nimages:\n  - x.png\n  - {location: y.png, values: [1, 2]}\n") == [
            Sample(("x.png",), None, (None, None)),
            Sample(("y.png",), None, (1, 2)),
        ]
        assert samples("features: [a, b]\nimages: [x.png]\n") == [Sample(("x.png",), None, (None, None))]

    def test_too_many_give_one_warning_with_a_count(self):
        dataset = read(
            "features: [slices]\nimages:\n  - {location: a, values: [512, float32]}\n  - {location: b, values: [256]}\n"
            "  - {location: c, values: [256, uint16, x]}\n"
        )
        assert [sample.values for sample in dataset.samples] == [(512,), (256,), (256,)]
        (warning,) = dataset.warnings
        assert "2 images have more values than the 1 feature" in warning


class TestSplits:
    @pytest.mark.parametrize(
        ("split", "expected"),
        [
            ("split:\n  test: [2, 0]\n", {"test": [2, 0]}),
            ("split:\n  test:\n    - 2\n    - 0\n", {"test": [2, 0]}),
            ("split:\n  test:\n  - 2\n  - '0'\n", {"test": [2, 0]}),
            ("split: {test: [2, 0], fold 1: [1]}\n", {"test": [2, 0], "fold 1": [1]}),
            ("split:\n    my split:\n    - 1\n    other: [0,\n      2]\n", {"my split": [1], "other": [0, 2]}),
            ("split:\n  '5': [1]\n  \"a\": [2]\n", {"5": [1], "a": [2]}),
            ("split:\n\n  # which\n  b: [1] # one\n\n  a: [2]\n", {"b": [1], "a": [2]}),
            ("split: null\n", {}),
            ("split: {}\n", {}),
            ("split:\n", {}),
            ("", {}),
        ],
    )
    def test_have_any_name_and_keep_the_order_of_the_file(self, split, expected):
        for text in (f"images: [a, b, c]\n{split}", f"{split}images:\n  - a\n  - b\n  - c\n"):
            dataset = read(text)
            assert {name: list(indices) for name, indices in dataset.split.items()} == expected
            assert list(dataset.split) == list(expected)

    def test_may_leave_images_out_and_overlap_where_nobody_asks(self):
        dataset = read("images: [a, b, c]\nsplit: {training: [0], validation: [0], x: [0, 1]}\n")
        assert dataset.split["x"] == [0, 1]

    def test_that_are_empty_but_not_asked_for_give_a_warning(self):
        dataset = read("images: [a]\nsplit:\n  validation: []\n  other:\n  test: [0]\n", "test")
        assert dataset.warnings == ("split 'validation' is empty", "split 'other' is empty")


class TestHead:
    def test_texts_stay_as_they_are(self):
        dataset = read("name: 2017\ndescription: 1e5\nclasses: [yes, 007b, 1.5]\nfeatures: [on, 12:30]\nimages: [a]\n")
        assert (dataset.name, dataset.description) == ("2017", "1e5")
        assert (dataset.classes, dataset.features) == (("yes", "007b", "1.5"), ("on", "12:30"))

    def test_everything_but_images_may_be_missing_or_null(self):
        for text in ("images: [a]\n", "name:\ndescription: ~\nclasses: null\nfeatures: []\nimages: [a]\n"):
            dataset = read(text)
            assert (dataset.name, dataset.description, dataset.classes, dataset.features) == ("", "", (), ())

    def test_unknown_keys_are_ignored_wherever_they_stand(self):
        dataset = read(
            "version: 2\nauthors:\n  - {name: x, images: [q]}\nimages:\n  - location: a.png\n    patient: {id: 7}\n"
            "    label: m.png\n    tags: [x, y]\n  - {id: 3, location: b.png}\nlicence: |\n  split:\n    test: [0]\n"
        )
        assert list(dataset.samples) == [Sample(("a.png",), "m.png"), Sample(("b.png",))]
        assert dataset.split == {}

    def test_the_digest_is_that_of_the_bytes(self):
        data = b"\xef\xbb\xbfimages: [a]\r\n"
        assert read(data).sha256 == hashlib.sha256(data).hexdigest()


FOLDER = "a folder/with a rather long name/that goes on and on"
DATASET = {
    "name": "x",
    "description": "words " * 30,
    "classes": ["cat", "dog"],
    "features": ["age", "sex"],
    "images": [{"location": f"{FOLDER}/{n:05d} é.png", "label": n % 2, "values": [n, None]} for n in range(30)],
    "split": {"training": list(range(20)), "test": list(range(20, 30))},
}


@pytest.mark.parametrize("style", [False, None, True])
@pytest.mark.parametrize("more", [{}, {"sort_keys": False}, {"allow_unicode": True, "width": 1000}, {"indent": 4}])
def test_whatever_safe_dump_writes_is_read(style, more):
    dataset = read(yaml.safe_dump(DATASET, default_flow_style=style, **more), "test")
    assert list(dataset.samples) == [
        Sample((image["location"],), (image["label"],), tuple(image["values"])) for image in DATASET["images"]
    ]
    assert {name: list(indices) for name, indices in dataset.split.items()} == DATASET["split"]
    assert dataset.description == DATASET["description"]


@pytest.mark.parametrize(
    "options", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"sort_keys": True}]
)
def test_json_is_read(options):
    dataset = read(json.dumps(DATASET, **options), "test")
    assert [sample.locations[0] for sample in dataset.samples] == [image["location"] for image in DATASET["images"]]
    assert [sample.values for sample in dataset.samples] == [tuple(image["values"]) for image in DATASET["images"]]


def test_lists_that_yaml_dump_writes_as_aliases_are_read():
    shared = ["cat", "dog"]
    rng = Random(0)
    images = [{"location": f"{n}.png", "label": shared if rng.random() < 0.7 else ["dog"]} for n in range(500)]
    text = yaml.safe_dump({"classes": shared, "images": images})
    assert "*id001" in text
    expected = [(0, 1) if image["label"] is shared else (1,) for image in images]
    assert [sample.label for sample in samples(text)] == expected
