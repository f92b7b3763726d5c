"""Model bundles: a folder with a card (``model.yaml``) and weights (safetensors or ONNX), read and written whole."""

import hashlib
from collections.abc import Mapping

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from imaging_core.errors import DataError, MissingError, UsageError, listing
from imaging_core.models import registry
from imaging_core.models.card import (
    CARD,
    ONNX,
    SAFETENSORS_FILE,
    Card,
    Weights,
    card_digest,
    read_bundle_card,
    write_card,
)
from imaging_core.models.processing import processing_chain
from imaging_core.models.weights import check_digest, mismatches, read_weights, size_in_bytes
from imaging_core.store import Location, open_source, open_store

__all__ = ["load_model", "pack", "pack_onnx", "read_bundle_card"]

ONNX_FILE = "model.onnx"

_ROOM = 64 * 1024 * 1024
"""How much longer than its architecture needs a file of weights may be and still be looked into, in bytes."""


def load_model(bundle: Location, device: torch.device) -> tuple[Card, str, nn.Module]:
    """The card of a bundle, the bundle's digest, and its network with its weights, on ``device`` and in eval mode.

    Raises:
        DataError: no bundle is there; its card is not one; the weights' digest is not the card's; their tensors are
            not those of the architecture, or not finite. All problems of the tensors are named. An ONNX file is none,
            is one that is refused, or is not the network that the card describes.
        ConfigurationError: an ONNX file is to run on a GPU that the installed onnxruntime cannot use.
        TemporaryError: the store may answer a retry.
    """
    card, digest = read_bundle_card(bundle)
    processing_chain(card.input, str(bundle.join(CARD)))  # made to be checked
    if card.architecture.name == ONNX:
        return card, digest, _load_onnx(bundle, card, device)
    model = registry.build(card, str(bundle.join(CARD)))
    location = bundle.join(card.weights.file)
    source = open_source(location)
    needed = size_in_bytes(model)
    try:
        if source.size() > 2 * needed + _ROOM:
            raise DataError(
                f"{location}: {source.size()} bytes, but {card.architecture.name} as {CARD} has it needs {needed}; "
                "these are not its weights"
            )
        tensors = read_weights(source, card.weights.sha256)
    except MissingError as error:
        raise DataError(f"{location}: the weights that {CARD} names are missing; pack the bundle anew") from error
    problems = mismatches(model, tensors)
    if problems:
        raise DataError(listing(f"{location}: not the weights of {card.architecture.name} as {CARD} has it", problems))
    model.load_state_dict(tensors, assign=True)
    return card, digest, model.requires_grad_(False).to(device).eval()


def pack(bundle: Location, draft: Card, state: Mapping[str, Tensor], *, replace: bool = False) -> tuple[Card, str]:
    """Write a bundle: the weights, then the card, which makes it one.

    The same draft and state give the same bytes. When another bundle is replaced, its card goes first, so that at every
    moment there is a whole bundle or none.

    Args:
        bundle: the folder.
        draft: the card; its ``weights`` are :data:`imaging_core.models.card.UNPACKED`.
        state: a state_dict as :func:`imaging_core.models.weights.matched` gives it.
        replace: whether another bundle that lies there may be overwritten.

    Returns:
        The card as written, and the bundle's digest.

    Raises:
        UsageError: another bundle lies there, and ``replace`` is not set.
        DataError: its processing is none.
    """
    weights = to_safetensors({name: tensor.contiguous() for name, tensor in state.items()})
    return _write(bundle, registry.resolved(draft, str(bundle)), SAFETENSORS_FILE, weights, replace)


def pack_onnx(bundle: Location, draft: Card, data: bytes, *, replace: bool = False) -> tuple[Card, str]:
    """As :func:`pack`, of an ONNX file that :mod:`imaging_core.models.onnx.trial` tried out."""
    return _write(bundle, draft, ONNX_FILE, data, replace)


def _load_onnx(bundle: Location, card: Card, device: torch.device) -> nn.Module:
    from imaging_core.models.onnx.network import OnnxNetwork  # onnx and onnxruntime, which other bundles do without
    from imaging_core.models.onnx.opening import LARGEST_FILE

    location = bundle.join(card.weights.file)
    try:
        data = open_source(location).bytes(LARGEST_FILE)
    except MissingError as error:
        raise DataError(f"{location}: the ONNX file that {CARD} names is missing; pack the bundle anew") from error
    check_digest(hashlib.sha256(data).hexdigest(), card.weights.sha256, str(location))
    return OnnxNetwork(data, card, device, str(location)).eval()


def _write(bundle: Location, draft: Card, file: str, weights: bytes, replace: bool) -> tuple[Card, str]:
    digest = Weights(file=file, sha256=hashlib.sha256(weights).hexdigest())
    card = draft.model_copy(update={"weights": digest})
    processing_chain(card.input, "the card to be packed")  # made to be checked
    data = write_card(card)
    store = open_store(bundle)
    if store.exists(CARD) and store.get(CARD) != data:
        if not replace:
            raise UsageError(f"{bundle}: another model bundle lies there; give another --out, or --replace")
        store.delete(CARD)
    store.put(card.weights.file, weights)
    store.put(CARD, data)
    return card, card_digest(data)
