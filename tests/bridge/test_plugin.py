"""A VST3 as an effect: sound, latency, parameters, state, channels, and what can be wrong."""

from __future__ import annotations

import base64
import gc
import threading
import weakref

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.bridge.delay_found import delay_of_answer, held_back
from rtaudio.bridge.external import ExternalPlugin

RATE = 48000


def noise(channels=2, frames=20000):
    return (0.1 * np.random.default_rng(0).standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize("latency", [0, 72, 1500])
def test_offline_equals_pedalboard_and_the_latency_is_the_told_one(build_vst3, pedalboard, latency):
    file = build_vst3(f"Late{latency}", f"-DLATENCY={latency}")
    x = noise()
    expected = pedalboard.load_plugin(str(file))(x, RATE)
    effect = rt.Plugin(file)
    np.testing.assert_allclose(effect(x, RATE), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(expected, x, atol=1e-6)
    live = effect.plan(RATE, 64).latency_samples
    assert live == rt.Pedal("Invert").plan(RATE, 64).latency_samples + latency


def test_a_latency_that_is_not_told_is_measured_or_given(build_vst3):
    file = build_vst3("Silent300", "-DLATENCY=300", "-DTOLD=0")
    x = noise()
    np.testing.assert_allclose(rt.Plugin(file)(x, RATE), x, atol=1e-6)
    wire = rt.Plugin(file, mix=0.5)(x, RATE)
    np.testing.assert_allclose(wire, x, atol=1e-6)
    late = rt.Plugin(file, latency_samples=0)(x, RATE)
    np.testing.assert_allclose(late[:, 300:], x[:, :-300], atol=1e-6)


@pytest.mark.parametrize("name", ["Late72", "Late1500", "Tiny"])
def test_a_stream_is_the_whole_in_pieces_of_any_size(build_vst3, name):
    latency = int(name[4:] or 0) if name != "Tiny" else 0
    file = build_vst3(name, f"-DLATENCY={latency}")
    x = noise(1)
    stream = rt.Plugin(file).stream(RATE)
    cuts = np.cumsum([1, 2, 700, 63, 64, 3000])
    pieces = [stream.process(piece) for piece in np.split(x, cuts, axis=1)]
    pieces.append(stream.process(np.zeros((1, 0), np.float32), last=True))
    late = np.concatenate(pieces, axis=1)[:, stream.latency_samples :]
    np.testing.assert_allclose(late, x, atol=1e-6)


def test_parameters_have_names_ranges_and_units_and_are_exact(tiny):
    effect = rt.Plugin(tiny, {"gain_db": 6.0, "invert": True}, name="amp")
    x = noise()
    np.testing.assert_allclose(effect(x, RATE), -(10 ** (6 / 20)) * x, rtol=1e-5, atol=1e-7)
    program = effect.compile(RATE, 64, offline=True)
    control = program.plan.controls["amp.gain_db"]
    assert control.range == (-24.0, 24.0, "dB")
    assert (program.get("amp.gain_db"), control.default) == (6.0, 0.0)
    assert program.plan.controls["amp.invert"].default is False
    program.set("amp.gain_db", -6)
    assert effect.parameters["gain_db"] == -6
    again = effect(x, RATE)
    np.testing.assert_allclose(again, -(10 ** (-6 / 20)) * x, rtol=1e-5, atol=1e-7)


def test_a_mono_sound_is_made_stereo_for_a_plugin_that_needs_it(build_vst3, tiny):
    stereo = build_vst3("Stereo", "-DSTEREO")
    assert rt.Plugin(tiny)(noise(1), RATE).shape[0] == 1
    wet = rt.Plugin(stereo)(noise(1), RATE)
    np.testing.assert_allclose(wet, np.repeat(noise(1), 2, axis=0), atol=1e-6)
    with pytest.raises(rt.PluginError, match=r"^stereo: does not play 4 channels at 48000 Hz: "):
        rt.Plugin(stereo)(noise(4), RATE)


def test_the_state_is_bytes_base64_or_a_file(tiny, tmp_path):
    external = ExternalPlugin(tiny, "", "tiny")
    external.apply("gain_db", -12.0)
    state = external.state
    (tmp_path / "mine.state").write_bytes(state)
    x = noise()
    for given in (
        {"state": state},
        {"state": base64.b64encode(state).decode()},
        {"state_file": tmp_path / "mine.state"},
    ):
        effect = rt.Plugin(tiny, **given)
        assert effect.live_values()["gain_db"] == -12.0
        np.testing.assert_allclose(effect(x, RATE), 10 ** (-12 / 20) * x, rtol=1e-5, atol=1e-7)
    over = rt.Plugin(tiny, {"gain_db": 0.0}, state=state)
    np.testing.assert_allclose(over(x, RATE), x, rtol=1e-5, atol=1e-7)


def test_a_plugin_of_pedalboard_on_a_board_stays_the_users(tiny, pedalboard):
    plugin = pedalboard.load_plugin(str(tiny))
    plugin.gain_db = -12.0
    board = rt.Board([plugin])
    assert board[0] is plugin
    x = noise()
    np.testing.assert_allclose(board(x, RATE), plugin(x, RATE), atol=1e-6)
    plugin.gain_db = 6.0
    np.testing.assert_allclose(board(x, RATE), plugin(x, RATE), atol=1e-6)


@pytest.fixture
def installed(tiny, monkeypatch):
    monkeypatch.setenv("VST3_PATH", str(tiny.parent))
    return tiny


def test_a_preset_names_an_installed_plugin(installed, tmp_path):
    state = ExternalPlugin(installed, "", "tiny").state
    chain = rt.Chain(rt.Plugin(installed, {"gain_db": 3.0}, state=state, mix=0.5), rt.Gain(1))
    rt.save_preset(chain, tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    assert "file: Tiny\n" in text
    assert "{gain_db: 3.0}" in text
    assert rt.load_preset(tmp_path / "mine.yaml") == chain
    (tmp_path / "tiny.state").write_bytes(state)
    beside = rt.Chain(rt.Plugin(installed, state_file=tmp_path / "tiny.state"))
    rt.save_preset(beside, tmp_path / "beside.yaml")
    assert "state_file: tiny.state" in (tmp_path / "beside.yaml").read_text()
    assert rt.load_preset(tmp_path / "beside.yaml") == beside


def test_a_preset_loads_no_code_that_is_not_installed(tiny, tmp_path, monkeypatch):
    """Neither a plugin beside the preset, nor one that a link leads to."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".vst3").mkdir(parents=True)
    (tmp_path / "Link.vst3").symlink_to(tiny)
    (tmp_path / "home" / ".vst3" / "Out.vst3").symlink_to(tiny)
    loaded = []
    monkeypatch.setattr("rtaudio.bridge.external._loaded", lambda *a: loaded.append(a))
    for word in (str(tiny), "Link.vst3", "home/.vst3/../../Link.vst3"):
        preset = tmp_path / "stranger.yaml"
        preset.write_text(f"chain:\n  - plugin: {{file: '{word}'}}\n")
        with pytest.raises(rt.PresetError, match="a plugin is code, so a preset loads installed"):
            rt.load_preset(preset)
    assert loaded == []


def bundle(folder, machine):
    (folder / "Other.vst3" / "Contents" / machine).mkdir(parents=True)
    return folder / "Other.vst3"


def test_bad_files_and_values_are_refused_in_one_line(tiny, build_vst3, tmp_path):
    (tmp_path / "text.vst3").write_text("no plugin")
    (tmp_path / "empty.vst3").mkdir()
    for make, words in (
        (lambda: rt.Plugin(tmp_path / "none.vst3"), "none.vst3: no such file; name a plugin"),
        (lambda: rt.Plugin(tmp_path / "text.vst3"), "text.vst3: is no plugin"),
        (lambda: rt.Plugin(tmp_path / "empty.vst3"), "empty.vst3: is no plugin"),
        (lambda: rt.Plugin(bundle(tmp_path, "riscv64-linux")), "is for riscv64-linux, not for "),
        (lambda: rt.Plugin(build_vst3("Refuse", "-DREFUSE")), "it may need a newer processor"),
        (
            lambda: rt.Plugin(tiny, {"gian_db": 1.0}),
            "tiny: has no parameter 'gian_db'; did you mean 'gain_db'?",
        ),
        (
            lambda: rt.Plugin(tiny, {"gain_db": 99.0}, name="amp"),
            "amp.gain_db = 99 is out of range -24 .. 24 dB",
        ),
        (lambda: rt.Plugin(tiny, state=b"of another plugin"), "the state does not belong to this"),
        (lambda: rt.Plugin(tiny, state="no base64!"), "tiny.state: is not base64"),
        (lambda: rt.Plugin(tiny, state_file=tmp_path / "none"), "none: no such file; save the"),
        (lambda: rt.Plugin(tiny, state_file=tmp_path), "no such file; save the state again"),
        (lambda: rt.Plugin(tiny, title="Othre"), "holds no plugin 'Othre'"),
    ):
        with pytest.raises((rt.RtaudioError, FileNotFoundError)) as error:
            make()
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_pedalboard_loads_in_the_main_thread_only(tiny):
    found = []

    def load():
        try:
            ExternalPlugin(tiny, "", "tiny")
        except rt.PluginError as error:
            found.append(str(error))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert found
    assert found[0].endswith("load it there, or isolate it")


def test_only_the_main_thread_unloads_a_plugin(tiny):
    from rtaudio.bridge.external import _left

    held = [ExternalPlugin(tiny, "", "tiny")]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert len(_left) == 1
    ExternalPlugin(tiny, "", "tiny")
    assert _left == []


def test_a_program_is_freed_with_its_plugin_at_once(tiny):
    """Without a circle, which the collector would break in any thread."""
    program = rt.Plugin(tiny).compile(RATE, 64, in_channels=2, offline=True)
    kernel = weakref.ref(program.plan.steps[0].node.inner[0].kernel)
    gc.disable()
    try:
        del program
        assert kernel() is None
    finally:
        gc.enable()


def test_the_window_needs_a_display_and_a_plugin_that_has_one(tiny, monkeypatch):
    effect = rt.Plugin(tiny, {"gain_db": 3.0})
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(rt.PluginError, match=r"^tiny: no display to open its window on; set"):
        effect.edit()
    monkeypatch.setenv("DISPLAY", ":7654")
    with pytest.raises(rt.PluginError, match=r"^tiny: "):  # no such display, or no window
        effect.edit()
    assert effect.parameters == {"gain_db": 3.0}


def test_what_is_turned_in_the_window_is_told(tiny):
    external, told, closed = ExternalPlugin(tiny, "", "tiny"), [], threading.Event()
    args = (external.parameters(), lambda *change: told.append(change), closed)
    watch = threading.Thread(target=external.watch, args=args)
    watch.start()
    external.apply("gain_db", 6.0)
    external.apply("invert", True)
    closed.set()
    watch.join()
    assert dict(told) == {"gain_db": 6.0, "invert": True}


def test_delays_are_found():
    answer = np.zeros(100, np.float32)
    assert delay_of_answer(answer) == 0
    answer[40:44] = 1.0, 0.5, 0.25, 0.1
    assert delay_of_answer(answer) == 40
    assert delay_of_answer(answer + 1e-3, quiet=1e-3) == 40
    answer[:] = 0.0
    answer[20:61] = np.hanning(43)[1:-1]
    assert delay_of_answer(answer) == 40
    first = iter([10, 64, 64])
    assert held_back(lambda x: x[:, : next(first, 64)], 1, 64, 640) == 54
    with pytest.raises(ValueError, match="fewer samples than it takes"):
        held_back(lambda x: x[:, 1:], 1, 64, 640)
