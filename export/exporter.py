"""Write a streaming net as a model file, or refuse it with a reason."""

from __future__ import annotations

import copy
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from export.errors import ExportError, ParityError
from export.parity import Parity, check_parity, ends, probe, run_torch, whole_blocks
from export.streaming import StreamingModule
from rtaudio.atomic import replacing
from rtaudio.errors import ContractError, first_fault
from rtaudio.models.contract.card import FRAMES_AXIS, GOLDEN_SAMPLES, Card, Golden
from rtaudio.models.contract.check import check_model
from rtaudio.models.contract.half_precision import LEAST_WEIGHTS, to_half
from rtaudio.models.contract.metadata import write_metadata

__all__ = ["export_model"]

OPSET = 17
_TRACED_FRAMES = 64


def export_model(
    net: StreamingModule, card: Mapping[str, Any], path: str | Path, *, half: bool = False
) -> Parity:
    """Export a net to a model file, and prove the file before it is put in its place.

    Parameters
    ----------
    net
        The net, in evaluation mode, on the CPU.
    card
        Entries of `rtaudio.models.contract.card.Card` that the net does not have: name,
        sample_rate, license, provenance, and optional ones. Kind, channels, hop, latency, pre-warm,
        parameters and architecture come from the net.
    path
        The file to write; an existing one is replaced in one step.
    half
        Whether to round the weights to half precision, which halves the file.

    Returns
    -------
    Parity
        The measured differences and latency.

    Raises
    ------
    ExportError
        The net cannot stream, the graph does not keep the contract, or it differs from the net.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ExportError(f"{path}: the folder {path.parent} does not exist; make it first")
    _refuse_unstreamable(net)
    folded = net.folded()
    if half:
        net = folded = _rounded(folded)
    try:
        full_card = Card(
            **card,
            kind=net.kind,
            channels=net.channels,
            hop=net.hop,
            latency_samples=net.latency_samples,
            prewarm_samples=net.prewarm_samples,
            parameters=net.controls,
            architecture=net.architecture(),
            task=net.task,
            stems=net.stems,
        )
    except ValidationError as error:
        raise ExportError(f"{path}: {first_fault(error, Card, 'card')}") from None

    signal = probe(net, GOLDEN_SAMPLES)
    if net.kind != "decoder":
        signal[:, GOLDEN_SAMPLES:] = 0
    blocks = whole_blocks(net, signal) if net.hop else [signal.shape[1]]
    try:
        output = run_torch(net, signal, blocks)
        proto = _trace(folded)
        # Codes are shorter: a frame per hop.
        golden = Golden(signal[:, :GOLDEN_SAMPLES], output[:, :GOLDEN_SAMPLES])
        write_metadata(proto, full_card, golden)
        model = check_model(proto, path)
        parity = check_parity(net, model)
    except ContractError as error:
        raise ExportError(str(error)) from None
    except ParityError as error:
        raise ExportError(f"{path}: not written: {error}") from None
    with replacing(path) as temporary:
        temporary.write_bytes(to_half(proto).SerializeToString() if half else model.data)
    return parity


def _rounded(net: StreamingModule) -> StreamingModule:
    """Return the net with large weights of half precision."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.numel() >= LEAST_WEIGHTS:
                weight.copy_(weight.half())
                if not torch.isfinite(weight).all():
                    raise ExportError(f"{name} is too large for half precision; export it as it is")
    return net


def _refuse_unstreamable(net: StreamingModule) -> None:
    for name, module in net.named_modules():
        where = f"{type(module).__name__} {name!r}" if name else type(module).__name__
        reason = _reason(module)
        if reason:
            raise ExportError(f"{where} cannot stream: {reason}")


def _reason(module: nn.Module) -> str | None:
    match module:
        case nn.RNNBase() if module.bidirectional:
            return "it reads the signal backwards, too; train a unidirectional net"
        case nn.RNNBase() if module.dropout and module.training:
            return "dropout is switched on; call eval() on the net first"
        case nn.modules.batchnorm._BatchNorm() if module.training or not module.track_running_stats:
            return "it normalises by the statistics of the block; call eval() on the net first"
        case nn.modules.instancenorm._InstanceNorm() | nn.GroupNorm():
            return "it normalises over time, so blocks would change the output; use BatchNorm1d"
        case nn.modules.dropout._DropoutNd() if module.training:
            return "dropout is switched on; call eval() on the net first"
        # In a convolution over two axes the first one is time; padding across bands is harmless.
        case nn.modules.conv._ConvNd() if module.padding == "same" or (
            module.padding != "valid"
            and (module.padding[0] if len(module.kernel_size) == 2 else any(module.padding))
        ):
            return "padding adds samples around each block; use export.layers.CausalConv1d"
        case _:
            return None


class _Flat(nn.Module):
    """The net with its state as a list of tensors, as a graph needs it."""

    def __init__(self, net: StreamingModule, names: list[str]) -> None:
        super().__init__()
        self.net = net
        self.names = names

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        knobs, values = (rest[:1], rest[1:]) if self.net.controls else ((), rest)
        y, following = self.net(x, dict(zip(self.names, values, strict=True)), *knobs)
        return (y, *(following[name] for name in self.names))


def _trace(net: StreamingModule) -> onnx.ModelProto:
    state = net.initial_state()
    nonzero = [name for name, value in state.items() if bool(value.any())]
    if nonzero:
        raise ExportError(
            f"state {nonzero[0]!r} does not start at zero; add its start value inside forward()"
        )
    names = list(state)
    source, sink = ends(net.kind)
    if net.kind == "decoder":
        x = torch.zeros(1, net.codebooks, 1, dtype=torch.int64)
    else:
        x = torch.zeros(1, net.channels[0], net.hop or _TRACED_FRAMES)
    knobs = [torch.tensor([[c.default for c in net.controls]])] if net.controls else []
    inputs = [source, *(["params"] if knobs else []), *(f"state.{name}" for name in names)]
    outputs = [sink, *(f"next.{name}" for name in names)]
    free = {} if net.hop else {key: {2: FRAMES_AXIS} for key in (source, sink)}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The newer exporter (torch 2.13) fixes the length of the traced block in a Reshape after
        # the LSTM, so its graph plays no other block size.
        torch.onnx.export(
            _Flat(net, names).eval(),
            (x, *knobs, *state.values()),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
            opset_version=OPSET,
        )
    proto = onnx.load_model_from_string(buffer.getvalue())
    _declare(proto.graph, net, state)
    _part_equal(proto.graph)
    _rename(proto.graph)
    return proto


def _declare(graph: onnx.GraphProto, net: StreamingModule, state: Mapping[str, Tensor]) -> None:
    """Declare the shapes that tracing leaves open."""
    shapes: dict[str, list[int | str]] = {f"next.{k}": list(v.shape) for k, v in state.items()}
    if net.kind == "encoder":
        shapes["codes"] = [1, net.codebooks, 1]
    else:
        shapes["audio_out"] = [1, net.channels[1], net.hop or FRAMES_AXIS]
    for value in graph.output:
        tensor = value.type.tensor_type
        declared = onnx.helper.make_tensor_type_proto(tensor.elem_type, shapes[value.name])
        value.type.CopyFrom(declared)


def _part_equal(graph: onnx.GraphProto) -> None:
    """Give weights that are equal a tensor each: tracing lets one stand for all of them."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        if node.input[0] in tensors:
            graph.initializer.add().CopyFrom(tensors[node.input[0]])
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)


def _rename(graph: onnx.GraphProto) -> None:
    """Name every weight after its module: ``head.weight``, ``rnn.cell.W``, ..."""
    prefix = "/net/"
    taken = {t.name for t in graph.initializer}
    new: dict[str, str] = {}
    for node in graph.node:
        module = ".".join(node.name.removeprefix(prefix).split("/")[:-1])
        labels = {1: "W", 2: "R", 3: "B"} if node.op_type in ("LSTM", "GRU", "RNN") else {}
        for place, name in enumerate(node.input):
            if name in taken and name not in new:
                label = labels.get(place, "weight")
                plain = name.removeprefix("net.") if "::" not in name else f"{module}.{label}"
                # The layers of one recurrent module are several nodes: W, W_1, W_2.
                again = sum(re.sub(r"_\d+$", "", other) == plain for other in new.values())
                new[name] = f"{plain}_{again}" if again else plain
    for tensor in graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = new.get(name, name)
