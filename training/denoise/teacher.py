"""DeepFilterNet3 for batches of sounds on any device: what a net is to answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from rtaudio.models.denoisers.deepfilternet_net import (
    DB_SCALE,
    LEAST_POWER,
    START_DB,
    START_MAGNITUDE,
    TINY_POWER,
)
from rtaudio.models.denoisers.deepfilternet_settings import (
    CONFIG,
    DeepFilterNetSettings,
    read_settings,
)
from training.config import ConfigError

__all__ = ["Teacher"]

SIZE, HOP = 960, 480
BINS, BANDS, LINES, TAPS = 481, 32, 96, 5
LOOK_AHEAD = 2
CHANNELS, HIDDEN = 64, 256
BLOCK = 128
"""Frames of the running levels that are one product."""
SIZES = {
    "fft_size": SIZE,
    "hop_size": HOP,
    "nb_erb": BANDS,
    "nb_df": LINES,
    "df_order": TAPS,
    "df_lookahead": LOOK_AHEAD,
    "conv_lookahead": LOOK_AHEAD,
    "conv_ch": CHANNELS,
    "emb_hidden_dim": HIDDEN,
    "emb_num_layers": 3,
    "df_num_layers": 2,
}
"""All settings that shape the net; there is one published DeepFilterNet3."""


class Teacher(nn.Module):
    """Noisy speech at 48 kHz in, speech out, in time with it; nothing in it learns.

    It gives what ``rt.Denoise`` gives with the same files, but for whole batches, and where the net
    that learns computes. Convolutions along and across channels are merged, and running levels are
    products of matrices, in float64 at any setting of the device.

    Parameters
    ----------
    folder
        ``enc.onnx``, ``erb_dec.onnx``, ``df_dec.onnx`` and ``config.ini``.

    Raises
    ------
    ConfigError
        A file that is missing, or of another net.

    Notes
    -----
    Schröter et al.: DeepFilterNet: Perceptually motivated real-time speech enhancement, Interspeech
    2023.

    Examples
    --------
    >>> teacher = Teacher("DeepFilterNet3")                             # doctest: +SKIP
    >>> tuple(teacher(torch.zeros(2, 48000)).shape)                     # doctest: +SKIP
    (2, 48000)
    """

    within: Tensor
    fade: Tensor
    window: Tensor
    band: Tensor
    band_mean: Tensor
    start: Tensor
    real_ends: Tensor

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        settings, layers = _read(Path(folder))
        for name, count in (("enc_gru", 1), ("erb_gru", 2), ("df_gru", 2)):
            gru = nn.GRU(HIDDEN, HIDDEN, count, batch_first=True)
            gru.load_state_dict(layers.pop(name))
            self.add_module(name, gru)
        for name, value in layers.items():
            self.register_buffer(name, value.float().contiguous(), persistent=False)
        decay = settings.alpha
        self.block_decay = decay**BLOCK
        step = torch.arange(BLOCK, dtype=torch.float64)
        ages = step[:, None] - step
        sine = torch.sin(math.pi * (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE)
        widths = torch.from_numpy(settings.band_bins)
        band = torch.repeat_interleave(torch.arange(BANDS), widths)
        real_ends = torch.ones(BINS)
        real_ends[0] = real_ends[-1] = 0
        constants = {
            "within": torch.where(ages >= 0, (1 - decay) * decay ** ages.clamp(min=0), 0.0),
            "fade": decay ** (step + 1)[:, None],
            "window": torch.sin(math.pi / 2 * sine**2).float(),
            "band": band,
            "band_mean": functional.one_hot(band, BANDS).double() / widths,
            "start": torch.cat(
                [
                    torch.linspace(*START_DB, BANDS, dtype=torch.float64),
                    torch.linspace(*START_MAGNITUDE, LINES, dtype=torch.float64),
                ]
            ),
            "real_ends": real_ends,
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.requires_grad_(False)
        self.eval()

    @override
    @torch.no_grad()
    def forward(self, noisy: Tensor) -> Tensor:
        """Return the speech in sounds float32 (batch, samples), of the same shape."""
        with torch.autocast(noisy.device.type, enabled=False):
            spectra = self._analysed(noisy.float())
            bands, lines = self._features(spectra)
        gains, filters = self._nets(bands, lines)
        with torch.autocast(noisy.device.type, enabled=False):
            heard = self._filtered(spectra[:, :-LOOK_AHEAD], gains.float(), filters.float())
            return self._synthesised(heard, noisy.shape[-1])

    # Before and after the nets

    def _analysed(self, x: Tensor) -> Tensor:
        """Return spectra (batch, frames, bins), with those of silence to look ahead to."""
        frames = -(-x.shape[-1] // HOP) + 1 + LOOK_AHEAD
        padded = functional.pad(x, (HOP, frames * HOP - x.shape[-1]))
        frame = padded.unfold(-1, SIZE, HOP) * self.window
        spectra: Tensor = torch.fft.rfft(frame, norm="forward")
        return spectra

    def _features(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels (batch, 1, frames, bands) and lines (batch, 2, frames, lines), early."""
        parts = torch.view_as_real(spectra)
        power = parts.square().sum(-1) + TINY_POWER
        level_db = 10 * torch.log10(power.double() @ self.band_mean + LEAST_POWER)
        size = power[..., :LINES].double().sqrt()
        running = self._running(torch.cat([level_db, size], -1))
        mean_db, unit = running.split([BANDS, LINES], -1)
        bands = ((level_db - mean_db) / DB_SCALE).float()[:, None]
        lines = parts[:, :, :LINES] * unit.rsqrt().float()[..., None]
        return bands[:, :, LOOK_AHEAD:], lines.permute(0, 3, 1, 2)[:, :, LOOK_AHEAD:]

    def _running(self, x: Tensor) -> Tensor:
        """Return the exponential mean over frames of float64 (batch, frames, values)."""
        batch, frames, values = x.shape
        blocks = -(-frames // BLOCK)
        x = functional.pad(x, (0, 0, 0, blocks * BLOCK - frames)).view(batch, blocks, BLOCK, values)
        y = self.within @ x
        step = torch.arange(blocks, device=x.device, dtype=torch.float64)
        ages = step[:, None] - 1 - step
        among = torch.where(ages >= 0, self.block_decay ** ages.clamp(min=0), 0.0)
        before = among @ y[:, :, -1] + (self.block_decay**step)[:, None] * self.start
        y = y + self.fade * before[:, :, None]
        return y.view(batch, -1, values)[:, :frames]

    def _filtered(self, spectra: Tensor, gains: Tensor, filters: Tensor) -> Tensor:
        parts = torch.view_as_real(spectra)
        around = (0, 0, 0, 0, LOOK_AHEAD, TAPS - 1 - LOOK_AHEAD)
        real, imaginary = functional.pad(parts[:, :, :LINES], around).unfold(1, TAPS, 1).unbind(3)
        a, b = filters.unbind(-1)
        straight, crossed = (real * a - imaginary * b).sum(-1), (real * b + imaginary * a).sum(-1)
        low = torch.stack([straight, crossed], -1)
        high = parts[:, :, LINES:] * gains.index_select(2, self.band)[:, :, LINES:, None]
        y = torch.cat([low, high], 2)
        return torch.complex(y[..., 0], y[..., 1] * self.real_ends)

    def _synthesised(self, spectra: Tensor, samples: int) -> Tensor:
        frames: Tensor = torch.fft.irfft(spectra, SIZE, norm="forward") * self.window
        summed = frames[:, 1:, :HOP] + frames[:, :-1, HOP:]
        return summed.reshape(len(summed), -1)[:, :samples]

    # The nets

    def _nets(self, bands: Tensor, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Return gains (batch, frames, bands) and filters (batch, frames, lines, taps, 2)."""
        past = (0, 0, 2, 0)
        e0 = self._conv("erb_conv0", functional.pad(bands, past))
        e1 = self._conv("erb_conv1", e0, stride=2)
        e2 = self._conv("erb_conv2", e1, stride=2)
        e3 = self._conv("erb_conv3", e2)
        c0 = self._conv("df_conv0", functional.pad(lines, past))
        c1 = self._conv("df_conv1", c0, stride=2)
        inner = _flat(e3) + functional.relu(self._grouped("df_fc_emb", _flat(c1)))
        inner = self._recurrent("enc", inner)

        x = self._recurrent("erb", inner).unflatten(-1, (BANDS // 4, CHANNELS)).permute(0, 3, 1, 2)
        x = self._conv("convt3", self._path("conv3p", e3) + x)
        x = self._up("convt2", self._path("conv2p", e2) + x)
        x = self._up("convt1", self._path("conv1p", e1) + x)
        gains = torch.sigmoid(self._conv("conv0_out", self._path("conv0p", e0) + x, last=True))

        x = self._gru("df", inner) + self._grouped("df_skip", inner)
        x = torch.tanh(self._grouped("df_out", x).float()).unflatten(-1, (LINES, 2 * TAPS))
        way = self._conv("df_convp", functional.pad(c0, (0, 0, TAPS - 1, 0)), wide=False)
        x = x + way.permute(0, 2, 3, 1).float()
        return gains[:, 0], x.unflatten(-1, (TAPS, 2))

    def _conv(
        self, name: str, x: Tensor, *, stride: int = 1, wide: bool = True, last: bool = False
    ) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        y = functional.conv2d(x, weight, bias, (1, stride), (0, 1 if wide else 0))
        return y.float() if last else functional.relu(y)

    def _up(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return functional.relu(functional.conv_transpose2d(x, weight, bias, (1, 2), (0, 1), (0, 1)))

    def _path(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return functional.relu(x * weight[:, None, None] + bias[:, None, None])

    def _grouped(self, name: str, x: Tensor) -> Tensor:
        """Return the product of each group, (batch, frames, groups * outputs)."""
        weight = self.get_buffer(name)
        y = torch.einsum("btgi,gih->btgh", x.unflatten(-1, tuple(weight.shape[:2])), weight)
        return y.flatten(2)

    def _gru(self, name: str, x: Tensor) -> Tensor:
        x = functional.relu(self._grouped(f"{name}_in", x))
        with torch.autocast(x.device.type, enabled=False):  # 8 bits are too few for its memory
            y: Tensor = self.get_submodule(f"{name}_gru")(x.float())[0]
        return y

    def _recurrent(self, name: str, x: Tensor) -> Tensor:
        return functional.relu(self._grouped(f"{name}_out", self._gru(name, x)))


def _flat(x: Tensor) -> Tensor:
    """Return (batch, frames, places * channels)."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _read(folder: Path) -> tuple[DeepFilterNetSettings, dict[str, Any]]:
    """Return the settings, and the layers: buffers by name, and the weights of recurrent ones."""
    path = folder / CONFIG
    try:
        settings = read_settings(path)
    except ValueError as error:
        raise ConfigError(f"{folder}: {error}") from None
    for key, wanted in SIZES.items():
        if getattr(settings, key) != wanted:
            raise ConfigError(f"{path}: {key} = {getattr(settings, key)}: wanted {wanted}")
    layers: dict[str, Any] = {}
    for file, find in (("enc", _encoder), ("erb_dec", _gain_decoder), ("df_dec", _filter_decoder)):
        path = folder / f"{file}.onnx"
        try:
            layers |= find(*_weights(path))
        except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
            raise ConfigError(f"{path}: is no part of DeepFilterNet3 ({error})") from None
    return settings, layers


Weights = list[list[Tensor]]


def _weights(path: Path) -> tuple[Weights, Weights, dict[str, Tensor]]:
    """Return the weights of a graph's convolutions and recurrent layers, in order, and all."""
    try:
        graph = onnx.load_model_from_string(path.read_bytes()).graph
    except OSError:
        raise
    except Exception as error:  # protobuf's errors have no common base that onnx names
        raise ValueError(str(error)) from None
    found = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    named = {name: torch.from_numpy(value.copy()) for name, value in found.items()}
    convolutions = [
        [named[name].double() for name in node.input[1:]]
        for node in graph.node
        if node.op_type in ("Conv", "ConvTranspose")
    ]
    recurrent = [
        [named[name][0] for name in node.input[1:4]] for node in graph.node if node.op_type == "GRU"
    ]
    return convolutions, recurrent, named


def _encoder(convs: Weights, grus: Weights, named: dict[str, Tensor]) -> dict[str, Any]:
    return {
        **_layer("erb_conv0", *convs[0]),
        **_layer("erb_conv1", *_merged(convs[1], convs[2], CHANNELS)),
        **_layer("erb_conv2", *_merged(convs[3], convs[4], CHANNELS)),
        **_layer("erb_conv3", *_merged(convs[5], convs[6], CHANNELS)),
        **_layer("df_conv0", *_merged(convs[7], convs[8], 2)),
        **_layer("df_conv1", *_merged(convs[9], convs[10], CHANNELS)),
        "enc_gru": _gru(grus),
        "df_fc_emb": named["df_fc_emb.0.weight"],
        "enc_in": named["emb_gru.linear_in.0.weight"],
        "enc_out": named["emb_gru.linear_out.0.weight"],
    }


def _gain_decoder(convs: Weights, grus: Weights, named: dict[str, Tensor]) -> dict[str, Any]:
    paths = {"conv3p": convs[0], "conv2p": convs[3], "conv1p": convs[6], "conv0p": convs[9]}
    layers: dict[str, Any] = {
        **_layer("convt3", *_merged(convs[1], convs[2], CHANNELS)),
        **_layer("convt2", *_merged_up(convs[4], convs[5])),
        **_layer("convt1", *_merged_up(convs[7], convs[8])),
        **_layer("conv0_out", *convs[10]),
        "erb_gru": _gru(grus),
        "erb_in": named["emb_gru.linear_in.0.weight"],
        "erb_out": named["emb_gru.linear_out.0.weight"],
    }
    for name, (weight, bias) in paths.items():
        layers |= _layer(name, weight.flatten(), bias)
    return layers


def _filter_decoder(convs: Weights, grus: Weights, named: dict[str, Tensor]) -> dict[str, Any]:
    return {
        **_layer("df_convp", *_merged(convs[0], convs[1], 2)),
        "df_gru": _gru(grus),
        "df_in": named["df_gru.linear_in.0.weight"],
        "df_skip": named["df_skip.weight"],
        "df_out": named["df_out.0.weight"],
    }


def _layer(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    return {f"{name}_weight": weight, f"{name}_bias": bias}


def _merged(along: list[Tensor], across: list[Tensor], groups: int) -> tuple[Tensor, Tensor]:
    """Return a grouped convolution and the one across channels after it as one dense one."""
    (weight,), (mix, bias) = along, across
    size, each = weight.shape[0] // groups, weight.shape[1]
    dense = weight.new_zeros(weight.shape[0], groups * each, *weight.shape[2:])
    for group in range(groups):
        rows = slice(group * size, (group + 1) * size)
        dense[rows, group * each : (group + 1) * each] = weight[rows]
    return torch.einsum("om,mikl->oikl", mix[:, :, 0, 0], dense), bias


def _merged_up(along: list[Tensor], across: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the same for a transposed convolution of one channel each."""
    (weight,), (mix, bias) = along, across
    return torch.einsum("oi,ikl->iokl", mix[:, :, 0, 0], weight[:, 0]), bias


def _gru(layers: Weights) -> dict[str, Tensor]:
    """Return the weights of recurrent layers; ONNX has the gates in another order."""

    def ordered(x: Tensor) -> Tensor:
        update, reset, new = x.chunk(3)
        return torch.cat([reset, update, new])

    found = {}
    for number, (inputs, hidden, bias) in enumerate(layers):
        found[f"weight_ih_l{number}"] = ordered(inputs)
        found[f"weight_hh_l{number}"] = ordered(hidden)
        for side, part in zip(("ih", "hh"), bias.chunk(2), strict=True):
            found[f"bias_{side}_l{number}"] = ordered(part)
    return found
