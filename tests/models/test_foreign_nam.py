"""The sound of .nam files: against an oracle in float64 that reads them independently."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtaudio.effects.model import Model
from rtaudio.models.loader import load_model

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 3000).astype(np.float32)
FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)


class Weights:
    """The flat list of a file, read from the front; without a list, weights are drawn at random."""

    def __init__(self, values=None, seed=0):
        self.made = None if values is not None else []
        self.values = iter(values or ())
        self.generator = np.random.default_rng(seed)

    def take(self, *shape):
        count = int(np.prod(shape))
        if self.made is None:
            taken = [next(self.values) for _ in range(count)]
        else:
            fan_in = max(1, int(np.prod(shape[1:])))
            taken = [
                float(v)
                for v in (self.generator.standard_normal(count) / np.sqrt(fan_in)).astype(
                    np.float32
                )
            ]
            self.made += taken
        return np.array(taken).astype(np.float32).astype(np.float64).reshape(shape)


def conv(x, weight, bias=None, dilation=1, groups=1):
    """Causal, from silence. weight (out, in / groups, taps), x (in, frames)."""
    out, _, taps = weight.shape
    y = np.zeros((out, x.shape[1]))
    rows, columns = out // groups, len(x) // groups
    for group in range(groups):
        part = x[group * columns : (group + 1) * columns]
        for tap in range(taps):
            late = (taps - 1 - tap) * dilation
            shifted = np.pad(part, ((0, 0), (late, 0)))[:, : x.shape[1]]
            kernel = weight[group * rows : (group + 1) * rows, :, tap]
            y[group * rows : (group + 1) * rows] += kernel @ shifted
    return y if bias is None else y + bias[:, None]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def activate(config, x):
    config = {"type": config} if isinstance(config, str) else config
    match config["type"]:
        case "Tanh":
            return np.tanh(x)
        case "Hardtanh":
            return np.clip(x, -1, 1)
        case "Fasttanh":
            size, square = np.abs(x), x * x
            above = x * (
                2.45550750702956
                + 2.45550750702956 * size
                + (0.893229853513558 + 0.821226666969744 * size) * square
            )
            return above / (
                2.44506634652299
                + (2.44506634652299 + square) * np.abs(x + 0.814642734961073 * x * size)
            )
        case "ReLU":
            return np.maximum(x, 0)
        case "LeakyReLU":
            return np.where(x > 0, x, config.get("negative_slope", 0.01) * x)
        case "PReLU":
            slopes = config.get("negative_slopes", [config.get("negative_slope", 0.01)])
            return np.where(x > 0, x, np.array(slopes)[:, None] * x)
        case "Sigmoid":
            return sigmoid(x)
        case "SiLU":
            return x * sigmoid(x)
        case "Hardswish":
            return x * np.clip(x + 3, 0, 6) / 6
        case "LeakyHardtanh" | "LeakyHardTanh":
            low, high = config.get("min_val", -1.0), config.get("max_val", 1.0)
            below, above = config.get("min_slope", 0.01), config.get("max_slope", 0.01)
            return np.where(
                x < low, low + below * (x - low), np.where(x > high, high + above * (x - high), x)
            )
        case "Softsign":
            return x / (1 + np.abs(x))
    raise KeyError(config)


def each(value, count):
    return value if isinstance(value, list) else [value] * count


def wavenet(config, weights, x, condition):
    y, head = x, None
    for array in config["layers"]:
        channels, wide = array["channels"], array.get("bottleneck", array["channels"])
        count = len(array["dilations"])
        size = len(condition)
        gatings = each(array.get("gating_mode", "gated" if array.get("gated") else "none"), count)
        seconds = each(array.get("secondary_activation", "Sigmoid"), count)
        kernels = array.get("kernel_sizes") or [array["kernel_size"]] * count
        rechannel = weights.take(channels, array["input_size"], 1)
        y = conv(y, rechannel)
        for place, dilation in enumerate(array["dilations"]):
            gating = gatings[place]
            rows = wide if gating == "none" else 2 * wide
            groups, mixer_groups = array.get("groups_input", 1), array.get("groups_input_mixin", 1)
            kernel = weights.take(rows, channels // groups, kernels[place])
            bias = weights.take(rows)
            mixer = weights.take(rows, size // mixer_groups, 1)
            one = array.get("layer1x1", {"active": True, "groups": 1})
            if one["active"]:
                out = weights.take(channels, wide // one["groups"], 1), weights.take(channels)
            top = array.get("head1x1", {"active": False})
            if top["active"]:
                to_head = (
                    weights.take(top["out_channels"], wide // top["groups"], 1),
                    weights.take(top["out_channels"]),
                )
            widths = dict(
                zip(
                    FILMS,
                    (channels, rows, size, rows, rows, wide, channels, top.get("out_channels")),
                    strict=True,
                )
            )
            films = {}
            for name in FILMS:
                film = array.get(name) or {"active": False}
                if film.get("active", True) and (name != "head1x1_post_film" or top["active"]):
                    made = (2 if film.get("shift", True) else 1) * widths[name]
                    split = film.get("groups", 1)
                    films[name] = (
                        conv(
                            condition,
                            weights.take(made, size // split, 1),
                            weights.take(made),
                            groups=split,
                        ),
                        film.get("shift", True),
                    )

            def modulate(name, signal, films=films):
                if name not in films:
                    return signal
                made, shift = films[name]
                if not shift:
                    return signal * made
                return signal * made[: len(signal)] + made[len(signal) :]

            z = conv(modulate("conv_pre_film", y), kernel, bias, dilation, groups)
            z = modulate("conv_post_film", z)
            mixed = conv(modulate("input_mixin_pre_film", condition), mixer, groups=mixer_groups)
            z = modulate("activation_pre_film", z + modulate("input_mixin_post_film", mixed))
            activation = each(array["activation"], count)[place]
            first = z[:wide]
            active = activate(activation, first)
            if gating == "gated":
                active = active * activate(seconds[place] or "Sigmoid", z[wide:])
            elif gating == "blended":
                blend = activate(seconds[place] or "Sigmoid", z[wide:])
                active = blend * active + (1 - blend) * first
            z = modulate("activation_post_film", active)
            to_sum = z
            if top["active"]:
                to_sum = modulate("head1x1_post_film", conv(z, *to_head, groups=top["groups"]))
            head = to_sum if head is None else head + to_sum
            if one["active"]:
                change = conv(z, *out, groups=one["groups"])
                # The reference player ignores this one in the other modes.
                y = y + (modulate("layer1x1_post_film", change) if gating == "blended" else change)
        settings = array.get("head") or {
            "out_channels": array["head_size"],
            "kernel_size": 1,
            "bias": array["head_bias"],
        }
        kernel = weights.take(settings["out_channels"], len(head), settings["kernel_size"])
        head = conv(
            head,
            kernel,
            weights.take(settings["out_channels"]) if settings["bias"] else None,
            settings.get("head_dilation", 1),
        )
    post = config.get("head")
    pairs = []
    if post:
        sizes = [post["channels"]] * (len(post["kernel_sizes"]) - 1) + [post["out_channels"]]
        given = len(head)
        for size, taps in zip(sizes, post["kernel_sizes"], strict=True):
            pairs.append((weights.take(size, given, taps), weights.take(size)))
            given = size
    head = weights.take(1) * head
    for kernel, bias in pairs:
        head = conv(activate(post["activation"], head), kernel, bias)
    return head


def lstm(config, weights, x):
    size, given, signal = config["hidden_size"], 1, x[0][:, None]
    for _ in range(config["num_layers"]):
        matrix, bias = weights.take(4 * size, given + size), weights.take(4 * size)
        hidden, cell = weights.take(size), weights.take(size)
        rows = []
        for frame in signal:
            i, f, g, o = np.split(matrix @ np.concatenate([frame, hidden]) + bias, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            rows.append(hidden)
        signal, given = np.array(rows), size
    return (signal @ weights.take(size) + weights.take(1))[None]


def convnet(config, weights, x):
    y, channels, groups = x, config["channels"], config.get("groups", 1)
    for dilation in config["dilations"]:
        kernel = weights.take(channels, len(y) // groups, 2)
        y = conv(
            y, kernel, None if config["batchnorm"] else weights.take(channels), dilation, groups
        )
        if config["batchnorm"]:
            mean, variance, scale, shift = (weights.take(channels)[:, None] for _ in range(4))
            if weights.made is not None:  # a variance is positive
                weights.made[-3 * channels : -2 * channels] = [
                    abs(v) for v in weights.made[-3 * channels : -2 * channels]
                ]
                weights.made.append(0.25)
                epsilon = 0.25
            else:
                epsilon = weights.take(1)
            y = (y - mean) / np.sqrt(np.abs(variance) + epsilon) * scale + shift
        y = activate(config["activation"], y)
    return weights.take(1, channels) @ y + weights.take(1)[:, None]


def linear(config, weights, x):
    response = weights.take(config["receptive_field"])
    bias = weights.take(1) if config["bias"] else 0.0
    return np.convolve(x[0], response)[None, : x.shape[1]] + bias


def oracle(document, x, seed=None):
    """Play x (1, frames) from the start state; with a seed, draw the weights first."""
    config, kind = document["config"], document["architecture"]
    condition = x
    if config.get("condition_dsp"):
        condition = oracle(config["condition_dsp"], x, None if seed is None else seed + 1)
    weights = Weights(None if seed is not None else document["weights"], seed)
    if kind == "WaveNet":
        y = wavenet(config, weights, x, condition)
    else:
        y = {"LSTM": lstm, "ConvNet": convnet, "Linear": linear}[kind](config, weights, x)
    if seed is not None:
        document["weights"] = weights.made
    return y


def warmed(document, x, silence, seed=None):
    """Play x after silence."""
    return oracle(document, np.pad(x.astype(np.float64), (silence, 0))[None], seed)[0, silence:]


def in_blocks(path, x, sizes, engine, **options):
    """Play a file through the effect, in calls of these sizes in turn."""
    import ctypes

    from rtaudio.runtime.program import run_program

    program = Model(path, engine=engine, **options).compile(RATE, 512, offline=True)
    source, result = (
        np.ctypeslib.as_array((ctypes.c_float * 512).from_address(program.address_of(bus)))
        for bus in (program.plan.source, program.plan.output)
    )
    out, done, turn = np.empty_like(x), 0, 0
    while done < len(x):
        count = min(sizes[turn % len(sizes)], len(x) - done)
        source[:count] = x[done : done + count]
        run_program(program.address, count)
        out[done : done + count] = result[:count]
        done, turn = done + count, turn + 1
    assert program.faults == {}
    return out


def film(active=True, shift=True, groups=1):
    return {"active": active, "shift": shift, "groups": groups}


A1 = {
    "input_size": 1,
    "condition_size": 1,
    "head_size": 2,
    "channels": 4,
    "kernel_size": 3,
    "dilations": [1, 2, 4],
    "activation": "Tanh",
    "gated": False,
    "head_bias": False,
}
LAST = {
    **A1,
    "input_size": 4,
    "channels": 2,
    "head_size": 1,
    "dilations": [8, 1],
    "head_bias": True,
}
FULL = {
    "input_size": 1,
    "condition_size": 1,
    "channels": 4,
    "bottleneck": 6,
    "kernel_sizes": [3, 2],
    "dilations": [1, 5],
    "activation": [
        {"type": "PReLU", "negative_slopes": [0.1] * 5 + [0.3]},
        {"type": "LeakyReLU", "negative_slope": 0.2},
    ],
    "gating_mode": ["gated", "blended"],
    "secondary_activation": ["Sigmoid", {"type": "LeakyHardtanh", "min_val": 0.0, "max_val": 0.9}],
    "head": {"out_channels": 1, "kernel_size": 5, "bias": True, "head_dilation": 2},
    "head1x1": {"active": True, "out_channels": 4, "groups": 2},
    "layer1x1": {"active": True, "groups": 2},
    "groups_input": 2,
    "groups_input_mixin": 1,
    **dict.fromkeys(FILMS, film()),
    "conv_post_film": film(shift=False),
}


def file(architecture, config, **more):
    return {"version": "0.7.0", "architecture": architecture, "config": config, **more}


def nam_wavenet(*layers, head_scale=0.5, **more):
    return file("WaveNet", {"layers": list(layers), "head": None, "head_scale": head_scale, **more})


def one(**changes):
    return {**A1, "head_size": 1, **changes}


CONDITION = nam_wavenet({**A1, "head_size": 3})
DOCUMENTS = {
    "A1": nam_wavenet(A1, LAST),
    "A2": nam_wavenet(
        one(
            kernel_size=None,
            kernel_sizes=[6, 6, 15],
            dilations=[1, 17, 41],
            activation=[{"type": "LeakyReLU", "negative_slope": 0.01}] * 3,
            head={"out_channels": 1, "kernel_size": 16, "bias": True},
        )
    ),
    "old gated": nam_wavenet(one(gated=True)),
    "everything": nam_wavenet(FULL),
    "no 1x1": nam_wavenet(one(layer1x1={"active": False, "groups": 1})),
    "films that do not act": nam_wavenet(one(layer1x1_post_film=film(), conv_pre_film=False)),
    "condition": nam_wavenet(
        one(condition_size=3, groups_input_mixin=1, input_mixin_pre_film=film(groups=3)),
        condition_dsp=CONDITION,
    ),
    "head after the arrays": nam_wavenet(
        {**A1, "head_size": 3},
        head={"channels": 5, "out_channels": 1, "kernel_sizes": [3, 2], "activation": "SiLU"},
    ),
    # The bottleneck has no native kernel; tests/runtime proves the kernels' activations.
    **{
        f"activation {name}": nam_wavenet(one(activation=name, bottleneck=3))
        for name in (
            "Hardtanh",
            "Fasttanh",
            "ReLU",
            "LeakyReLU",
            "PReLU",
            "Sigmoid",
            "SiLU",
            "Hardswish",
            "LeakyHardtanh",
            "LeakyHardTanh",
            "Softsign",
        )
    },
    "LSTM": file("LSTM", {"input_size": 1, "hidden_size": 5, "num_layers": 1}),
    "LSTM of three": file("LSTM", {"input_size": 1, "hidden_size": 4, "num_layers": 3}),
    "ConvNet": file(
        "ConvNet", {"channels": 4, "dilations": [1, 2, 4], "batchnorm": False, "activation": "Tanh"}
    ),
    "ConvNet with batch norm": file(
        "ConvNet", {"channels": 3, "dilations": [1, 7], "batchnorm": True, "activation": "ReLU"}
    ),
    "Linear": file("Linear", {"receptive_field": 37, "bias": True}),
    "Linear without bias": file("Linear", {"receptive_field": 1, "bias": False}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_architecture_sounds_as_the_formulas_say(name, tmp_path):
    document = json.loads(json.dumps(DOCUMENTS[name]))
    silence = 2000
    wanted = warmed(document, NOISE, silence, seed=len(name))
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(document))
    for engine in load_model(path).golden_errors:
        sizes = list(np.random.default_rng(1).integers(1, 512, 9))
        played = in_blocks(path, NOISE, sizes, engine)
        assert np.max(np.abs(wanted)) > 1e-2
        assert np.max(np.abs(played - wanted)) <= 5e-6 * max(1.0, np.max(np.abs(wanted)))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 512), min_size=1, max_size=8))
@pytest.mark.parametrize("name", ["A1", "everything", "LSTM of three"])
def test_the_sizes_of_the_blocks_change_nothing(name, sizes, tmp_path):
    document = json.loads(json.dumps(DOCUMENTS[name]))
    oracle(document, np.zeros((1, 8)), seed=3)
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(document))
    for engine in load_model(path).golden_errors:
        whole = in_blocks(path, NOISE, [512], engine)
        error = in_blocks(path, NOISE, sizes, engine) - whole
        assert np.max(np.abs(error)) <= 1.4e-6 * max(1.0, np.max(np.abs(whole)))


@pytest.mark.parametrize("name", ["A1", "everything", "LSTM", "ConvNet"])
def test_it_starts_settled_and_is_reset_to_that(name, tmp_path):
    document = json.loads(json.dumps(DOCUMENTS[name]))
    oracle(document, np.zeros((1, 8)), seed=4)
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(document))
    for engine in load_model(path).golden_errors:
        silence = in_blocks(path, np.zeros(600, np.float32), [64], engine)
        assert np.ptp(silence) <= 1e-5


@pytest.mark.parametrize("slim", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("gating", ["none", "gated"])
def test_a_slimmed_net_is_the_net_of_the_leading_channels(slim, gating, tmp_path):
    """The oracle plays the small file, whose matrices are cut by hand."""
    big = nam_wavenet(
        one(
            gating_mode=gating,
            slimmable={
                "method": "slice_channels_uniform",
                "kwargs": {"allowed_channels": [1, 3, 4]},
            },
        )
    )
    oracle(big, np.zeros((1, 8)), seed=5)
    size = {0.0: 1, 0.5: 3, 1.0: 4}[slim]
    rows, small_rows = (4, size) if gating == "none" else (8, 2 * size)
    reader, small = Weights(big["weights"]), []

    def cut(*leading, of):
        full = reader.take(*of)
        small.extend(full[tuple(slice(n) for n in leading)].ravel().tolist())

    cut(size, 1, of=(4, 1))
    for _ in A1["dilations"]:
        cut(small_rows, size, 3, of=(rows, 4, 3))
        cut(small_rows, of=(rows,))
        cut(small_rows, 1, of=(rows, 1))
        cut(size, size, of=(4, 4))
        cut(size, of=(4,))
    cut(1, size, of=(1, 4))
    cut(1, of=(1,))
    little = nam_wavenet(one(gating_mode=gating, channels=size)) | {"weights": small}
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(big))
    played = in_blocks(path, NOISE, [100], "onnx", slim=slim)
    assert np.max(np.abs(played - warmed(little, NOISE, 100))) <= 2e-6


def test_a_file_of_one_size_refuses_slim(tmp_path):
    document = json.loads(json.dumps(DOCUMENTS["A1"]))
    oracle(document, np.zeros((1, 8)), seed=4)
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="one size only"):
        Model(path, slim=0.5)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "nam_plugin_demo",
        "core_wavenet",
        "core_wavenet_condition_dsp",
        "core_lstm",
        "core_wavenet_a2_max",
    ],
)
def test_real_files_sound_as_the_formulas_say(name, data_folder):
    import soundfile

    dry, _ = soundfile.read(
        data_folder / "guitar" / "di" / "guitar_nam_plugin.flac",
        dtype="float32",
        start=48000,
        frames=12000,
    )
    path = data_folder / "guitar" / "captures" / f"{name}.nam"
    document = json.loads(path.read_text())
    silence = 24000 if name == "core_lstm" else 4200
    wanted = warmed(document, dry, silence)
    for engine in load_model(path).golden_errors:
        error = in_blocks(path, dry, [64], engine) - wanted
        assert np.max(np.abs(error)) <= 2e-5
        assert np.sum(error**2) <= 1e-8 * np.sum(wanted**2)
