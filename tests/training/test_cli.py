"""`rtaudio train`: what it is given, what it says, and where its code may reach."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import training  # noqa: E402
from rtaudio.cli import main  # noqa: E402
from rtaudio.errors import CaptureError  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.cli import TASKS, train  # noqa: E402
from training.config import ConfigError  # noqa: E402
from training.guitar.captures import SIZES  # noqa: E402
from training.guitar.task import AmpTask  # noqa: E402


def test_the_verb_says_how_good_it_is_and_what_comes_next(workspace, capsys):
    train([workspace.path], epochs=1)
    printed = capsys.readouterr().out
    metrics = json.loads((workspace.folder / "run" / "metrics.json").read_text())
    assert metrics["esr_in_words"] in printed
    assert f"rtaudio export {workspace.folder / 'run' / 'best.pt'} tanh.onnx" in printed


def test_ctrl_c_exits_with_130_and_the_same_command_goes_on(
    workspace, monkeypatch, capsys, no_pictures, ctrl_c
):
    step = AmpTask.step

    def pressed(task, batch, number):
        if number == 4:
            ctrl_c()
        return step(task, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(AmpTask, "step", pressed)
        with pytest.raises(SystemExit) as caught:
            main(["train", str(workspace.path)])
    assert caught.value.code == 130
    said = capsys.readouterr().err
    assert "stopped; go on with --resume\n" in said
    run = workspace.folder / "run"
    assert f"on the disk: {run}, " in said
    assert "1 epoch in last.pt, best.pt (the best net so far" in said or "begin anew" in said
    [command] = [line for line in said.splitlines() if line.startswith("to go on: ")]
    with pytest.raises(SystemExit) as caught:
        main([*shlex.split(command.removeprefix("to go on: rtaudio ")), "--json"])
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["epoch"] >= 0
    assert "going on with tanh" in err


@pytest.mark.parametrize("name", ["denoiser", 5, None, "", ["denoise"]])
def test_an_unknown_task_is_named(name, workspace):
    with pytest.raises(ConfigError, match=r"run\.yaml: task: unknown task .*guitar, denoise, "):
        train([workspace.rewrite(task=name)])


def test_a_configuration_may_name_the_guitar(workspace, no_pictures):
    workspace.section("schedule", epochs=1)
    train([workspace.rewrite(task="guitar")])
    stored = json.loads((workspace.folder / "run" / "config.json").read_text())
    assert stored["task"] == "guitar"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("denoise", {"seeds": 2}),
        ("denoise", {"epochs": 3}),
        ("denoise-features", {"seeds": 2}),
        ("denoise-features", {"epochs": 3}),
        ("denoise-features", {"checkpoint": Path("best.pt")}),
        ("convolutional-codec", {"seeds": 2}),
        ("convolutional-codec", {"epochs": 3}),
    ],
)
def test_an_option_that_a_task_does_not_take_is_refused(name, options, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(f"task: {name}\n")
    with pytest.raises(ConfigError) as caught:
        train([path], **options)
    assert str(caught.value) == f"{path}: {TASKS[name].refusal}"


def test_a_capture_is_trained_by_its_folder_alone(workspace, monkeypatch, capsys, no_pictures):
    monkeypatch.chdir(workspace.folder)
    dry = 0.3 * np.random.default_rng(0).standard_normal(120_000)
    for gain in (1, 4):
        folder = workspace.folder / f"My Amp gain {gain}"
        folder.mkdir()
        for name, signal_ in (("dry", dry), ("wet", np.tanh(gain * dry))):
            soundfile.write(folder / f"{name}.wav", signal_, 48000, subtype="FLOAT")
        (folder / "capture.json").write_text(
            json.dumps(
                {
                    "format": 1,
                    "sample_rate": 48000,
                    "latency_samples": 0,
                    "polarity": 1,
                    "input_dbu": 12.0,
                    "output_dbu": None,
                    "knobs": {"gain": gain},
                    "train": [[0, 60_000]],
                    "validation": [[60_000, 70_000]],
                    "checks": {},
                }
            )
        )
    monkeypatch.setitem(SIZES, "light", {"type": "lstm", "hidden": 2})
    main_folders = sorted(workspace.folder.glob("My Amp*"))
    train(main_folders[:1], size="light", epochs=1)
    out, err = capsys.readouterr()
    assert "rtaudio export runs/my-amp-gain-1/best.pt my-amp-gain-1.onnx" in out
    foretold = [line.split("; ") for line in err[: err.index("training my-amp")].splitlines()[1:]]
    assert [time.split()[:3] for time, _ in foretold if time.startswith("->")] == [
        ["->", "--size", "light"]
    ]
    assert [quality.rpartition(": ")[2] for _, quality in foretold] == [
        "no shipped model", "klone 0.0023, overdrive 0.0005", "high-gain 0.0097",
    ]  # fmt: skip
    assert all(re.search(r"about \d+ (s|min)$", time) for time, _ in foretold)
    metrics = json.loads((workspace.folder / "runs/my-amp-gain-1/metrics.json").read_text())
    assert metrics["esr"]["test"] == {}
    _, card = load_checkpoint(workspace.folder / "runs/my-amp-gain-1/best.pt")
    assert card["levels"] == {"input_dbu": 12.0}
    assert str(workspace.folder) not in json.dumps(card)

    # What was asked for at the start need not be said again.
    begun = []
    with monkeypatch.context() as patch:
        patch.setattr(
            "training.cli.train_run",
            lambda config, *_, **__: begun.append(config) or {"esr_in_words": "", "esr_max": 0},
        )
        train(main_folders[:1], resume=True)
    assert begun[0].net.arguments["hidden"] == 2
    assert begun[0].schedule.epochs == 1

    capsys.readouterr()
    train(main_folders, size="light", epochs=1, as_json=True)
    assert json.loads(capsys.readouterr().out)["esr_max"] > 0
    net, _ = load_checkpoint(workspace.folder / "runs/my-amp-gain/best.pt")
    assert [(knob.name, knob.min, knob.max) for knob in net.controls] == [("gain", 1, 4)]


def test_captures_and_configurations_do_not_mix(workspace):
    with pytest.raises(ConfigError, match="--size is for captures"):
        train([workspace.path], size="light")
    with pytest.raises(ConfigError, match="capture folders only"):
        train([workspace.path, workspace.folder])
    with pytest.raises(CaptureError, match=r"no capture\.json"):
        train([workspace.folder])


def imports(path):
    """Modules that a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node not in typed:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module


def test_training_reaches_the_terminal_by_its_module_only():
    for path in Path(training.__file__).parent.rglob("*.py"):
        for name in imports(path):
            assert name.partition(".")[0] not in ("rich", "typer", "lightning"), path
            assert not f"{name}.".startswith("rtaudio.cli."), path
            if path.parent == Path(training.__file__).parent and path.name != "cli.py":
                assert not name.startswith(("training.guitar", "training.denoise")), path
