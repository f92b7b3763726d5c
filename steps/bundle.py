"""Model bundles: pack a state_dict or an ONNX file into one, look into one, export one, list the architectures."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imaging_core.errors import EXIT_DONE, MissingError, UsageError
from imaging_core.models.card import CARD, ONNX, Card, read_bundle_card
from imaging_core.run import to_json
from imaging_core.store import Location, Source, open_source, open_store
from steps.card_options import add_kind_option, add_network_options, draft_card, names, usage_errors, whole
from steps.command import positive, run_command

if TYPE_CHECKING:
    from torch import Tensor, nn

EXAMPLES = """examples:
  python -m steps.bundle list
  python -m steps.bundle pack --architecture segnet --input-size 192x192 --channels 3 --kind binary --classes lesion \\
      --weights state_dict.safetensors --out bundles/segnet
  python -m steps.bundle pack --architecture resnet18 --input-size 224x224 --channels 3 --kind multiclass \\
      --classes MEL,NV,BCC --random-seed 0 --out bundles/untrained
  python -m steps.bundle pack --architecture onnx --weights eddl.onnx --input-size 192x192 --channels 3 --kind binary \\
      --classes lesion --out bundles/eddl
  python -m steps.bundle inspect bundles/segnet
  python -m steps.bundle export --model bundles/segnet --out segnet.onnx
"""


def main(arguments: Sequence[str] | None) -> int:
    """Run one of the four commands."""
    options = _parser().parse_args(arguments)
    command = {"pack": _pack, "inspect": _inspect, "export": _export, "list": _list}[options.command]
    command(options)
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    shown: dict[str, Any] = {"epilog": EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="python -m steps.bundle", description=__doc__, **shown)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    pack = commands.add_parser("pack", help="weights or an ONNX file into a bundle; they are tried out first", **shown)
    weights = pack.add_mutually_exclusive_group(required=True)
    weights.add_argument(
        "--weights",
        metavar="LOCATION",
        help="a state_dict: .safetensors, or with --trust-model .pt, or the weights of a program, .pt2; with "
        "--architecture onnx an ONNX file",
    )
    weights.add_argument("--random-seed", type=whole, metavar="N", help="untrained weights, for trying out")
    pack.add_argument(
        "--trust-model", action="store_true", help="open --weights although its format (.pt, .pt2) can execute code"
    )
    pack.add_argument("--out", required=True, metavar="LOCATION", help="the bundle's folder")
    pack.add_argument("--replace", action="store_true", help="overwrite another bundle that lies there")
    pack.add_argument(
        "--task",
        choices=["classification", "segmentation"],
        help="(default: what the architecture is made for, or the ONNX file's output tells)",
    )
    add_network_options(pack)
    said = pack.add_argument_group("what it says")
    add_kind_option(said, required=True)
    said.add_argument("--classes", required=True, type=names, metavar="NAME,NAME,…", help="in the order of the outputs")
    said.add_argument(
        "--activation",
        choices=["sigmoid", "softmax", "none"],
        help="applied to what the network returns (default: softmax for multiclass, else sigmoid; none after an ONNX "
        "file that ends in one of them itself)",
    )
    said.add_argument("--threshold", type=float, default=0.5, help="a score at or above it is positive (default: 0.5)")
    said.add_argument("--ignore", type=int, metavar="VALUE", help="a value of multi-class masks that is not scored")

    inspect = commands.add_parser("inspect", help="what is in a bundle; its digests and tensors are checked")
    inspect.add_argument("bundle", metavar="LOCATION", help="the bundle's folder")
    export = commands.add_parser("export", help="a bundle's network as an ONNX file, which is proved to give the same")
    export.add_argument("--model", required=True, metavar="LOCATION", help="the bundle's folder")
    export.add_argument("--out", required=True, metavar="LOCATION", help="the ONNX file to write")
    export.add_argument("--opset", type=positive, metavar="N", help="version of the operators, 9 to 20 (default: 17)")
    listed = commands.add_parser("list", help="the architectures, their tasks and parameters")
    for command in (inspect, listed):
        command.add_argument("--json", action="store_true", help="for scripts")
    return parser


def _pack(options: argparse.Namespace) -> None:
    if options.architecture == ONNX:
        _pack_onnx(options)
        return
    from imaging_core.models import bundle, registry, summary  # PyTorch: only once the arguments are right
    from imaging_core.models.initialise import initialise

    out = Location.parse(options.out)
    with usage_errors():
        task = options.task or registry.find(options.architecture, "options").task
    draft = draft_card(options, task, _output(options))
    with usage_errors():
        model = registry.build(draft, "options")
    if options.weights is None:
        initialise(model, options.random_seed)
        state = model.state_dict()
    else:
        state = _read_state(options, model)
        model.load_state_dict(state, assign=True)
    summary.try_out(model, draft, str(out))
    card, digest = bundle.pack(out, draft, state, replace=options.replace)
    _tell_packed(card, summary.parameter_count(model), digest, out)


def _pack_onnx(options: argparse.Namespace) -> None:
    if options.weights is None:
        raise UsageError("--random-seed: an ONNX file has its weights in it; give it by --weights")
    from imaging_core.models import bundle
    from imaging_core.models.onnx import graph, opening, trial

    out, where = Location.parse(options.out), Location.parse(options.weights)
    data = _weights_of(options).bytes(opening.LARGEST_FILE)
    model = opening.open_model(data, str(where))
    wanted = graph.choice(dict(options.parameter), str(where))
    ends = graph.ending(model, wanted, str(where))
    output = _output(options)
    if output["activation"] is None and ends in ("sigmoid", "softmax"):
        output["activation"] = "none"
        print(f"{where.name} ends in {ends} itself: the card's activation is none")
    draft = draft_card(options, options.task or graph.task_of(model, wanted, str(where)), output)
    trial.try_out(data, draft, str(where))
    card, digest = bundle.pack_onnx(out, draft, data, replace=options.replace)
    _tell_packed(card, graph.describe(model).parameters, digest, out)


def _output(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("kind", "classes", "activation", "threshold", "ignore")}


def _tell_packed(card: Card, parameters: int, digest: str, out: Location) -> None:
    print(f"packed {card.name}: {parameters:,} parameters, sha256 {digest}")
    print(f"look into it: python -m steps.bundle inspect {out.for_person()}")


def _weights_of(options: argparse.Namespace) -> Source:
    source = open_source(Location.parse(options.weights))
    try:
        source.size()
    except MissingError as error:
        raise UsageError(f"--weights {source.location}: nothing is there") from error
    return source


def _read_state(options: argparse.Namespace, model: "nn.Module") -> "dict[str, Tensor]":
    from imaging_core.models import weights

    source = _weights_of(options)
    if source.location.suffix == ".onnx":
        raise UsageError(f"--weights {source.location}: an ONNX file is packed with --architecture {ONNX}")
    state = weights.read_trusted(source) if options.trust_model else weights.read_weights(source)
    return weights.matched(model, state, str(source.location))


def _inspect(options: argparse.Namespace) -> None:
    location = Location.parse(options.bundle)
    read_bundle_card(location)
    import torch  # takes seconds: a location without a bundle is told at once

    from imaging_core.models import bundle, summary

    card, digest, model = bundle.load_model(location, torch.device("cpu"))
    described = summary.describe(card, digest, model, str(location.join(CARD)))
    if options.json:
        print(to_json(described).decode(), end="")
    else:
        _show(card, described)


def _export(options: argparse.Namespace) -> None:
    location, out = Location.parse(options.model), Location.parse(options.out)
    card, _ = read_bundle_card(location)
    if card.architecture.name == ONNX:
        raise UsageError(f"{location}: {card.weights.file} of this bundle is the ONNX file; copy it")
    import torch

    from imaging_core.models import bundle
    from imaging_core.models.onnx import exporting

    card, _, model = bundle.load_model(location, torch.device("cpu"))
    data, difference = exporting.export(model, card, options.opset or exporting.DEFAULT_OPSET)
    open_store(out.parent).put(out.name, data)
    print(f"wrote {out.for_person()}: {len(data):,} bytes; onnxruntime and PyTorch differ by at most {difference:.2g}")
    print(f"its input is images, its output scores, before the activation ({card.output.activation})")


def _show(card: Card, described: dict[str, Any]) -> None:
    seen = card.input
    rows = [
        ("name", card.name),
        ("description", card.description),
        ("sha256", f"{described['sha256']} (card, verified: the weights' digest and tensors are right)"),
        ("task", f"{card.task}, {card.output.kind}: {', '.join(card.output.classes)}"),
        ("architecture", _call(card.architecture.name, card.architecture.parameters)),
        ("parameters", f"{described['parameters']:,}"),
        (
            "input",
            " x ".join(map(str, (card.batch, seen.channels, *seen.size)))
            + (f", {seen.resize}" if seen.depth is None else "")
            + f", scaling {seen.scaling}",
        ),
        ("volumes", _volumes(card)),
        ("processing", "; ".join(_call(each.operator, each.model_extra or {}) for each in seen.processing)),
        ("normalised", f"mean {seen.mean}, std {seen.std}" if seen.mean or seen.std else ""),
        ("output", f"{card.output.activation}, threshold {card.output.threshold}"),
        ("precision", card.precision),
    ]
    for name, value in rows:
        if value:
            print(f"{name:<14}{value}")
    if "onnx" in described:
        _show_onnx(described["onnx"])
        return
    layers = [
        (each["name"], each["kind"], " x ".join(map(str, each["output"])), f"{each['parameters']:,}")
        for each in described["layers"]
    ]
    print()
    _table(("layer", "kind", "output", "parameters"), layers)


def _volumes(card: Card) -> str:
    seen = card.input
    if seen.depth is None:
        return f"slices in {seen.orientation}"
    step = "their own spacing" if seen.spacing is None else f"{' x '.join(f'{each:g}' for each in seen.spacing)} mm"
    return f"patches in {seen.orientation} at {step}, overlap {seen.overlap:g}"


def _show_onnx(graph: dict[str, Any]) -> None:
    print(f"{'onnx':<14}opset {graph['opset']}, written by {graph['producer']}, {graph['size']:,} bytes")
    for kind in ("inputs", "outputs"):
        for port in graph[kind]:
            shape = " x ".join(map(str, port["shape"])) if port["shape"] is not None else "any shape"
            print(f"{kind.removesuffix('s'):<14}{port['name']}: {port['type']} {shape}")
    print()
    _table(("operator", "times"), [(name, str(times)) for name, times in graph["operators"].items()])


def _list(options: argparse.Namespace) -> None:
    from imaging_core.models import registry

    described: dict[str, dict[str, Any]] = {
        name: {"task": each.task, "summary": each.summary, "parameters": registry.describe_parameters(each)}
        for name, each in registry.ARCHITECTURES.items()
    }
    if options.json:
        print(to_json(described).decode(), end="")
        return
    for name, each in described.items():
        print(f"{name:<11} {each['task']:<15} {each['summary']}")
        for parameter, schema in each["parameters"].items():
            default = str(schema["default"]).lower() if isinstance(schema["default"], bool) else schema["default"]
            choices = f" ({' or '.join(schema['enum'])})" if "enum" in schema else ""
            print(f"{'':<11}   {parameter}={default}{choices}: {schema['description']}")


def _call(name: str, parameters: dict[str, Any]) -> str:
    return name + (f" ({', '.join(f'{key}={value}' for key, value in parameters.items())})" if parameters else "")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        *texts, number = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([*texts, number.strip().rjust(widths[-1])]))


if __name__ == "__main__":
    run_command(main)
