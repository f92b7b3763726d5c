r"""Patterns of the layouts that :mod:`imaging_core.dataset.regular` knows: a small part of YAML.

Each matches only what libyaml reads in one way, whatever stands around it: scalars without indicators, on one line or
folded, flow lists and maps of them, and entries with each key once. Texts hold no tab, carriage return or NEL.
"""

import re
from functools import lru_cache

KEYS = ("location", "label", "values")

_SOUND = re.match("(?:ab?c)*+", "aca").end() == 2  # type: ignore[union-attr]  # from Python 3.11.5 on: gh-106052
_MANY = 4096
"""How often a group is repeated at most: what goes on for longer takes the long way."""


def _again(pattern: str, least: int = 0, most: int = _MANY) -> str:
    """A repeated group that keeps what it has matched: possessive, or atomic where re repeats possessively in error."""
    return f"(?:{pattern}){{{least},{most}}}+" if _SOUND else f"(?>(?:{pattern}){{{least},{most}}})"


def _maybe(pattern: str) -> str:
    return f"(?>(?:{pattern})?)"


_SPACE = r"[ \n]*+"
_START = r"(?:[A-Za-z0-9_/(+$^\\~\u00a1-\U0010ffff]|\.(?=[A-Za-z0-9_./])(?!\.\.[ \n])|-(?=[A-Za-z0-9_.]))"


def _plain(excluded: str) -> str:
    """Words without quotes: no colon before a blank, no hash after one."""
    other = rf" \n\t{excluded}"
    word = _again(rf"[^:#{other}]++|:(?=[^{other}])|(?<=[^{other}])\#", 1)
    return rf"(?={_START}){word}" + _again(f"[ ]++{word}")


_ESCAPE = (
    r"\\(?:[\"\\/nt]|x[0-9A-Fa-f]{2}|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}"
    r"|U(?!0000[dD][89A-Fa-f])00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})"
)
_SINGLE = r"'[^'\n]*+" + _again(r"''[^'\n]*+") + "'"
_DOUBLE = '"' + _again(rf"[^\"\\\n]++|{_ESCAPE}") + '"'
_QUOTED = f"{_SINGLE}|{_DOUBLE}"
_BLOCK = rf"(?:{_plain('')}|{_QUOTED})"
_INDICATORS = r",\[\]{}?"
_FLOW = rf"(?:{_plain(_INDICATORS)}|{_QUOTED})"
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,99}+"
_FLOW_NAME = rf"(?:{_NAME}:(?=[ \n])|\"{_NAME}\":|'{_NAME}':){_SPACE}"
_NEXT = rf"{_SPACE},{_SPACE}"
_CLOSE = rf"{_SPACE}{_maybe(f',{_SPACE}')}"
_PAIR = f"{_FLOW_NAME}{_FLOW}"
_LIST = rf"\[{_SPACE}{_maybe(f'{_FLOW}{_again(_NEXT + _FLOW)}{_CLOSE}')}\]"
_MAP = rf"\{{{_SPACE}{_maybe(f'{_PAIR}{_again(_NEXT + _PAIR)}{_CLOSE}')}\}}"
_COMMENT = r"\#[^\n]*+"
_END = rf"[ ]*+{_maybe(f'(?<=[ ]){_COMMENT}')}(?=\n)"
_NOTHING = _again(rf"\n[ ]*+{_maybe(_COMMENT)}(?=\n)")

FLOW_ITEM = re.compile(_FLOW)
BLOCK_ITEM = re.compile(rf"\n[ ]*-[ ]++({_BLOCK})")
BLOCK_PAIR = re.compile(rf"\n[ ]*({_NAME}):[ ]++({_BLOCK})")
ESCAPE = re.compile(_ESCAPE)
FOLD = re.compile(r"[ ]*\n[ ]+")
OTHER_NAME = re.compile(rf"(?:^|[\n{{,-])[ ]*[\"']?({_NAME})[\"']?:(?=[ \n])")
UNUSUAL = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
FIRST_KEY = re.compile(rf"{_NAME}(?=:[ \n])")
FIRST_ENTRY = re.compile(rf"[ ]*(?:[ ]\#[^\n]*)?{_NOTHING}\n([ ]*)-([ ]+)(?=[^ \n])")
FLOW_START = re.compile(rf"[ ]+\[{_SPACE}")
FLOW_END = re.compile(rf"\]{_END}{_NOTHING}\n")
FLOW_KEY = re.compile(rf"[{{,]{_SPACE}(?:images:(?=[ \n])|\"images\":|'images':)(?={_SPACE}(\[{_SPACE}))")
FLOW_GOES_ON = re.compile(rf"\](?={_SPACE}[,}}])")

_INDEX = "(?:0|[1-9][0-9]{0,11}+)"
_MOST_INDICES = 4_000_000
_BLOCK_INDICES = _again(rf"\n(?P=in)-[ ]++{_INDEX}[ ]*+", 0, _MOST_INDICES)
_FLOW_INDICES = rf"{_INDEX}{_again(_NEXT + _INDEX, 0, _MOST_INDICES)}{_CLOSE}"
_INDICES = (
    rf"(?:{_END}(?P<block>\n(?P<in>(?P=out)[ ]*+)-[ ]++{_INDEX}[ ]*+{_BLOCK_INDICES}(?=\n))"
    rf"|[ ]++(?P<flow>\[{_SPACE}{_maybe(_FLOW_INDICES)}\]){_END}|{_END})"
)
FIRST_SPLIT = re.compile(rf"[ ]*(?:[ ]\#[^\n]*)?{_NOTHING}\n(?P<out>[ ]+)(?=[^ \n])")
SPLIT = re.compile(rf"(?P<out>[ ]+)(?P<name>{_NAME}|{_QUOTED}):{_INDICES}{_NOTHING}\n")
NUMBER = re.compile("[0-9]+")
"""A split's list of indices, its first line, and its numbers."""

SOURCE_INDICES = re.compile(
    r"\n(?:  (?!indices:)[^ \n].*\n)*  indices:(?P<list> \[[0-9]{1,15}(?:, [0-9]{1,15})*\])(?=\n)"
)
"""After ``source:``, as split writes it."""


def _once(key: str, pattern: str) -> str:
    """``pattern``, unless the group of that name has matched before in the same entry."""
    return f"(?({key})(?!)|{pattern})"


def _key(name: str) -> str:
    return rf"(?:{name}|\"{name}\"|'{name}'):"


GROUPS = ("location", "locations", "label", "labels", "values", "valued", "other")
"""Of every pattern of an entry. Singular: a scalar or flow list; plural: a block list; ``values`` is a flow list or
map, ``valued`` a block one; ``other`` is a further key."""

MAP, FLOW_MAP, SCALAR = "map", "flow map", "scalar"


RUNS = (("location", "label"), ("label", "location"), ("location",), ())
"""The keys of entries that are taken many at once; no keys are a scalar."""


@lru_cache(maxsize=16)
def block_run(keys: tuple[str, ...], indent: int, gap: int) -> "re.Pattern[str]":
    """Entries with these keys in this order, each with a scalar on its line, and nothing else on these lines."""
    column = indent + 1 + gap
    lines = rf"\n[ ]{{{column}}}".join(f"{key}:[ ]{_BLOCK}" for key in keys) or _BLOCK
    ended = rf"\n(?=[ ]{{{indent}}}-[ ]|[^ \n#-]|\Z)"
    return re.compile(_again(rf"[ ]{{{indent}}}-[ ]{{{gap}}}{lines}{ended}", 1))


@lru_cache(maxsize=3)
def flow_run(quote: str) -> "re.Pattern[str]":
    """Scalars of a flow list with these quotes and nothing to unescape, with a comma and a blank between them."""
    body = {'"': r"[^\"\\\n]++", "'": r"[^'\n]++", "": _plain(_INDICATORS)}[quote]
    scalar = f"{quote}{body}{quote}"
    return re.compile(rf"{scalar}{_again(f', {scalar}')}(?:, |(?=\]))")


@lru_cache(maxsize=16)
def block_entry(kind: str, indent: int, gap: int) -> "re.Pattern[str]":
    """An entry of a block list whose dashes stand after ``indent`` blanks and are followed by ``gap`` blanks."""
    column = indent + 1 + gap
    if kind == MAP:
        body = _block_map(column)
    elif kind == FLOW_MAP:
        body = _flow_map() + _END
    else:
        nested = rf"-[ ]++{_BLOCK}{_END}" + _again(rf"\n[ ]{{{column}}}-[ ]++{_BLOCK}{_END}")
        body = rf"(?:(?P<location>{_folded(indent)}|{_LIST}){_END}|(?P<locations>{nested}))"
    return _compile(rf"[ ]{{{indent}}}-[ ]{{{gap}}}{body}{_NOTHING}\n")


@lru_cache(maxsize=2)
def flow_entry(kind: str) -> "re.Pattern[str]":
    """An entry of a flow list, with the comma that follows it."""
    body = _flow_map() if kind == FLOW_MAP else f"(?P<location>{_FLOW}|{_LIST})"
    return _compile(rf"{body}{_SPACE}(?:,{_SPACE}|(?=\]))")


def _compile(entry: str) -> "re.Pattern[str]":
    """The pattern with all GROUPS; where it does not match, ``stop`` does."""
    entry += "".join(f"(?P<{name}>(?!))?" for name in GROUPS if f"(?P<{name}>" not in entry)
    # Conditions may stand before the group that they ask for, which re takes by its number only.
    for number, name in enumerate(re.findall(r"\(\?P<(\w+)>", entry), start=1):
        entry = entry.replace(f"(?({name})", f"(?({number})")
    return re.compile(f"{entry}|(?P<stop>)")


def _block_map(column: int) -> str:
    def listed(name: str) -> str:
        first = rf"\n(?P<{name}_in>[ ]{{{column},}}+)-[ ]++{_BLOCK}{_END}"
        others = _again(rf"\n(?P={name}_in)-[ ]++{_BLOCK}{_END}")
        return rf"{_END}(?P<{name}>{first}{others})"

    one = f"{_folded(column)}|{_LIST}"
    labelled = rf"[ ]++(?P<label>{one}){_END}"
    pair = rf"{_NAME}:[ ]++{_BLOCK}{_END}"
    mapped = rf"\n(?P<pair_in>[ ]{{{column + 1},}}+){pair}" + _again(rf"\n(?P=pair_in){pair}")
    item = rf"-[ ]++{_BLOCK}{_END}"
    valued = rf"\n(?P<valued_in>[ ]{{{column},}}+){item}" + _again(rf"\n(?P=valued_in){item}")
    field = "|".join(
        [
            _key("location")
            + _once("location", _once("locations", rf"(?:[ ]++(?P<location>{one}){_END}|{listed('locations')})")),
            _key("label")
            + _once("label", _once("labels", _once("none", f"(?:{labelled}|{listed('labels')}|(?P<none>){_END})"))),
            _key("values")
            + _once(
                "values",
                _once("valued", rf"(?:[ ]++(?P<values>{_LIST}|{_MAP}){_END}|{_END}(?P<valued>{valued}|{mapped}))"),
            ),
            rf"(?!(?:{'|'.join(KEYS)}):)(?P<other>{_NAME}):[ ]++(?:{_BLOCK}|{_LIST}|{_MAP}){_END}",
        ]
    )
    return _again(rf"(?:{field})(?:{_NOTHING}\n[ ]{{{column}}}(?=[^ ])|(?={_NOTHING}\n))", 1)


def _folded(beyond: int) -> str:
    """A scalar; without quotes it may go on on lines that stand deeper than ``beyond``."""
    more = _again(rf"[ ]*+\n[ ]{{{beyond + 1},}}+{_plain('')}")
    return rf"(?:{_plain('')}{more}|{_QUOTED})"


def _flow_map() -> str:
    def key(name: str) -> str:
        return rf"(?:{name}:(?=[ \n])|\"{name}\":|'{name}':){_SPACE}"

    field = "|".join(
        [
            key("location") + _once("location", f"(?P<location>{_FLOW}|{_LIST})"),
            key("label") + _once("label", f"(?P<label>{_FLOW}|{_LIST})"),
            key("values") + _once("values", f"(?P<values>{_LIST}|{_MAP})"),
            rf"(?![\"']?(?:{'|'.join(KEYS)})[\"']?:)(?P<other>{_FLOW_NAME})(?:{_FLOW}|{_LIST}|{_MAP})",
        ]
    )
    fields = _again(rf"(?:{field})(?:{_NEXT}|(?={_SPACE}\}}))", 1)
    return rf"\{{{_SPACE}{fields}{_SPACE}\}}"


@lru_cache(maxsize=8)
def next_entry(indent: int) -> "re.Pattern[str]":
    """The line break before the next line that stands no deeper than an entry's dash."""
    return re.compile(rf"\n(?=[ ]{{0,{indent}}}[^ \n#])")
