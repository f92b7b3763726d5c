"""The processing chain of a model card, made only where there is one: all operators take long to import."""

from typing import TYPE_CHECKING

from imaging_core.models.card import Input

if TYPE_CHECKING:
    from imaging_core.transforms.chain import Chain


def processing_chain(card: Input, where: str = "the model card") -> "Chain | None":
    """The operators of a card, which ``where`` names in errors; None when it has none.

    Raises:
        DataError: as :class:`imaging_core.transforms.chain.Chain`.
    """
    if not card.processing:
        return None
    from imaging_core.transforms.chain import Chain

    return Chain([each.model_dump() for each in card.processing], f"{where}: input.processing")
