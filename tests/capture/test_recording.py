"""Whole captures: every check speaks up for its fault and for no other, and the folder is whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.audio.reader import read_audio
from rtaudio.capture.folder import check_target, save_recording
from rtaudio.capture.recording import Recording, check_lengths
from rtaudio.errors import CaptureError

RATE = 12000
RNG = np.random.default_rng(5)


def captured(dry, wet, **options):
    return Recording.of(dry.astype(np.float32), wet.astype(np.float32), RATE, **options)


def told(capture, severity):
    return {finding.check for finding in capture.findings if finding.severity == severity}


@pytest.fixture(scope="module")
def wet(gears, dry):
    """A sound recording: an amp with a cabinet, 300 samples late, with a quiet noise."""
    return gears.delayed(gears.amp(dry, RATE), 300) + 1e-4 * RNG.standard_normal(dry.size)


@pytest.fixture(scope="module")
def good(dry, wet):
    return captured(dry, wet)


def test_a_good_capture_has_nothing_to_say_against_it(good, own):
    assert told(good, "warning") == told(good, "refused") == set()
    assert good.refusal is None
    assert told(good, "fine") >= {
        "length", "confidence", "latency", "polarity", "drift", "replicate", "clipping", "level",
        "offset", "gear", "noise", "hum",
    }  # fmt: skip
    assert good.train == [own.training]
    assert good.validation == [own.sections["take"]]


def fault_of(name, gears, dry, wet):
    """Return a wet signal with one fault."""
    n = dry.size
    if name == "clipping":
        return np.clip(2.2 * wet, -1.0, 1.0)
    if name == "drift":
        return gears.on_another_clock(wet, 50.0)
    if name == "replicate":
        return wet * np.linspace(1.0, 0.7, n)
    if name == "noise":
        return wet + 0.03 * RNG.standard_normal(n)
    if name == "gear":
        return 0.4 * gears.delayed(dry, 50)
    if name == "confidence":
        return 0.1 * RNG.standard_normal(n)
    if name == "silence":
        return 1e-6 * wet
    if name == "hum":
        return 0.7 * wet + gears.hum(n, RATE, 50.03, 0.1)
    if name == "hum of 60":
        return 0.7 * wet + 0.1 * np.sin(2 * np.pi * 60 * np.arange(n) / RATE)
    if name == "jump":
        return np.delete(wet, np.arange(n // 2, n // 2 + 256))
    if name == "crosstalk":
        return 2e-3 * gears.delayed(dry, 50) + 1e-6 * RNG.standard_normal(n)
    assert name == "latency"
    return gears.delayed(dry**3, round(0.6 * RATE))


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("clipping", "times at 0.0 dBFS; turn the input of the interface down"),
        ("drift", "ppm): dry and wet were on two clocks; use one"),
        ("replicate", "the gear has changed between start and end"),
        ("noise", "dB below the signal; turn the gear's noise down"),
        ("gear", "is the gear in the loop?"),
        ("confidence", "does not follow the dry one"),
        ("silence", "the wet signal is silent"),
        ("latency", "comes 600 ms late"),
        ("hum", "hum of 50 Hz and harmonics at"),
        ("hum of 60", "hum of 60 Hz"),
        ("jump", "the latency jumps by -256 samples about"),
        ("crosstalk", "crosstalk between channels; is the cable in another jack?"),
    ],
)
def test_a_fault_is_refused_and_named(gears, dry, wet, check, said):
    capture = captured(dry, fault_of(check, gears, dry, wet))
    others = {"noise"} if check == "confidence" else set()
    name = {"jump": "drift", "crosstalk": "gear", "hum of 60": "hum"}.get(check, check)
    assert told(capture, "refused") - others == {name}
    assert said in capture.refusal


@pytest.mark.parametrize(
    ("check", "change", "said"),
    [
        ("hum", lambda g, x: x + g.hum(x.size, RATE, 50, 0.003), "hum of 50 Hz"),
        ("hum", lambda g, x: x + g.hum(x.size, RATE, 60, 0.003), "hum of 60 Hz"),
        ("offset", lambda g, x: x + 0.05, "an offset of"),
        ("level", lambda g, x: 0.03 * x, "turn the input of the interface up"),
        ("noise", lambda g, x: x + 0.003 * RNG.standard_normal(x.size), "becomes less exact"),
        ("clipping", lambda g, x: np.clip(x, -0.3, 0.3), "cut off flat at -10.5 dBFS"),
        ("latency", lambda g, x: g.delayed(x, -340), "early, as when a DAW compensates"),
    ],
)
def test_a_blemish_is_told_and_accepted(gears, dry, wet, check, change, said):
    capture = captured(dry, change(gears, wet))
    assert capture.refusal is None
    assert told(capture, "warning") == {check}
    assert any(said in finding.text for finding in capture.findings)


@pytest.mark.parametrize("level", [0.004, 0.015, 0.03])
@pytest.mark.parametrize("mains_hz", [49.95, 50.0, 60.03])
def test_hum_is_no_change_of_the_gear_and_hides_none(gears, dry, wet, level, mains_hz):
    """Between the takes the hum has another phase: that alone was called another gear."""
    hum = gears.hum(dry.size, RATE, mains_hz, level)
    capture = captured(dry, wet + hum)
    assert "replicate" in told(capture, "fine")
    assert told(capture, "warning") | told(capture, "refused") == {"hum"}
    [found] = [finding for finding in capture.findings if finding.check == "hum"]
    assert f"hum of {round(mains_hz)} Hz and harmonics at {found.value:.0f} dBFS" in found.text
    power = sum(0.5 * (level / k) ** 2 for k in range(1, 6))
    assert found.value == pytest.approx(10 * np.log10(power), abs=1.5)
    changed = captured(dry, wet * np.linspace(1.0, 0.7, dry.size) + hum)
    assert "replicate" in told(changed, "refused")


def test_weak_hum_is_told_as_harmless(gears, dry, wet):
    capture = captured(dry, wet + gears.hum(dry.size, RATE, 50, 3e-4))
    hum = next(finding for finding in capture.findings if finding.check == "hum")
    assert hum.severity == "fine"
    assert "harmless" in hum.text
    power = sum(0.5 * (3e-4 / k) ** 2 for k in range(1, 6))
    assert hum.value == pytest.approx(10 * np.log10(power), abs=0.5)


def test_an_inverting_gear_stays_so(gears, dry, wet):
    capture = captured(dry, -wet)
    assert capture.as_json()["polarity"] == -1
    assert capture.refusal is None
    start, stop = capture.train[0]
    assert np.dot(capture.take.dry[start:stop], capture.take.aligned[start:stop]) < 0


def test_a_latency_by_hand_is_obeyed(dry, wet):
    capture = captured(dry, wet, latency_samples=290)
    assert capture.latency_samples == 290
    np.testing.assert_array_equal(capture.take.aligned, wet.astype(np.float32)[290:])
    noise = captured(dry, 0.1 * RNG.standard_normal(dry.size), latency_samples=0)
    assert "confidence" not in {finding.check for finding in noise.findings}


def test_any_other_signal_is_split_by_time(gears, dry, own):
    at = own.sections["playing"][0]
    playing = dry[at : at + 40 * RATE]
    capture = captured(playing, gears.delayed(gears.crunch(playing), 44))
    assert capture.latency_samples in range(41, 45)
    assert capture.refusal is None
    ((a, b),), ((c, d),) = capture.train, capture.validation
    assert (a, d) == (0, capture.take.aligned.size)
    assert 0 < c - b < RATE
    assert d - c == capture.take.aligned.size // 5


def test_too_short_is_refused(gears, dry, own):
    at = own.sections["playing"][0]
    playing = dry[at : at + 3 * RATE]
    assert told(captured(playing, gears.crunch(playing)), "refused") == {"length"}


@pytest.mark.parametrize("frames", [2, 100, 300, 5000])
def test_the_shortest_sounds_are_refused_not_crashed_on(frames):
    x = RNG.uniform(-0.5, 0.5, frames)
    assert "length" in told(captured(x, np.tanh(x)), "refused")


def test_lengths_that_do_not_fit_are_refused(dry):
    check_lengths(dry, dry[: -RATE + 1], RATE)
    check_lengths(dry[: -9 * RATE], dry, RATE)
    with pytest.raises(CaptureError, match=r"is 12.0 s longer than the dry one; export both"):
        check_lengths(dry[: -12 * RATE], dry, RATE)
    with pytest.raises(CaptureError, match="shorter"):
        check_lengths(dry, dry[: -2 * RATE], RATE)


# -- the folder ------------------------------------------------------------------------------------


def test_the_folder_holds_the_pair_and_tells_about_it(good, wet, tmp_path):
    folder = tmp_path / "amp"
    save_recording(good, folder)
    assert [p.name for p in tmp_path.iterdir()] == ["amp"]
    assert sorted(p.name for p in folder.iterdir()) == [
        "capture.json", "capture.png", "dry.wav", "wet.wav",
    ]  # fmt: skip
    about = json.loads((folder / "capture.json").read_text())
    dry_file, wet_file = (read_audio(folder / name) for name in ("dry.wav", "wet.wav"))
    assert soundfile.info(folder / "wet.wav").subtype == "FLOAT"
    assert dry_file[1] == wet_file[1] == about["sample_rate"] == RATE
    assert dry_file[0].shape == wet_file[0].shape
    late = wet.astype(np.float32)[about["latency_samples"] :]
    np.testing.assert_array_equal(wet_file[0][0], late)
    assert about["format"] == 1
    for start, stop in [*about["train"], *about["validation"]]:
        assert 0 <= start < stop <= wet_file[0].shape[1]
    assert about["checks"]["latency"]["severity"] == "fine"


def test_a_refused_capture_is_written_only_by_force(dry, tmp_path):
    bad = captured(dry, np.clip(3.0 * dry, -1.0, 1.0))
    with pytest.raises(CaptureError, match=r"clips .* \(to keep it nevertheless: --force\)"):
        save_recording(bad, tmp_path / "amp")
    assert list(tmp_path.iterdir()) == []
    save_recording(bad, tmp_path / "amp", force=True)
    about = json.loads((tmp_path / "amp" / "capture.json").read_text())
    assert about["checks"]["clipping"]["severity"] == "refused"


def test_only_an_older_capture_is_replaced_and_only_by_force(good, tmp_path, monkeypatch):
    folder = tmp_path / "amp"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(OSError, match="is not a capture"):
            save_recording(good, folder, force)
    (folder / "capture.json").write_text("{}")
    with pytest.raises(OSError, match="replace it: --force"):
        check_target(folder, force=False)
    monkeypatch.setattr("rtaudio.capture.folder.draw", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_recording(good, folder, force=True)
    assert (folder / "diary.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]
    monkeypatch.undo()
    save_recording(good, folder, force=True)
    assert not (folder / "diary.txt").exists()
    assert list(tmp_path.iterdir()) == [folder]
