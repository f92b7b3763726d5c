"""DeepHealth's original split-yaml, for comparison only: it lost cases and scored on training images.

It cut the whole list of images, in or out of a split, into groups in the file's order, and gave each group training,
validation and test anew by position, in the original shares.
"""

from collections.abc import Mapping, Sequence


def groups(images: int, shards: int) -> list[range]:
    """The images of each part: ``floor(images / shards)`` each, the rest in the last; one each for few images."""
    size = max(1, images // shards)
    count = min(shards, images)
    return [range(number * size, (number + 1) * size if number < count - 1 else images) for number in range(count)]


def reassigned(split: Mapping[str, Sequence[int]], images: int, part: int) -> dict[str, list[int]]:
    """The splits of a part of ``part`` images: each its original share, rounded, by position; the last one the rest."""
    result = {}
    position = 0
    for number, (name, indices) in enumerate(split.items()):
        last = number == len(split) - 1
        end = part if last else min(part, position + (2 * len(indices) * part + images) // (2 * images))
        result[name] = list(range(position, end))
        position = end
    return result
