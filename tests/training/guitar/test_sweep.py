"""A sweep: every row is trained once, goes on where it stopped, and its table says what was."""

from __future__ import annotations

import csv
import json

import pytest
import yaml

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import training.guitar.on_cluster
import training.guitar.sweep
from rtaudio.batch.cluster import Ended
from rtaudio.cli import main
from rtaudio.errors import ClusterError
from training.config import ConfigError
from training.guitar.sweep import load_sweep, sweep

CONTENT = {
    "name": "tiny",
    "title": "A tiny study",
    "base": "run.yaml",
    "seeds": [0, 1],
    "set": {"schedule.epochs": 1},
    "parts": [
        {
            "title": "Pace",
            "text": "Fast or slow?",
            "vary": {"schedule.learning_rate": [0.02, 0.01], "schedule.batch": [4, 2]},
        },
        {
            "title": "Size",
            "rows": [
                {"net": {"type": "lstm", "hidden": 2}},
                {"net.hidden": 4, "data.train": ["one", "two"]},
                {"schedule.learning_rate": 0.02, "schedule.batch": 4},
            ],
        },
    ],
}


@pytest.fixture
def study(workspace, monkeypatch):
    """Path of a sweep's file; `study(**changes)` writes it with other top-level keys."""

    def write(**changes):
        content = {**CONTENT, "folder": str(workspace.folder / "study"), **changes}
        path = workspace.folder / "study.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    # Proved elsewhere, and slow.
    for name in ("plots.comparison", "write_report"):
        monkeypatch.setattr(f"training.guitar.task.{name}", lambda *arguments: None)
    monkeypatch.setattr(training.guitar.sweep, "ROUNDS", 1)
    monkeypatch.setattr(training.guitar.sweep, "ROUND_SAMPLES", 1 << 12)
    return write


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_tiny_sweep_makes_every_row(study, workspace, monkeypatch):
    out = workspace.folder / "page"
    trained = []
    train = training.guitar.sweep.train_run

    def counted(config, make_task, **options):
        trained.append(config.run_folder.name)
        if len(trained) == 4:
            raise KeyboardInterrupt
        return train(config, make_task, **options)

    monkeypatch.setattr(training.guitar.sweep, "train_run", counted)
    with pytest.raises(KeyboardInterrupt):
        sweep(study(), out, show=False)
    assert not out.with_suffix(".md").exists()
    sweep(study(), out, show=False)
    # Four paces and two sizes, of which one each is the same run; two seeds; one was stopped.
    assert len(trained) == 5 * 2 + 1
    assert len(set(trained)) == 5 * 2

    rows = table(out.with_suffix(".csv"))
    assert [row["setting"] for row in rows] == [
        "learning_rate 0.02, batch 4",
        "learning_rate 0.02, batch 2",
        "learning_rate 0.01, batch 4",
        "learning_rate 0.01, batch 2",
        "lstm hidden 2",
        "hidden 4, train 2 takes",
        "learning_rate 0.02, batch 4",
    ]
    assert [row["parameters"] for row in rows] == [rows[0]["parameters"]] * 4 + [
        rows[4]["parameters"],
        rows[0]["parameters"],
        rows[0]["parameters"],
    ]
    assert rows[4]["parameters"] == str(4 * 2 * (1 + 2 + 2) + 2 + 1)
    for row in rows:
        assert 0 < float(row["esr_lowest"]) <= float(row["esr"]) <= float(row["esr_highest"])
        assert float(row["esr"]) <= float(row["esr_worst_take"])
        assert float(row["rtf_onnx"]) > 0
        assert float(row["rtf_native"]) > 0
    assert rows[0]["esr"] == rows[6]["esr"]
    single = [
        json.loads(p.read_text())["esr_mean"]
        for p in (workspace.folder / "study").glob("*/metrics.json")
    ]
    assert len(single) == 10
    assert min(float(row["esr_lowest"]) for row in rows) == pytest.approx(min(single), rel=1e-5)

    page = out.with_suffix(".md").read_text()
    assert page.startswith("# A tiny study\n")
    assert "Fast or slow?" in page
    assert page.count("\n| learning_rate") + page.count("hidden") == 7
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_sweep_trains_nothing(study, workspace, monkeypatch):
    path = study(seeds=[0], text="Small.", parts=[{"title": "one", "rows": [{"net.hidden": 2}]}])
    sweep(path, show=False)
    monkeypatch.setattr(training.guitar.sweep, "train_run", None)
    sweep(path, show=False)
    assert len(table(workspace.folder / "study" / "study.csv")) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"title": "none"}]}, "either vary or rows"),
        ({"parts": [{"title": "x", "rows": [{"nets.hidden": 2}]}]}, "no section 'nets'"),
        ({"parts": [{"title": "x", "rows": [{"net.hidden": 0}]}]}, "hidden"),
        ({"parts": [{"title": "x", "vary": {"net.hidden": []}}]}, "vary"),
        ({"set": {"schedule.epochs": 0}}, "epochs"),
        ({"seeds": []}, "seeds"),
        ({"name": "../up"}, "name"),
        ({"more": 1}, "more"),
    ],
)
def test_a_strange_file_is_refused_before_anything_is_trained(changes, reason, study, monkeypatch):
    monkeypatch.setattr(training.guitar.sweep, "train_run", None)
    with pytest.raises(ConfigError, match=reason) as caught:
        sweep(study(**changes), show=False)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(study(**changes)))


def test_what_is_no_sweep_is_named(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    for text in ("a: [", "- 1", ""):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"x\.yaml"):
            load_sweep(path)
    with pytest.raises(SystemExit) as caught:
        main(["sweep", str(tmp_path / "absent.yaml")])
    assert caught.value.code == 2
    assert "no such file" in capsys.readouterr().err


def test_a_cluster_trains_what_is_left(study, monkeypatch):
    """The cluster is a plain loop here; the real one is tested in ``tests/batch``."""
    path = study(seeds=[0], parts=[CONTENT["parts"][0]])
    asked, trained = [], []

    class Loop:
        def __init__(self, address):
            asked.append(address)

        def __enter__(self):
            return self

        def __exit__(self, *fault):
            pass

        def ask(self, question, *arguments):
            return {"here": question(*arguments)}

        def run(self, train, items):
            for (run,) in items:
                trained.append(run.run_folder.name)
                if len(trained) == 2:
                    yield Ended((run,), None, MemoryError())
                else:
                    train(run)
                    yield Ended((run,), None, None)

    monkeypatch.setattr(training.guitar.on_cluster, "Cluster", Loop)
    with pytest.raises(ClusterError, match="start the same command again"):
        sweep(path, show=False, ray="host:1")
    assert asked == ["host:1"]
    assert len(trained) == 4
    rows = sweep(path, show=False, ray="host:1")
    assert len(rows) == 4
    assert trained[4:] == [trained[1]]
