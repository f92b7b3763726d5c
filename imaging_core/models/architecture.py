"""What one allow-listed architecture offers: its task, its own parameters, and how to build it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict
from torch import nn

from imaging_core.dataset.sample import Task
from imaging_core.models.card import Input


class Parameters(BaseModel):
    """An architecture's own parameters, as ``architecture.parameters`` of the card gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ResidualBlock(nn.Module):
    """A block that adds to its input. It starts as the identity: the scale of :meth:`last_norm` is 0 at first."""

    def last_norm(self) -> nn.BatchNorm2d:
        """The batch normalisation before the sum."""
        raise NotImplementedError


P = TypeVar("P", bound=Parameters)


class UnfitInputError(ValueError):
    """The architecture cannot take inputs of the card's size; the message says which it takes."""


@dataclass(frozen=True, slots=True)
class Architecture(Generic[P]):
    """One architecture of the allow-list.

    Attributes:
        summary: one line for a person, with the publication.
        task: what it is made for.
        parameters: the model of its own parameters, each with a description and a default.
        build: makes the network for an input, a number of output channels and the parameters. It maps float32
            N x input.channels x input.size to N x channels (classification) or N x channels x input.size
            (segmentation), without the activation. Raises UnfitInputError.
        axes: of its input: 2 of images, 3 of patches of volumes.
    """

    summary: str
    task: Task
    parameters: type[P]
    build: Callable[[Input, int, P], nn.Module]
    axes: Literal[2, 3] = 2


AnyArchitecture = Architecture[Any]


def require_at_least(card: Input, side: int) -> None:
    """Raise UnfitInputError when the input's height or width is smaller than ``side`` pixels."""
    for name in ("height", "width"):
        if getattr(card, name) < side:
            raise UnfitInputError(f"input.{name} is {getattr(card, name)}; it must be at least {side}")


def require_multiple(card: Input, factor: int) -> None:
    """Raise UnfitInputError when a side of the input is not a multiple of ``factor`` pixels."""
    for name in ("depth", "height", "width"):
        value = getattr(card, name)
        if value is not None and value % factor:
            below, above = value // factor * factor, (value // factor + 1) * factor
            nearest = f"{below} or {above}" if below else str(above)
            raise UnfitInputError(f"input.{name} is {value}, not a multiple of {factor}; make it {nearest}")
