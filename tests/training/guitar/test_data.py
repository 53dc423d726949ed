"""Takes stay whole: what is held out never trains."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import soundfile

from rtaudio.errors import CaptureError
from training.config import ConfigError, load_config
from training.guitar.config import GuitarConfig, ScheduleConfig
from training.guitar.data import Split, Take, load_split
from training.guitar.excerpts import excerpts


def test_takes_are_rendered_aligned_and_kept_apart(workspace):
    data = load_config(workspace.section("data", advance_samples=2), GuitarConfig).data
    split = load_split(data)
    assert [t.name for t in split.train] == ["one", "two"]
    assert [t.name for t in (*split.validation, *split.test)] == ["three", "four"]
    for take in (*split.train, *split.validation, *split.test):
        dry, _ = soundfile.read(workspace.folder / "takes" / f"{take.name}.flac", dtype="float32")
        np.testing.assert_array_equal(take.dry, dry[:-2])
        np.testing.assert_allclose(take.wet, 0.5 * np.tanh(3 * dry[2:]), atol=1e-6)


def test_renders_are_kept(workspace, monkeypatch):
    data = load_config(workspace.path, GuitarConfig).data
    first = load_split(data)
    monkeypatch.setattr("training.guitar.teacher.Teacher.__call__", None)
    again = load_split(data)
    for a, b in zip(first.train, again.train, strict=True):
        np.testing.assert_array_equal(a.wet, b.wet)


@pytest.mark.parametrize(("shape", "rate"), [((600, 2), 48000), ((600,), 44100)])
def test_a_take_of_another_kind_is_refused(shape, rate, workspace):
    path = workspace.folder / "takes" / "two.flac"
    soundfile.write(path, np.zeros(shape), rate)
    with pytest.raises(ConfigError, match=r"two\.flac: wanted mono at 48000 Hz"):
        load_split(load_config(workspace.path, GuitarConfig).data)


def test_noise_joins_the_training_takes_only(workspace):
    split = load_split(load_config(workspace.section("data", noise_seconds=2), GuitarConfig).data)
    assert [t.name for t in split.train] == ["one", "two", "(noise)"]
    assert len(split.train[-1].dry) == 2 * split.rate_hz
    noise = split.train[-1]
    np.testing.assert_allclose(noise.wet, 0.5 * np.tanh(3 * noise.dry), atol=1e-6)
    assert [t.name for t in (*split.validation, *split.test)] == ["three", "four"]


def double(dry, rate_hz, *, gain):
    """A simulation: an amplifier."""
    return (gain * rate_hz / 48000 * dry).astype(np.float32)


def test_a_simulation_is_heard_at_every_position_of_its_knob(workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "simulations", types.SimpleNamespace(double=double))
    data = load_config(
        workspace.section(
            "data",
            teacher="simulations:double",
            knobs={"gain": [1, 2, 4]},
            test_knobs={"gain": [3]},
        ),
        GuitarConfig,
    ).data
    split = load_split(data)
    assert [(t.name, t.knobs) for t in split.test] == [
        (f"four gain={g}", (g,)) for g in (1, 2, 4, 3)
    ]
    assert len(split.train) == 6
    assert split.knobs == ({"name": "gain", "min": 1, "max": 4, "default": 2},)
    for take in (*split.train, *split.validation, *split.test):
        np.testing.assert_allclose(take.wet, take.knobs[0] * take.dry)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"teacher": "nowhere:double"}, "data.teacher: nowhere:double"),
        ({"knobs": {"gain": [1, 2]}}, "knobs: those of a capture stay at their defaults"),
        (
            {"teacher": "math:sin", "knobs": {"gain": [1, 2]}, "test_knobs": {"tone": [1]}},
            "test_knobs",
        ),
        (
            {"teacher": "math:sin", "knobs": {"gain": [1, 2]}, "test_knobs": {"gain": [3]}},
            "outside",
        ),
    ],
)
def test_a_wrong_simulation_is_refused(changes, reason, workspace):
    with pytest.raises(ConfigError) as caught:
        load_config(workspace.section("data", **changes), GuitarConfig)
    assert reason in str(caught.value)


def recording(workspace, name, gain, shift=0, seconds=4):
    """A dry file of noise, and a wet one: louder, and later."""
    dry = 0.1 * np.random.default_rng(0).standard_normal(seconds * 48000)
    wet = gain * np.concatenate([np.zeros(shift), dry])[: len(dry)]
    soundfile.write(workspace.folder / "dry.wav", dry, 48000, subtype="FLOAT")
    soundfile.write(workspace.folder / f"{name}.wav", wet, 48000, subtype="FLOAT")
    return {"dry": "dry.wav", "wet": f"{name}.wav"}


def pair_data(workspace, pairs, **changes):
    data = {
        "root": ".",
        "source": "noise",
        "license": "CC0",
        "pairs": pairs,
        "align": False,
        "parts": {"train": [[0, 2]], "validation": [[2, 3]], "test": [[3, None]]},
        **changes,
    }
    return load_config(workspace.rewrite(data=data), GuitarConfig).data


def test_pairs_are_split_by_time_and_keep_their_levels(workspace):
    pairs = [{**recording(workspace, f"wet{g}", g), "knobs": {"gain": g}} for g in (1, 2, 3)]
    split = load_split(pair_data(workspace, pairs))
    assert [t.knobs for t in split.train] == [(1,), (2,), (3,)]
    for part, seconds in (("train", 2), ("validation", 1), ("test", 1)):
        for take in getattr(split, part):
            assert len(take.dry) == seconds * 48000
            np.testing.assert_allclose(take.wet, take.knobs[0] * take.dry, rtol=1e-6)
    assert not {t.dry.tobytes() for t in split.train} & {t.dry.tobytes() for t in split.test}


@pytest.mark.parametrize("shift", [37, -37])
def test_a_shift_is_found_and_taken_out(shift, workspace):
    pair = recording(workspace, "wet", 2, shift=abs(shift))
    if shift < 0:
        pair = {"dry": pair["wet"], "wet": pair["dry"]}
    split = load_split(pair_data(workspace, [pair], align=True))
    gain = 2 if shift > 0 else 0.5
    for take in (split.train[0], split.validation[0]):
        np.testing.assert_allclose(take.wet[100:], gain * take.dry[100:], atol=1e-6)


def test_files_that_do_not_belong_together_are_refused(workspace):
    pair = recording(workspace, "wet", 1)
    other = 0.1 * np.random.default_rng(1).standard_normal(4 * 48000)
    soundfile.write(workspace.folder / "wet.wav", other, 48000, subtype="FLOAT")
    with pytest.raises(ConfigError, match=r"wet\.wav: no shift fits"):
        load_split(pair_data(workspace, [pair], align=True))
    soundfile.write(workspace.folder / "wet.wav", other[:-9], 48000, subtype="FLOAT")
    with pytest.raises(ConfigError, match="cut them to one length"):
        load_split(pair_data(workspace, [pair], align=False))


def test_pairs_may_be_split_by_file(workspace):
    first = {**recording(workspace, "a", 1), "parts": {"train": [[0, None]]}}
    second = {**recording(workspace, "b", 1), "parts": {"validation": [[0, None]]}}
    split = load_split(pair_data(workspace, [first, second], parts={}))
    assert ([t.name for t in split.train], [t.name for t in split.validation]) == (["a"], ["b"])


def test_clips_are_takes_whose_beginning_does_not_count(workspace):
    data = pair_data(
        workspace, [recording(workspace, "wet", 1)], clip_samples=20_000, clip_skip_samples=12_000
    )
    split = load_split(data)
    assert [len(t.dry) for t in split.train] == [20_000] * 4
    first = soundfile.read(workspace.folder / "dry.wav", dtype="float32")[0]
    np.testing.assert_array_equal(split.validation[0].dry, first[100_000:120_000])
    takes = tuple(
        Take(
            str(n),
            np.arange(20_000, dtype=np.float32),
            np.arange(20_000, dtype=np.float32),
            (),
            12_000,
        )
        for n in range(4)
    )
    plan = ScheduleConfig(
        epochs=1, batch=2, excerpt_samples=4096, truncate_samples=1024, warmup_samples=2048
    )
    for epoch in range(5):
        for dry, _, _ in excerpts(takes, plan, seed=0, epoch=epoch):
            assert dry[..., 2048:].min() >= 12_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parts": {"train": [[0, 2]], "validation": [[1, 3]]}}, "belongs to two ranges"),
        ({"parts": {"train": [[2, 1]], "validation": [[3, 4]]}}, "is empty"),
        ({"parts": {"train": [[0, 1]]}}, "no pair has a range to validation"),
        ({"pairs": [{"dry": "no.wav", "wet": "no.wav"}]}, "data.pairs.0.dry"),
        ({"clip_samples": 100, "clip_skip_samples": 100}, "clip_skip_samples"),
    ],
)
def test_wrong_pairs_are_refused(changes, reason, workspace):
    pairs = [recording(workspace, "wet", 1)]
    with pytest.raises(ConfigError) as caught:
        pair_data(workspace, changes.pop("pairs", pairs), **changes)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def capture(workspace, name, gain, **changes):
    folder = workspace.folder / name
    folder.mkdir()
    recording(workspace, f"{name}/wet", gain)
    (workspace.folder / "dry.wav").rename(folder / "dry.wav")
    (folder / "capture.json").write_text(
        json.dumps(
            {
                "format": 1,
                "sample_rate": 48000,
                "latency_samples": 3,
                "polarity": 1,
                "knobs": {"gain": gain, "tone": 0.5},
                "train": [[0, 48000], [50000, 90000]],
                "validation": [[90000, 140000]],
                "checks": {},
                "input_dbu": 12.5,
                "output_dbu": None,
                **changes,
            }
        )
    )
    return name


def captures(workspace, *names):
    data = {"license": "own", "root": ".", "captures": list(names)}
    return load_split(load_config(workspace.rewrite(data=data), GuitarConfig).data)


def test_capture_folders_make_takes_and_knobs(workspace):
    one = captures(workspace, capture(workspace, "low", 1.0))
    assert one.knobs == ()
    assert one.levels == {"input_dbu": 12.5}
    assert [len(t.dry) for t in (*one.train, *one.validation)] == [48000, 40000, 50000]
    both = captures(workspace, "low", capture(workspace, "high", 3.0))
    assert both.knobs == ({"name": "gain", "min": 1.0, "max": 3.0, "default": 3.0},)
    for take in (*both.train, *both.validation):
        np.testing.assert_allclose(take.wet, take.knobs[0] * take.dry, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "update rtaudio"),
        ({"validation": [[1000, 2000]]}, "overlap"),
        ({"validation": []}, "validation"),
        ({"knobs": 3}, "knobs"),
        ({"knobs": {"a": "x"}}, "knobs.a"),
        ({"knobs": {"gain": float("nan")}}, r"knobs\.gain = nan is not a number"),
        ({"sample_rate": float("inf")}, "sample_rate"),
        ({"train": [[0.5, 9000]]}, r"train\[0\]\[0\] = 0\.5 is not a number"),
        ({"train": [[0, float("inf")]]}, r"train\[0\]\[1\] = inf is not a number"),
        ({"train": [[9000, 0]]}, "empty"),
        ({"train": [[0, 1000, 2]]}, "train"),
        ({"validation": [[90000, 10**9]]}, "beyond the end"),
        ({"input_dbu": []}, "input_dbu"),
        ({"input_dbu": 10**400}, "input_dbu"),
        ({"output_dbu": float("nan")}, "output_dbu = nan is not a number"),
    ],
)
def test_a_damaged_capture_is_refused(changes, reason, workspace):
    with pytest.raises(CaptureError, match=reason):
        captures(workspace, capture(workspace, "bad", 1.0, **changes))


@pytest.mark.parametrize("name", ["Gain", "mix", "", "a b"])
def test_a_knob_that_no_model_file_could_hold_is_refused_before_training(name, workspace):
    positions = [capture(workspace, f"at{at}", at, knobs={name: at}) for at in (1.0, 2.0)]
    with pytest.raises(ConfigError, match="no model file could hold it"):
        captures(workspace, *positions)


def test_silence_is_refused_before_training(workspace):
    name = capture(workspace, "mute", 0.0, knobs={})
    with pytest.raises(ConfigError, match="wet train takes are silent"):
        captures(workspace, name)


def test_captures_without_a_moving_knob_are_refused(workspace):
    with pytest.raises(ConfigError, match="no knob that differs"):
        captures(workspace, capture(workspace, "a", 1.0), capture(workspace, "b", 1.0))


def test_a_delayed_split_is_what_a_net_with_latency_plays():
    wet = np.arange(10, dtype=np.float32)
    take = Take("x", wet, wet)
    later = Split((take,), (take,), (), 48000).delayed(3)
    np.testing.assert_array_equal(later.train[0].wet, [0, 0, 0, *range(7)])
    np.testing.assert_array_equal(later.train[0].dry, wet)
