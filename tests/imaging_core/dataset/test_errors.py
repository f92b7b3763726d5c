"""What is wrong with a dataset file: all of it at once, with its line, entry and fix."""

import re

import pytest

from imaging_core.dataset.dtd import parse_dataset, read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.errors import DataError
from imaging_core.store import Location

HOME = Location.parse("/data/set/d.yml")
CLASSES = "classes: [cat, dog]\n"
IMAGES = "images: [a, b, c]\n"
LONG_NAMES = ", ".join(f"{number}{'c' * 5000}" for number in range(30))


def message(text, split=None, **options):
    with pytest.raises(DataError) as error:
        parse_dataset(text if isinstance(text, bytes) else text.encode(), HOME, split, **options)
    return str(error.value)


def problems(text, split=None, **options):
    """The (line, entry, what) of each problem shown; line None where none is given."""
    title, *lines = message(text, split, **options).split("\n")
    assert re.fullmatch(rf"/data/set/d\.yml: {len(lines)} problems?", title), title
    found = [re.fullmatch(r"  /data/set/d\.yml(?::(\d+))?: (.+?): (.+)", line).groups() for line in lines]
    return [(line and int(line), entry, what) for line, entry, what in found]


def entry(fields, number=0):
    """A file of three images, one of which has these fields."""
    entries = ["location: x.png", "location: y.png", "location: z.png"]
    entries[number] = fields
    return "images:\n" + "".join(f"  - {each}\n" for each in entries)


ONE_PROBLEM = [
    # images
    ("", None, "images", "missing or empty"),
    ("images: []\n", None, "images", "missing or empty"),
    ("name: x\nimages: a\n", 2, "images", "is a single value, must be a list"),
    ("name: x\nimages: {a: b}\n", 2, "images", "is a map, must be a list"),
    (entry("~", 1), 3, "images[1]", "is empty; give the path"),
    (entry("''", 1), 3, "images[1]", "is empty; give the path"),
    (entry("[]", 2), 4, "images[2]", "is an empty list; give the path"),
    (entry("label: 1", 1), 3, "images[1].location", "is missing; give the path"),
    (entry("location:\n    label: m.png", 1), 3, "images[1].location", "is empty; give the path"),
    (entry("location: ''", 1), 3, "images[1].location", "is empty; give the path"),
    (entry("location: {a: b}", 1), 3, "images[1].location", "is a map, must be"),
    (entry("location: [a, [b]]", 1), 3, "images[1].location[1]", "is a list, must be a single value"),
    (entry("location: [a, null]", 1), 3, "images[1].location[1]", "is empty"),
    (entry("location:\n      - a\n      -", 1), 5, "images[1].location[1]", "is empty"),
    (entry("location: x.png", 2), 4, "images[2].location", "'x.png' is images[0] already; take one"),
    (entry("location: ./x.png", 2), 4, "images[2].location", "'./x.png' is images[0] already; take one"),
    (entry("location: q/../x.png", 1), 3, "images[1].location", "is images[0] already"),
    (entry("location: /data/set/x.png", 1), 3, "images[1].location", "is images[0] already"),
    (entry("[x.png]", 1), 3, "images[1].location", "is images[0] already"),
    (entry("location: http:///x", 1), 3, "images[1].location", "no host after http://"),
    (entry('location: "a\\0b"', 1), 3, "images[1].location", "not printable"),
    (entry(f"location: {'x' * 5000}", 1), 3, "images[1].location", "has 5000 characters; a location may have 4096"),
    (entry("location: q\n    location: r", 1), 4, "key 'location'", "is given twice; keep one"),
    ("images: [a]\nname: x\nimages: [b]\n", 3, "key 'images'", "is given twice; keep one"),
    ("name: x\nimages: [a]\nname: y\n", 3, "key 'name'", "is given twice; keep one"),
    ("images: [a]\nsplit:\n  x: [0]\n  'x': [0]\n", 4, "key 'x'", "is given twice; keep one"),
    ("images: [a]\nsplit:\n  x: [0]\nsplit:\n  y: [0]\n", 4, "key 'split'", "is given twice; keep one"),
    # labels
    (CLASSES + entry("location: a\n    label: cta", 1), 5, "images[1].label", "not in classes; did you mean 'cat'?"),
    (CLASSES + entry("location: a\n    label: bird", 1), 5, "images[1].label", "'bird' is not in classes; known are"),
    (CLASSES + entry("location: a\n    label: [cat, bird]", 1), 5, "images[1].label", "'bird' is not in classes"),
    (CLASSES + entry("location: a\n    label: 2", 1), 5, "images[1].label", "'2' is not the index of a class (0 to 1)"),
    (CLASSES + entry("location: a\n    label: '2'", 1), 5, "images[1].label", "'2' is not the index of a class"),
    (CLASSES + entry("location: a\n    label: -1", 1), 5, "images[1].label", "'-1' is not the index of a class"),
    (CLASSES + entry("location: a\n    label: 1.0", 1), 5, "images[1].label", "'1.0' is not the index of a class"),
    (CLASSES + entry("location: a\n    label: []", 1), 5, "images[1].label", "is an empty list; leave label out"),
    (CLASSES + entry("location: a\n    label: ''", 1), 5, "images[1].label", "is empty; leave label out"),
    (entry("location: a\n    label: ''", 1), 4, "images[1].label", "is empty; leave label out"),
    (entry("location: a\n    label: {b: c}", 1), 4, "images[1].label", "is a map, must be"),
    (entry("location: a\n    label: [[1]]", 1), 4, "images[1].label[0]", "is a list, must be a single value"),
    (entry("location: a\n    label: [m.png]", 1), 4, "images[1].label", "and there are no classes"),
    (entry("location: a\n    label: s3://", 1), 4, "images[1].label", "no bucket after s3://"),
    # classes and features
    ("classes: [a, b, a]\n" + IMAGES, 1, "classes[2]", "'a' is classes[0] already; take one"),
    ("classes:\n  - a\n  - 0\n" + IMAGES, 3, "classes[1]", "'0' looks like the index of another class"),
    ("classes: ['0', '2']\n" + IMAGES, 1, "classes[1]", "call it '1' or give it a name that is no number"),
    ("classes: [a, '-1']\n" + IMAGES, 1, "classes[1]", "looks like the index of another class"),
    ("classes: a\n" + IMAGES, 1, "classes", "is a single value, must be a list"),
    ("classes: {a: 1}\n" + IMAGES, 1, "classes", "is a map, must be a list"),
    ("classes: [a, null]\n" + IMAGES, 1, "classes[1]", "is empty"),
    ("classes: [a, [b]]\n" + IMAGES, 1, "classes[1]", "is a list, must be a single value"),
    ("features: 5\n" + IMAGES, 1, "features", "is a single value, must be a list"),
    ("features: [a, b, a]\n" + IMAGES, 1, "features[2]", "'a' is features[0] already; take one"),
    ("name: [a]\n" + IMAGES, 1, "name", "is a list, must be a single value"),
    (IMAGES + "description: .nan\n", 2, "description", "is .nan, not a finite number"),
    # values
    ("features: [a]\n" + entry("location: q\n    values: 5", 1), 5, "images[1].values", "must be a list in the order"),
    ("features: [a]\n" + entry("location: q\n    values: [[1]]", 1), 5, "images[1].values[0]", "is a list, must"),
    ("features: [a]\n" + entry("location: q\n    values: {b: 1}", 1), 5, "images[1].values", "not in features ('a')"),
    ("features: [a]\n" + entry("location: q\n    values: [.nan]", 1), 5, "images[1].values[0]", "not a finite number"),
    ("features: [a]\n" + entry("location: q\n    values: {a: -.inf}", 1), 5, "images[1].values.a", "write null where"),
    # split
    (IMAGES + "split: 5\n", 2, "split", "is a single value, must be a map of names to lists"),
    (IMAGES + "split: [0]\n", 2, "split", "is a list, must be a map of names to lists"),
    (IMAGES + "split: {test: 0}\n", 2, "split.test", "is a single value, must be a list of indices"),
    (IMAGES + "split:\n  test:\n    - 0\n    - -1\n", 5, "split.test[1]", "-1 is negative; indices start at 0"),
    (IMAGES + "split:\n  test:\n    - 0\n    - 3\n", 5, "split.test[1]", "3 is outside images, whose last index is 2"),
    (IMAGES + "split:\n  test: [0,\n    1.0]\n", 4, "split.test[1]", "is '1.0', must be a whole number"),
    (IMAGES + "split: {test: [x]}\n", 2, "split.test[0]", "is 'x', must be a whole number"),
    (IMAGES + "split: {test: [0, null]}\n", 2, "split.test[1]", "must be a whole number"),
    (IMAGES + "split: {test: [[0]]}\n", 2, "split.test[0]", "is a list, must be an index"),
    (IMAGES + f"split: {{test: [{'9' * 5000}]}}\n", 2, "split.test[0]", "must be a whole number"),
    (IMAGES + "split:\n  test:\n    - 1\n    - 0\n    - 1\n", 6, "split.test[2]", "1 is split.test[0] already"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "place", "words"), ONE_PROBLEM)
def test_each_mistake_has_its_line_entry_and_fix(text, line, place, words):
    ((found_line, found_place, what),) = problems(text)
    assert (found_line, found_place) == (line, place)
    assert words in what


NOT_READABLE = [
    ("a", 1, "a dataset file is a map with the keys name, images, split"),
    ("\n- a\n", 2, "a dataset file is a map"),
    ("images: [a\n", 2, "not readable as YAML"),
    ("name: x\nimages:\n\t- a\n", 3, "not readable as YAML"),
    ("images:\n  - a: b: c\n", 2, "not readable as YAML"),
    ("images:\n  - a\n   - b\n  c\n", 4, "not readable as YAML"),
    ("images:\n  - location: 'a\n  - location: b\n", 2, "found unexpected end of stream; is it closed?"),
    ("images: [a]\n---\nimages: [b]\n", 2, "a second document starts here; keep one"),
    ("images: [*x]\n", 1, "alias '*x' has no anchor before it; write the value out"),
    ("name: x\n? [a]\n: b\nimages: [a]\n", 2, "a key is a single word"),
    ("images:\n  - <<: {location: a}\n", 2, "write the keys out"),
    ("images: !!python/object/apply:os.system [a]\n", 1, "tag"),
    (b"images:\n  - \xe9.png\n", 2, "not UTF-8 text; is this a dataset file? Save it as UTF-8"),
    ("images: [a]\n".encode("utf-16"), 1, "not UTF-8 text"),
    ("name: x\nimages: [a\0]\n", 2, "holds control characters"),
    ("name: x\ndescription: \x1b[31m\nimages: [a]\n", 2, "holds control characters"),
]


@pytest.mark.parametrize(("text", "line", "words"), NOT_READABLE)
def test_what_is_no_dataset_file_has_a_line_and_a_reason(text, line, words):
    said = message(text)
    assert said.startswith(f"/data/set/d.yml:{line}: ")
    assert words in said
    assert "\n" not in said


class TestRequestedSplit:
    @pytest.mark.parametrize(
        ("text", "place", "words"),
        [
            (IMAGES, "split", "is missing; --split all takes every image"),
            (IMAGES + "split: {training: [0], x: [1]}\n", "split", "has no 'test'; there are 'training', 'x'"),
            (IMAGES + "split: {test: []}\n", "split.test", "is empty; list the indices"),
            (IMAGES + "split:\n  test:\n", "split.test", "is empty; list the indices"),
        ],
    )
    def test_has_to_be_there_and_hold_something(self, text, place, words):
        ((_, found, what),) = problems(text, "test")
        assert found == place
        assert words in what

    @pytest.mark.parametrize("written", ["0", "{a: 0}"])
    def test_is_not_called_empty_where_something_else_is_written(self, written):
        ((line, place, what),) = problems(IMAGES + f"split:\n  test: {written}\n", "test")
        assert (line, place) == (3, "split.test")
        assert "must be a list of indices" in what

    def test_may_be_all_without_any_split(self):
        assert len(parse_dataset(IMAGES.encode(), HOME, "all").samples) == 3

    @pytest.mark.parametrize("others", ["training", "validation"])
    def test_must_not_overlap_what_was_trained_on(self, others):
        text = IMAGES + f"split:\n  {others}: [1, 2]\n  test:\n  - 0\n  - 2\n  - 1\n"
        ((line, place, what),) = problems(text, "test")
        assert (line, place) == (6, "split.test[1]")
        assert f"image 2 is in split '{others}' too, and so is 1 more" in what

    def test_overlapping_both_is_said_of_both(self):
        text = IMAGES + "split: {training: [0], validation: [1], test: [0, 1]}\n"
        assert [place for _, place, _ in problems(text, "test")] == ["split.test[0]", "split.test[1]"]

    def test_training_must_not_overlap_validation(self):
        ((_, place, what),) = problems(IMAGES + "split: {training: [0], validation: [0]}\n", "training")
        assert place == "split.training[0]"
        assert "'validation'" in what

    def test_may_overlap_others_and_others_may_overlap(self):
        text = IMAGES + "split: {training: [0], validation: [0], test: [1], holdout: [1]}\n"
        assert parse_dataset(text.encode(), HOME, "test").warnings == ()


class TestMany:
    def test_problems_of_all_kinds_are_shown_together_by_line(self):
        text = (
            "classes: [cat, cat]\nfeatures: {}\nimages:\n  - location: a\n    label: bird\n  - a\n"
            "split:\n  test: []\n  training: [7]\n"
        )
        found = problems(text, "test")
        assert {place for _, place, _ in found} == {
            "classes[1]", "features", "images[0].label", "images[1].location", "split.test", "split.training[0]",
        }  # fmt: skip
        lines = [line for line, _, _ in found if line is not None]
        assert lines == sorted(lines)

    def test_twenty_are_shown_and_the_rest_counted(self):
        text = CLASSES + "images:\n" + "".join(f"  - {{location: '{n}', label: bird}}\n" for n in range(50))
        said = message(text).split("\n")
        assert said[0] == "/data/set/d.yml: 50 problems"
        assert len(said) == 22
        assert said[1].startswith("  /data/set/d.yml:3: images[0].label: 'bird'")
        assert said[20].startswith("  /data/set/d.yml:22: images[19].label: 'bird'")
        assert "30 more" in said[21]

    def test_of_one_line_are_in_the_order_of_the_file(self):
        found = problems(f"{IMAGES}split: {{test: [{', '.join(str(number) for number in range(15))}]}}\n", "test")
        assert [place for _, place, _ in found] == [f"split.test[{number}]" for number in range(3, 15)]

    def test_are_shown_also_when_reading_ends_early(self):
        said = message("images:\n" + "  - {label: 3}\n" * 200_000).split("\n")
        assert said[1].startswith("  /data/set/d.yml:2: images[0].location: is missing")
        assert re.fullmatch(r"/data/set/d\.yml:\d+: more than \d+ values .*", said[-1])

    def test_a_long_text_is_shortened(self):
        long = "bird" * 900
        said = message(CLASSES + entry(f"location: a\n    label: {long}"))
        assert "… (3600 characters) is not in classes" in said
        assert len(said) < 300

    @pytest.mark.parametrize(
        "text",
        [
            f"classes: [{'c' * 5000}, {'c' * 5000}]\n{IMAGES}",
            f"{IMAGES}split: {{{'t' * 900}: [99]}}\n",
            f"classes: [{LONG_NAMES}]\nimages: [{{location: a, label: b}}]\n",
            f"features: [{LONG_NAMES}]\nimages: [{{location: a, values: {{b: 1}}}}]\n",
            f"features: [{'f' * 5000}]\nimages: [{{location: a, values: {{b: 1}}}}]\n",
            f"features: [f]\nimages: [{{location: a, values: {{{'v' * 900}: [1]}}}}]\n",
            f"images: [a]\n{'k' * 900}: 1\n{'k' * 900}: 2\n",
            f"images: [*{'x' * 5000}]\n",
            f"images: !{'x' * 5000} [a]\n",
        ],
    )
    def test_no_message_is_longer_than_a_screen(self, text):
        assert len(message(text)) < 1000


class TestRoots:
    ROOTS = Roots((Location.parse("/data/set"), Location.parse("s3://b/ok")), ("h:8080",))

    @pytest.mark.parametrize(
        "text", ["a", "q/../a", "/data/set/a", "s3://b/ok/a", "http://h:8080/a", "https://h:8080/a"]
    )
    def test_what_is_allowed_is_read(self, text):
        for labelled in (f"location: {text}", f"location: fine\n    label: {text}"):
            parse_dataset(entry(labelled).encode(), HOME, roots=self.ROOTS)

    @pytest.mark.parametrize(
        ("text", "option"),
        [
            ("../a", "--allow-root /data"),
            ("/data/set2/a", "--allow-root /data/set2"),
            ("q/../../other/a", "--allow-root /data/other"),
            ("s3://b/okay/a", "--allow-root s3://b/okay"),
            ("s3://other/ok/a", "--allow-root s3://other/ok"),
            ("http://h/a", "--allow-http h"),
            ("http://h:80801/a", "--allow-http h:80801"),
            ("http://h:8080@evil/a", "--allow-http h:8080@evil"),
        ],
    )
    def test_what_is_not_names_the_option_that_allows_it(self, text, option):
        ((line, place, what),) = problems(entry(f"location: {text}", 1), roots=self.ROOTS)
        assert (line, place) == (3, "images[1].location")
        assert what.endswith(f"allow it with {option}")
        ((line, place, what),) = problems(entry(f"location: fine\n    label: {text}", 1), roots=self.ROOTS)
        assert (line, place) == (4, "images[1].label")
        assert what.endswith(f"allow it with {option}")

    def test_no_option_allows_what_cannot_be_read(self):
        ((_, _, what),) = problems(entry("location: ftp://h/a", 1), roots=self.ROOTS)
        assert what.endswith("ftp:// cannot be read; copy the file to where it can")

    def test_only_images_that_are_asked_for_are_held_to_it(self):
        text = "images: [a, ../b]\nsplit: {test: [0]}\n"
        parse_dataset(text.encode(), HOME, "test", roots=self.ROOTS)
        assert len(problems(text, roots=self.ROOTS)) == 1


PATIENT = "DoeJane1980"
FILES_WITH_NAMES = [
    *(re.sub("x.png|cta|bird", f"{PATIENT}.png", text) for text, *_ in ONE_PROBLEM),
    *(text.replace("x", PATIENT) if isinstance(text, str) else text for text, *_ in NOT_READABLE),
    f"images: [../{PATIENT}/a, http:///{PATIENT}, 's3:///{PATIENT}']\n",
    f"images:\n  - *{PATIENT}\n",
    f"images:\n  {PATIENT}.png: 1\n  {PATIENT}.png: 2\n",
    f"images: [a]\nsplit:\n  test: [{PATIENT}.png]\n",
    f"images: [a]\n{PATIENT}.png: 1\n{PATIENT}.png: 1\n",
    f"images:\n  - !{PATIENT} a\n",
    f"images: [{{location: a, values: {{{PATIENT}: 1}}}}]\n",
    f"features: [f]\nimages: [{{location: a, values: {{{PATIENT}: [1]}}}}]\n",
    f"images:\n  - {PATIENT}.png\n  - {PATIENT}.png\n",
    f"images:\n  - {PATIENT}{'x' * 5000}\n",
    f"images: {PATIENT}.png\n",
    f"- {PATIENT}.png\n",
]  # fmt: skip


@pytest.mark.parametrize("text", FILES_WITH_NAMES)
def test_no_file_name_is_shown_where_only_indices_may_be(text):
    roots = Roots((HOME.parent,))
    with pytest.raises(DataError) as error:
        parse_dataset(text if isinstance(text, bytes) else text.encode(), HOME, "test", roots=roots, show_names=False)
    assert PATIENT not in str(error.value)


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yml: no such file"):
        read_dataset(Location.parse(str(tmp_path / "none.yml")))
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_dataset(Location.parse(str(tmp_path)))
