"""A mastering run on a tiny folder: it learns, resumes to the bit, exports, and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import rtaudio as rt  # noqa: E402
from rtaudio.bench import master as bench_master  # noqa: E402
from rtaudio.bench import mastering_nets  # noqa: E402
from rtaudio.cli.bench_master import net_table  # noqa: E402
from training.checkpoint import load_checkpoint, load_fitting  # noqa: E402
from training.cli import export, train  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.engine import train_run  # noqa: E402
from training.mastering.config import MasteringConfig  # noqa: E402
from training.mastering.task import MasteringTask, blended, enhanced  # noqa: E402
from training.models.lstm import LstmAmp  # noqa: E402
from training.models.wave_u_net import WaveUNet  # noqa: E402


def run(path, **options):
    return train_run(load_config(path, MasteringConfig), MasteringTask, show=False, **options)


def test_a_run_becomes_an_effect_that_is_its_net(write, tmp_path, capsys):
    train([write()])
    folder = tmp_path / "run"
    assert "SNR" in capsys.readouterr().out
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["test"]) == {"before", "after"}
    assert (folder / "loss.png").stat().st_size > 1000
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {track["part"] for track in manifest} == {"train", "validation", "test"}
    assert all(len(track["sources"][0]["sha256"]) == 64 for track in manifest)
    net, card = load_checkpoint(folder / "best.pt")
    assert card["metrics"]["test"] == metrics["test"]
    assert str(tmp_path) not in json.dumps(card)
    export(folder / "best.pt", tmp_path / "tiny.onnx")
    model = rt.Model(tmp_path / "tiny.onnx")
    x = (0.1 * np.random.default_rng(0).standard_normal((2, 5001))).astype(np.float32)
    wanted = enhanced(net, x)
    for block in (64, 301):
        np.testing.assert_allclose(model(x, 16000, block=block), wanted, atol=1e-5)
    program = model.compile(16000, net.hop, in_channels=2)
    assert program.latency_samples == net.latency_samples
    dry = rt.Model(tmp_path / "tiny.onnx", mix=0.0)(x, 16000)
    np.testing.assert_array_equal(dry, x)


def test_the_bench_measures_a_net_and_knows_the_songs_it_has_learnt_from(
    write, music, tmp_path, cli, monkeypatch
):
    run(write())
    folder = tmp_path / "run"
    export(folder / "best.pt", tmp_path / "tiny.onnx")
    monkeypatch.setattr(bench_master, "find_systems", lambda: ({}, []))
    monkeypatch.setattr(bench_master, "measure_costs", lambda *_: [])
    timed = []
    monkeypatch.setattr(
        mastering_nets, "time_callback", lambda net, **_: timed.append(net) or np.ones(10)
    )
    words = ("--data", music / "songs", "--model", tmp_path / "tiny.onnx")
    answer = cli("bench", "master", *words, "--json")
    assert answer.status == 0, answer.err
    assert [net.worker for net in timed] == [False]  # else a thread nobody times would compute
    found = json.loads(answer.out)
    manifest = json.loads((folder / "manifest.json").read_text())
    heard = {track["name"].split("/")[1] for track in manifest if track["part"] == "train"}
    rows = [row for row in found["hiss"] if row["system"] == "tiny"]
    assert {row["song"] for row in rows if row["learnt_from"]} == heard
    assert {row["song"] for row in rows if not row["learnt_from"]} >= {"padded"}
    for row in found["hiss"]:
        if (row["system"], row["hiss"]) == ("nothing", "45 dB below"):
            assert row["snr_db"] == pytest.approx(45.0, abs=0.1)
    for mean in found["nets"]:
        assert mean["songs"] == (len(heard) if mean["learnt_from"] else 7 - len(heard))
        assert mean["before"]["snr_db"] == pytest.approx(
            np.mean(
                [
                    row["snr_db"]
                    for row in found["hiss"]
                    if (row["system"], row["hiss"]) == ("nothing", mean["hiss"])
                    and (row["song"] in heard) == mean["learnt_from"]
                ]
            ),
            abs=0.01,
        )
    [cost] = found["costs"]
    assert (cost["effect"], cost["latency_samples"] > 0) == ("net tiny", True)
    _, heads, rows = net_table(found["nets"], found["published_snr_db"])
    assert {len(row) for row in rows} == {len(heads)}
    assert rows[-1][3] == "45 -> 60"


def test_a_stopped_run_goes_on_to_the_same_bits(write, tmp_path, monkeypatch):
    path = write()
    run(path)
    whole = (tmp_path / "run/history.csv").read_text()
    weights = load_checkpoint(tmp_path / "run/best.pt")[0].state_dict()
    (tmp_path / "run").rename(tmp_path / "first")
    steps = MasteringTask.step

    def stopping(task, batch, number):
        if number == 5:
            raise KeyboardInterrupt
        return steps(task, batch, number)

    monkeypatch.setattr(MasteringTask, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    monkeypatch.setattr(MasteringTask, "step", steps)
    run(path, resume=True)
    again = load_checkpoint(tmp_path / "run/best.pt")[0].state_dict()
    for name, value in weights.items():
        assert torch.equal(again[name], value)
    untimed = [line.rsplit(",", 2)[0] for line in whole.splitlines()]
    assert untimed == [
        line.rsplit(",", 2)[0] for line in (tmp_path / "run/history.csv").read_text().splitlines()
    ]


def test_it_learns_more_than_doing_nothing(write):
    schedule = {"steps": 40, "batch": 4, "epoch_steps": 40, "learning_rate": 0.01}
    pairs = {"good": "good", "bad": "bad"}  # half the level
    path = write(
        {"good": [], "pairs": pairs},
        net={"type": "crnn", "widths": [4], "hidden": 8, "residual": True},
        schedule=schedule | {"validation_batches": 2},
    )
    config = load_config(path, MasteringConfig)
    task = MasteringTask(config, torch.device("cpu"))
    for number, batch in enumerate(task.batches(0), 1):
        task.step(batch, number)
    row = task.validate(task.net.eval())
    assert row["val_loss"] < 0.7 * row["val_untouched"]
    assert row["val_snr_gain_db"] > 1.0
    # Music that was not degraded has no noise whose removal could be measured.
    bad, good = task.held_out[0]
    task.held_out = [torch.stack([bad, good])]
    alone = task.validate(task.net)["val_snr_gain_db"]
    task.held_out.append(torch.stack([good, good]))
    assert task.validate(task.net)["val_snr_gain_db"] == pytest.approx(alone)


@given(st.floats(0, 1), st.lists(st.floats(-10, 10), min_size=1, max_size=9))
def test_the_loss_is_a_blend(share, values):
    error = torch.tensor(values, dtype=torch.float64)
    found = float(blended(error, torch.zeros_like(error), share))
    squares, sizes = float((error**2).mean()), float(error.abs().mean())
    assert found == pytest.approx(share * squares + (1 - share) * sizes)


def test_weights_that_fit_are_loaded_and_the_others_named(write, tmp_path, capsys):
    run(write())
    best = tmp_path / "run/best.pt"
    net = WaveUNet(base_channels=1, levels=6, skip="concatenate", residual=True)
    before = net.decoder[0].conv.weight.clone()
    fit = load_fitting(net, best)
    assert {"encoder.0.conv.weight", "head.weight", "decoder.0.conv.bias"} <= set(fit.loaded)
    others = {f"decoder.{n}.conv.weight" for n in range(6)}
    assert set(fit.skipped) == set(fit.missing) == others
    assert torch.equal(net.decoder[0].conv.weight, before)
    stored = load_checkpoint(best)[0]
    assert torch.equal(net.encoder[0].conv.weight, stored.encoder[0].conv.weight)
    assert "skipped: decoder.0.conv.weight, decoder.1.conv.weight, " in str(fit)
    with pytest.raises(ConfigError, match="no weight of its WaveUNet fits the LstmAmp"):
        load_fitting(LstmAmp(2), best)
    path = write(folder=str(tmp_path / "second"))
    MasteringTask(load_config(path, MasteringConfig), torch.device("cpu")).adopt(best)
    assert "weights loaded" in capsys.readouterr().err


def test_the_settings_travel_with_the_weights(write, tmp_path):
    run(write())
    net, _ = load_checkpoint(tmp_path / "run/best.pt")
    assert (net.levels, net.base_channels, net.residual) == (6, 1, True)


def test_what_cannot_be_trained_is_refused(write):
    def refusal(**changes):
        with pytest.raises(ConfigError) as caught:
            MasteringTask(load_config(write(**changes), MasteringConfig), torch.device("cpu"))
        return str(caught.value)

    assert "pitch-shift moves samples in time" in refusal(data={"degradations": ["pitch-shift"]})
    assert "give patterns of finished music" in refusal(data={"good": []})
    assert "needs some of tilt" in refusal(data={"degradations": []})
    assert "a multiple of its hop, 64" in refusal(data={"excerpt_samples": 2049})
    assert "not a stereo net" in refusal(net={"type": "lstm", "hidden": 2})
    deep = {"type": "wave-u-net", "base_channels": 1, "levels": 7}
    assert "too short for a warm-up of 256" in refusal(net=deep)
    assert "data.pairs.bad" in refusal(data={"pairs": {"bad": "none", "good": "good"}})
