"""Contours of masks, pixel by pixel."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_STEPS = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])
"""(Row, column) towards the left, below, the right and above: each next one is a quarter turn against the clock."""


def find_contours(masks: Tensor) -> list[list[NDArray[np.int32]]]:
    """The borders of all components and of all holes: OpenCV's ``findContours(RETR_LIST, CHAIN_APPROX_NONE)``.

    Walks along the edges between foreground and background with the foreground on the left, where pixels that meet in
    a corner are connected (Suzuki, 1985). The masks are copied to the CPU.

    Args:
        masks: N x 1 x height x width, not 0 in the foreground.

    Returns:
        For each mask its contours, each points x 2 of (x, y), int32: a closed chain of pixels, OpenCV's but for the
        point it begins at; by their first edges in reading order.
    """
    if masks.ndim != 4 or masks.shape[1] != 1:
        raise ValueError(f"masks have shape {tuple(masks.shape)}; they must be N x 1 x height x width")
    return [_contours(mask) for mask in (masks[:, 0] != 0).cpu().numpy()]


def _contours(mask: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    inside = np.pad(mask, 1)
    edges = [np.argwhere(inside & ~np.roll(inside, -step, (0, 1))) for step in _STEPS]
    side = np.repeat(np.arange(4), [len(each) for each in edges])
    pixel = np.concatenate(edges)
    order = np.lexsort((side, pixel[:, 1], pixel[:, 0]))
    side, pixel = side[order], pixel[order]
    number = np.full((4, *inside.shape), -1)
    number[side, pixel[:, 0], pixel[:, 1]] = np.arange(len(side))
    following = _following(inside, pixel, side, number).tolist()
    moves = (pixel[following] != pixel).any(axis=1).tolist()
    contours, seen = [], bytearray(len(following))
    for first in range(len(following)):
        if seen[first]:
            continue
        chain, edge = [], first
        while not seen[edge]:
            seen[edge] = True
            if moves[edge]:
                chain.append(edge)
            edge = following[edge]
        contours.append(pixel[chain or [first]][:, ::-1].astype(np.int32) - 1)
    return contours


def _following(
    inside: NDArray[np.bool_], pixel: NDArray[np.int64], side: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The edge after each: of the pixel across the corner, of the next pixel, or of the same one round its corner."""
    out, along = _STEPS[side], _STEPS[(side + 1) % 4]
    ahead, corner = pixel + along, pixel + along + out
    turn, straight = inside[tuple(corner.T)], inside[tuple(ahead.T)]
    target = np.where(turn[:, None], corner, np.where(straight[:, None], ahead, pixel))
    facing = np.where(turn, side - 1, np.where(straight, side, side + 1)) % 4
    following: NDArray[np.int64] = number[facing, target[:, 0], target[:, 1]]
    return following
