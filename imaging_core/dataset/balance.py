"""Deals samples out to shards of nearly the same cost."""

import heapq
from collections.abc import Sequence


def balance(costs: Sequence[int], shards: int) -> list[list[int]]:
    """Deal out samples, the costliest first, each to the shard that has the least so far.

    Greedy list scheduling, longest processing time first (Graham 1969, SIAM J. Appl. Math. 17:416): the shards' costs
    differ by at most the cost of one sample. Ties go to the shard with fewer samples, then to the earlier one; of
    samples of one cost the earlier comes first.

    Args:
        costs: one per sample, each at least 0.
        shards: how many to make; no more are made than there are samples.

    Returns:
        For each shard the positions of its samples, ascending; none is empty.
    """
    count = min(shards, len(costs))
    if not costs or min(costs) == max(costs):
        return [list(range(shard, len(costs), count)) for shard in range(count)]
    dealt: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, 0, shard) for shard in range(count)]
    for position in sorted(range(len(costs)), key=costs.__getitem__, reverse=True):
        load, samples, shard = loads[0]
        dealt[shard].append(position)
        heapq.heapreplace(loads, (load + costs[position], samples + 1, shard))
    for members in dealt:
        members.sort()
    return dealt
