"""Datasets as hypothesis draws them: awkward texts, every kind of label, values of every type."""

import hashlib
import string

from hypothesis import strategies as st

from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.store import Location

AWKWARD = [
    *("5", "-1", "007", "1_000", "0x1F", "1e5", ".5", "1.", "+1", "12:30", "2020-01-02", ".nan", "NaN", "-.inf"),
    *("null", "Null", "~", "true", "No", "y", "on", "=", "<<", "---", "...", "read by patterns"),
    *(
        "-",
        "- a",
        "?",
        "? a",
        ":",
        "a: b",
        "a:",
        ":a",
        "#",
        "a #b",
        "a#b",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
    ),
    *("'", '"', "''", '""', "a'b", 'a"b', "\\", "\\n", "a\\", "C:\\x", "[a]", "{a: b}", "a, b", ",", "[", "]"),
    *(
        " a",
        "a ",
        " ",
        "a  b",
        "a\nb",
        "a\n\nb",
        "\n",
        "a\tb",
        "\t",
        "a\rb",
        "\x85",
        "\u2028",
        "\xa0",
        "\ufeff",
        "\x07",
    ),
    *("é", "日本", "😀", "a/b.c", "x" * 2000),
]

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.sampled_from(AWKWARD) | st.text(characters, min_size=1, max_size=12)
paths = st.text(string.ascii_letters + string.digits + "_./- ", min_size=1, max_size=20)
values = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.just("")
)


def is_path(text: str, classes: tuple[str, ...]) -> bool:
    """Whether a text can be the path of a mask: no class, and nothing that looks like a number."""
    return text not in classes and not text.lstrip("+-.").lower().startswith(tuple("0123456789"))


@st.composite
def datasets(draw: st.DrawFn, location: Location) -> Dataset:
    """A dataset whose file lies at ``location``."""
    classes = draw(st.lists(texts.filter(lambda text: not text.lstrip("+-").isdigit()), max_size=3, unique=True))
    features = draw(st.lists(texts, max_size=3, unique=True))
    planes = st.lists(texts | paths, min_size=1, max_size=3).map(tuple)
    locations = draw(
        st.lists(planes, min_size=1, max_size=8, unique_by=lambda names: tuple(map(location.parent.join, names)))
    )
    indices = (
        st.lists(st.integers(0, max(len(classes) - 1, 0)), min_size=1, max_size=3, unique=True).map(sorted).map(tuple)
    )
    masks = (texts | paths).filter(lambda text: is_path(text, tuple(classes)) and not classes)
    kinds = draw(st.sampled_from([indices, st.none()] if classes else [masks, masks | st.none(), indices, st.none()]))
    rows = st.tuples(*[values] * len(features))
    rows = rows if draw(st.booleans()) else st.just((None,) * len(features))
    samples = [Sample(names, draw(kinds), draw(rows)) for names in locations]
    order = draw(st.permutations(range(len(samples))))
    names = draw(st.lists(texts.filter(lambda text: len(text) <= 200), max_size=3, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), min_size=len(names) + 1, max_size=len(names) + 1)))
    split = {name: list(order[start:end]) for name, start, end in zip(names, cuts, cuts[1:], strict=False)}
    name, description = draw(texts | st.just("")), draw(texts | st.just(""))
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Dataset(location, sha256, name, description, tuple(classes), tuple(features), samples, split)
