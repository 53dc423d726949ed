"""Checkpoints are data: what they name is checked, what they hide is never run."""

from __future__ import annotations

import os
import pickle
import sys
import types

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.models.contract.check import read_model  # noqa: E402
from training.checkpoint import CheckpointError, load_checkpoint  # noqa: E402
from training.cli import export  # noqa: E402
from training.models import NETS  # noqa: E402


def content(**changes):
    torch.manual_seed(0)
    fields = {
        "net": "training.models.lstm:LstmAmp",
        "arguments": {"hidden": 4},
        "weights": NETS["lstm"](hidden=4).state_dict(),
        "card": {"name": "amp", "sample_rate": 48000, "license": "MIT", "provenance": {}},
    }
    return {**fields, **changes}


def save(data, folder):
    path = folder / "best.pt"
    torch.save(data, path)
    return path


def test_a_checkpoint_becomes_a_model_file(tmp_path, capsys):
    export(save(content(), tmp_path), tmp_path / "amp.onnx")
    assert read_model(tmp_path / "amp.onnx").card.name == "amp"
    assert "ONNX Runtime = PyTorch within" in capsys.readouterr().out


def test_the_weights_come_back(tmp_path):
    net, card = load_checkpoint(save(content(), tmp_path))
    for name, tensor in content()["weights"].items():
        torch.testing.assert_close(net.state_dict()[name], tensor, rtol=0, atol=0)
    assert card["name"] == "amp"
    assert not net.training


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"net": "os:system"}, "not known"),
        ({"net": "training.models.lstm:nothing"}, "not known"),
        ({"net": "training.models.lstm:math"}, "not known"),
        ({"net": "training.models.nowhere:Net"}, "not known"),
        ({"net": 3}, "not known"),
        ({"net": "torch.nn:Linear"}, "does not stream"),
        ({"arguments": {"units": 4}}, "units"),
        ({"arguments": {"hidden": 5}}, "do not fit"),
        ({"weights": {}}, "do not fit"),
        ({"extra": 1}, "not made for export"),
    ],
)
def test_a_strange_checkpoint_is_refused(changes, reason, tmp_path):
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_checkpoint(save(content(**changes), tmp_path))
    assert "\n" not in str(caught.value)


def test_a_file_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("open(__file__ + '.ran', 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError, match="'planted:Net' is not known here"):
        load_checkpoint(save(content(net="planted:Net"), tmp_path))
    assert not (tmp_path / "planted.py.ran").exists()


@pytest.mark.parametrize("name", ["training.models.naive:NaiveLstm", f"{__name__}:Own"])
def test_nets_outside_the_registry_load_once_their_module_is_imported(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, types.SimpleNamespace(Own=Own))
    net, _ = load_checkpoint(save(content(net=name), tmp_path))
    assert type(net).__name__ == name.partition(":")[2]


class Own(NETS["lstm"]):
    """A net of a user."""


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_code_in_a_checkpoint_is_run(tmp_path):
    trap = tmp_path / "sprung"
    for path, write in [(tmp_path / "a.pt", torch.save), (tmp_path / "b.pt", None)]:
        data = content(card=Trap(str(trap)))
        if write:
            write(data, path)
        else:
            path.write_bytes(pickle.dumps(Trap(str(trap)), protocol=2))
        with pytest.raises(CheckpointError, match="plain weights"):
            load_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", b"PK\x03\x04"])
def test_garbage_is_refused(data, tmp_path):
    path = tmp_path / "best.pt"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"best\.pt"):
        load_checkpoint(tmp_path / "best.pt")
