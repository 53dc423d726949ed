"""A preset becomes a plugin: it plays in hosts what the engine plays, whatever they do."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from export.errors import ExportError
from export.plugin.make import make_plugins
from rtaudio.cli import main
from rtaudio.effects.base import Effect
from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels import routing
from rtaudio.runtime.offline import run
from rtaudio.shipped import shipped_models

COMPILERS = [os.environ.get("CC") or "cc", "gcc", "clang"]
pytestmark = [
    pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="bundles are tried on Linux only"),
]

RATES = (44100, 48000, 88200, 96000, 192000)
BLOCKS = ([17], [64], [512], [1, 700, 3, 64, 1300])
BLOCK = 512
TOLERANCE = 1e-6
"""For a clean net: in one with much gain, an engine with wider vectors than the plugin's rounds the
sums otherwise, up to 4e-6. Made for one processor both agree to the last bit
(`benchmarks.plugin --cpu native`)."""

PRESET = """
name: {name}
description: A test of "all" that a plugin has — with a \\ in it.
chain:
  - noise_gate: {{threshold_db: -60}}
  - gain: {{name: input, gain_db: {gain_db}}}
  - model: {{name: amp, file: {model}, output: normalized}}
  - tone_stack: {{name: tone}}
  - parallel:
      - pan: -0.5
        chain:
          - delay: {{time_ms: 40, feedback: 0.2, mix: 0.3}}
      - {{pan: 0.5}}
  - limiter: {{ceiling_db: -1}}
"""


class Made:
    """The bundles, made once by the verb, from a set list of two presets."""

    def __init__(self, folder, clap_library):
        self.presets = [folder / "quiet.yaml", folder / "loud.yaml"]
        for path, gain_db in zip(self.presets, (-3.0, 6.0), strict=True):
            model = shipped_models()["clean-light"]
            path.write_text(PRESET.format(name=path.stem, gain_db=gain_db, model=model), "utf-8")
        (folder / "Two Sounds.yaml").write_text("presets: [quiet.yaml, loud.yaml]\n")
        out, self.folder = io.StringIO(), folder / "plugins"
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as end:
            main(["plugin", str(folder / "Two Sounds.yaml"), str(self.folder), "--json"])
        assert end.value.code == 0
        self.answer = json.loads(out.getvalue())
        self.clap = clap_library(self.folder / "Two Sounds.clap")
        self.rendered = {}

    def chain(self):
        return rt.load_preset(self.presets[0])

    def render(self, x, rate, outputs):
        """Return what ``rtaudio render`` makes of a signal; each only once."""
        key = rate, len(x), outputs
        if key not in self.rendered:
            self.rendered[key] = self.chain()(x, rate, out_channels=outputs)
        return self.rendered[key]


@pytest.fixture(scope="session")
def made(tmp_path_factory, clap_library):
    return Made(tmp_path_factory.mktemp("plugin"), clap_library)


@pytest.fixture
def plugin(made):
    instance = made.clap.create()
    yield instance
    instance.destroy()


def signal(channels, rate):
    """Noise that comes, goes and ends in silence: gate, limiter and delay have work."""
    random = np.random.default_rng(channels)
    envelope = np.repeat([0.3, 0.001, 0.8, 0.0], rate // 40)
    return (envelope * random.uniform(-1, 1, (channels, envelope.size))).astype(np.float32)


def assert_rendered(made, y, x, rate, latency, outputs):
    wanted = made.render(x, rate, outputs)
    np.testing.assert_allclose(
        y[:, latency:], wanted[:, : x.shape[1] - latency], atol=TOLERANCE, rtol=0
    )


# -- sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("rate", RATES)
def test_a_plugin_plays_what_render_plays(made, plugin, rate, channels):
    x = signal(channels[0], rate)
    plugin.select(*channels)
    for blocks in BLOCKS if rate == 44100 or channels == (1, 2) else BLOCKS[-1:]:
        assert plugin.activate(rate)
        latency = plugin.latency
        assert latency == made.answer["latency_samples"][str(rate)] > 0
        y = plugin.play(x, blocks)
        plugin.deactivate()
        assert_rendered(made, y, x, rate, latency, channels[1])


def test_a_bypassed_plugin_is_a_delay_of_the_latency_that_it_reports(plugin):
    parameters = plugin.parameters()
    assert plugin.activate(48000)
    x = signal(2, 48000)
    y = plugin.play(x, [64], lambda start, _: [(0, parameters["bypass"].id, 1.0)])
    late = 960  # the ramp
    np.testing.assert_array_equal(y[:, late + plugin.latency :], x[:, late : -plugin.latency])
    plugin.deactivate()


def test_a_change_is_heard_at_its_frame(made, plugin):
    gain = plugin.parameters()["input gain"].id
    assert plugin.activate(48000)
    x = signal(2, 48000)
    y = plugin.play(
        x, [512], lambda start, frames: [(100, gain, 9.0), (300, gain, -40.0)] if not start else []
    )
    program = made.chain().compile(48000, BLOCK, in_channels=2, out_channels=2, varying=True)
    parts = [run(program, x[:, :100])]
    for value, part in ((9.0, x[:, 100:300]), (-40.0, x[:, 300:])):
        program.set("input.gain_db", value)
        parts.append(run(program, part))
    np.testing.assert_allclose(y, np.concatenate(parts, axis=1), atol=TOLERANCE, rtol=0)


def test_automation_at_each_block_does_not_click(plugin):
    parameters = plugin.parameters()
    random = np.random.default_rng(0)
    names = [name for name in parameters if "delay" not in name and "threshold" not in name]
    plugin.activate(48000)
    tone = 0.05 * np.sin(2 * np.pi * 100 * np.arange(24000) / 48000).astype(np.float32)

    def events(start, frames):
        for name in names:
            info = parameters[name]
            yield 0, info.id, random.uniform(info.low, info.high)

    y = plugin.play(np.stack([tone, tone]), [64], events)
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 10 ** (0.01 / 20)
    plugin.deactivate()


# -- parameters and state --------------------------------------------------------------------------


def test_parameters_have_names_units_and_ranges(made, plugin):
    parameters = plugin.parameters()
    gain = parameters["input gain"]
    assert (gain.low, gain.high, gain.start) == (-80.0, 40.0, -3.0)
    assert plugin.text(gain.id, -3.0) == "-3.00 dB"
    assert gain.module == b"input"
    assert next(iter(parameters)) == "bypass"
    assert parameters["bypass"].flags == 1 | 1 << 4 | 1 << 5
    assert plugin.text(parameters["bypass"].id, 1.0) == "on"
    controls = made.chain().plan(48000, BLOCK).controls
    assert len(parameters) == len(controls) == made.answer["parameters"]
    assert made.clap.descriptor.name == b"Two Sounds"
    assert made.clap.descriptor.description.decode() == (
        'A test of "all" that a plugin has — with a \\ in it.'
    )


def test_values_are_limited_and_what_is_no_number_is_left_out(plugin):
    gain = plugin.parameters()["input gain"].id
    silence = np.zeros((2, 1), np.float32)
    for value, kept in ((99.0, 40.0), (-1e30, -80.0), (np.nan, -80.0), (np.inf, 40.0)):
        plugin.process(silence, [(0, gain, value)])
        assert plugin.value(gain) == kept
    plugin.process(silence, [(0, 12345, 1.0)])


def test_a_state_comes_back_wherever_it_is_loaded(made, plugin):
    parameters = plugin.parameters()
    plugin.activate(48000)
    values = {"input gain": 4.5, "limiter ceiling": -7.0, "tone bass": 8.0, "bypass": 0.0}
    events = [(0, parameters[name].id, value) for name, value in values.items()]
    plugin.process(np.zeros((2, 64), np.float32), events)
    state = plugin.save()
    assert len(state) == 8 + 8 * len(parameters)
    other = made.clap.create()
    assert other.load(state)
    assert other.save() == state
    for name, value in values.items():
        assert other.value(parameters[name].id) == value
    x = signal(2, 48000)
    for each in (plugin, other):
        each.activate(48000)
    np.testing.assert_array_equal(other.play(x, [64]), plugin.play(x, [100]))
    other.destroy()


@pytest.mark.parametrize("damage", [b"", b"RTA1", b"RTA1\xff\xff\xff\xff", b"x" * 100])
def test_a_damaged_state_changes_nothing(plugin, damage):
    before = plugin.save()
    assert not plugin.load(damage)
    assert plugin.save() == before


def test_the_presets_of_the_set_list_are_factory_presets(made, plugin, vst3):
    keys, gain = made.clap.presets(), plugin.parameters()["input gain"].id
    assert list(keys) == made.answer["presets"] == vst3.presets() == ["quiet", "loud"]
    plugin.activate(48000)
    assert plugin.choose(keys["loud"])
    assert plugin.value(gain) == 6.0
    assert not plugin.choose(b"7")
    program = vst3.ids()["preset"]
    assert vst3.set(program, 1.0)
    assert vst3.value(gain) == vst3.normal(gain, 6.0)
    assert vst3.value(program) == 1.0
    assert vst3.set(gain, vst3.normal(gain, 1.0))
    assert vst3.set(program, 1.0)  # sent again by a host: no reason to lose the gain
    assert np.isclose(vst3.value(gain), vst3.normal(gain, 1.0))


def test_a_preset_is_chosen_while_it_plays(made, vst3, plugin):
    gain = plugin.parameters()["input gain"].id
    assert vst3.arrange(2, 2)
    assert vst3.prepare(48000.0)
    x = signal(2, 48000)[:, :512]
    y = vst3.process(x, {vst3.ids()["preset"]: [(64, 1.0)]})
    plugin.activate(48000)
    wanted = plugin.process(x, [(64, gain, 6.0)])
    np.testing.assert_allclose(y, wanted, atol=TOLERANCE, rtol=0)


# -- hosts that do anything ------------------------------------------------------------------------


def test_a_rate_without_an_image_is_refused_in_words(made, plugin):
    assert not plugin.activate(22050)
    assert made.clap.lines[-1] == (
        "Two Sounds: cannot play at 22050 Hz; choose 44100, 48000, 88200, 96000, 192000 Hz"
    )
    assert plugin.activate(48000)


def test_no_input_stops_it(made, plugin):
    plugin.activate(48000)
    x = signal(2, 48000)
    bad = np.full((2, 64), np.nan, np.float32)
    assert np.isfinite(plugin.process(bad)).all()
    for value in (np.inf, 1e30, 1e-40, -0.0):
        assert np.isfinite(plugin.process(np.full((2, 64), value, np.float32))).all()
    assert plugin.process(np.zeros((2, 0), np.float32)).shape == (2, 0)
    assert np.isfinite(plugin.process(np.zeros((2, 100_000), np.float32))).all()
    plugin.plugin.reset(plugin.address)
    assert_rendered(made, plugin.play(x, [64]), x, 48000, plugin.latency, 2)
    plugin.deactivate()


def test_instances_play_side_by_side_in_threads(made):
    x, found = signal(2, 48000), {}

    def play(number):
        instance = made.clap.create()
        instance.activate(48000)
        found[number] = instance.play(x, [64 + number]), instance.latency
        instance.destroy()

    threads = [threading.Thread(target=play, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for y, latency in found.values():
        assert_rendered(made, y, x, 48000, latency, 2)


def test_two_hundred_instances_leave_nothing_behind(made):
    def resident_bytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def make_and_free(count):
        for _ in range(count):
            instance = made.clap.create()
            instance.activate(192000)
            instance.process(np.zeros((2, 64), np.float32))
            instance.deactivate()
            instance.destroy()

    make_and_free(20)
    before = resident_bytes()
    make_and_free(200)
    assert resident_bytes() - before < 10 << 20  # one instance alone has touched more than 100 kB


# -- what is inside --------------------------------------------------------------------------------


def test_nothing_of_python_is_inside(made):
    """The library asks for libc and libm alone, and shows its entry points alone."""
    entries = {"clap": {"clap_entry"}, "lv2": {"lv2_descriptor"},
               "vst3": {"GetPluginFactory", "ModuleEntry", "ModuleExit"}}  # fmt: skip
    for kind, names in entries.items():
        bundle = made.folder / f"Two Sounds.{kind}"
        [library] = [bundle] if bundle.is_file() else list(bundle.rglob("*.so"))
        needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True).stdout
        assert set(re.findall(r"NEEDED.*\[(.*)\]", needed)) <= {"libc.so.6", "libm.so.6"}
        shown = subprocess.run(["nm", "-D", library], capture_output=True, text=True).stdout
        assert set(re.findall(r" [TDRB] (\S+)", shown)) == names
        asked = set(re.findall(r" U ([A-Za-z_0-9]+)", shown))
        assert not [name for name in asked if re.match(r"_?Py|NRT_|numba|Ort", name)]


# -- other formats ---------------------------------------------------------------------------------


@pytest.fixture
def vst3(made, vst3_plugin):
    [library] = (made.folder / "Two Sounds.vst3").rglob("*.so")
    instance = vst3_plugin(library)
    yield instance
    instance.release()


@pytest.mark.parametrize("channels", [(1, 1), (1, 2), (2, 2)])
def test_the_vst3_plays_what_render_plays(made, vst3, channels):
    x = signal(channels[0], 44100)
    assert not vst3.arrange(2, 1)
    assert vst3.arrange(*channels)
    assert vst3.prepare(44100.0)
    starts = [0, 64, 64, 800, 1500]
    parts = [vst3.process(x[:, a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert_rendered(made, np.concatenate(parts, axis=1), x, 44100, vst3.latency, channels[1])


def test_the_vst3_obeys_points_at_their_frames(made, vst3, plugin):
    x, gain = signal(2, 48000)[:, :512], plugin.parameters()["input gain"].id
    assert vst3.ids()["input gain"] == gain
    assert vst3.arrange(2, 2)
    assert vst3.prepare(48000.0)
    points = [(0, vst3.normal(gain, 9.0)), (100, vst3.normal(gain, -40.0)), (511, 1.0)]
    y = vst3.process(x, {gain: points, 12345: [(0, 0.5)]})
    plugin.activate(48000)
    wanted = plugin.process(x, [(0, gain, 9.0), (100, gain, -40.0), (511, gain, 40.0)])
    np.testing.assert_allclose(y, wanted, atol=TOLERANCE, rtol=0)
    assert vst3.process(x[:, :0], {gain: [(0, vst3.normal(gain, 0.0))]}).shape == (2, 0)
    assert np.isclose(vst3.value(gain), vst3.normal(gain, 0.0))


def test_the_vst3_refuses_a_rate(vst3, capfd):
    assert not vst3.prepare(22050.0)
    assert "Two Sounds: cannot play at 22050 Hz" in capfd.readouterr().err
    assert not vst3.process(np.ones((2, 64), np.float32)).any()


@pytest.mark.skipif(
    importlib.util.find_spec("pedalboard") is None, reason="pedalboard is not installed"
)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_vst3_plays_in_pedalboard(made, rate):
    pedalboard = importlib.import_module("pedalboard")
    vst3 = pedalboard.load_plugin(str(made.folder / "Two Sounds.vst3"))
    x = signal(2, rate)
    y = vst3.process(x, rate, buffer_size=64)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, made.render(x, rate, 2), atol=TOLERANCE, rtol=0)
    assert vst3.reported_latency_samples == made.answer["latency_samples"][str(rate)]
    state = vst3.raw_state
    vst3.input_gain_db = 12.0
    assert vst3.parameters["input_gain_db"].units == "dB"
    louder = vst3.process(x, rate, buffer_size=64)
    assert np.abs(louder - y).max() > 0.01
    vst3.raw_state = state
    np.testing.assert_allclose(vst3.process(x, rate, buffer_size=512), y, atol=TOLERANCE, rtol=0)


def _lv2(made, *words):
    environment = os.environ | {"LV2_PATH": str(made.folder)}
    return subprocess.run(
        [*map(str, words)], env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(not shutil.which("lv2apply"), reason="lv2apply is not installed (lilv-utils)")
@pytest.mark.parametrize("channels", [(2, 2, ""), (1, 1, "#mono")])
def test_the_lv2_plays_in_lv2apply(made, tmp_path, channels):
    inputs, outputs, end = channels
    x = signal(inputs, 44100)
    soundfile.write(tmp_path / "in.wav", x.T, 44100, "FLOAT")
    uri = f"urn:{made.clap.descriptor.id.decode()}{end}"
    done = _lv2(made, "lv2apply", "-i", tmp_path / "in.wav", "-o", tmp_path / "out.wav", uri)
    assert done.returncode == 0, done.stderr
    y, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert rate == 44100
    latency = made.answer["latency_samples"]["44100"]
    assert_rendered(made, y.T[:, : x.shape[1]], x, 44100, latency, outputs)


@pytest.mark.skipif(not shutil.which("lv2info"), reason="lv2info is not installed (lilv-utils)")
def test_the_lv2_is_described(made):
    info = _lv2(made, "lv2info", f"urn:{made.clap.descriptor.id.decode()}").stdout
    assert "Has latency:       yes" in info
    assert re.search(r"Presets:\s+(loud\s+quiet|quiet\s+loud)", info), info
    port = info[info.index("Symbol:      input_gain_db") :]
    assert re.search(r"Minimum:\s+-80.0+\s+Maximum:\s+40.0+\s+Default:\s+-3.0+", port)


@pytest.mark.jack
@pytest.mark.skipif(not shutil.which("jalv"), reason="jalv is not installed")
def test_the_lv2_plays_in_jalv_and_jack_knows_its_latency(made):
    environment = os.environ | {
        "JACK_DEFAULT_SERVER": "rtaudio-plugin",
        "JACK_NO_AUDIO_RESERVATION": "1",
        "LV2_PATH": str(made.folder),
    }
    server = ["jackd", "-n", "rtaudio-plugin", "--no-realtime", "-d", "dummy", "-r", "48000"]
    host = ["jalv", "-x", "-n", "tested", f"urn:{made.clap.descriptor.id.decode()}"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}

    def ports():
        listed = subprocess.run(["jack_lsp", "-l"], env=environment, capture_output=True, text=True)
        return listed.stdout

    with contextlib.ExitStack() as running:
        for words, sign in ((server, "playback_1"), (host, "tested:out_1")):
            process = subprocess.Popen(words, stdin=subprocess.PIPE, **silent)
            running.callback(process.wait)
            running.callback(process.terminate)
            for _ in range(200):
                if sign in ports():
                    break
                if process.poll() is not None and words is server:
                    pytest.skip("jackd does not start here")
                time.sleep(0.05)
        latency = made.answer["latency_samples"]["48000"]
        found = ports()
    said = f"port capture latency = [ {latency} {latency} ] frames"
    assert said in found[found.index("tested:in_1") :], found


# -- ONNX Runtime ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def with_onnx(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    klone = rt.Model(
        shipped_models()["klone"],
        name="drive",
        engine="onnx",
        worker=False,
        parameters={"gain": 0.3},
    )
    chain = rt.Chain(klone, rt.Gain(name="level"), name="drive-alone")
    return chain, make_plugins(chain, folder / "out").files


def test_a_model_of_onnx_runtime_plays_beside_its_library(with_onnx, clap_library, vst3_plugin):
    chain, files = with_onnx
    assert [file.name for file in files] == [
        "drive-alone.vst3", "drive-alone.lv2", "drive-alone.clap", "drive-alone.onnxruntime.so",
    ]  # fmt: skip
    library = clap_library(files[2])
    instance = library.create()
    gain = instance.parameters()["drive gain"].id
    assert instance.value(gain) == np.float32(0.3)
    for rate in (44100, 48000):
        x = signal(2, rate)
        assert instance.activate(rate)
        y = instance.play(x, [64, 17, 700])
        latency = instance.latency
        wanted = chain(x, rate)[:, : x.shape[1] - latency]
        np.testing.assert_allclose(y[:, latency:], wanted, atol=TOLERANCE, rtol=0)
        instance.deactivate()
    instance.destroy()
    [vst3_library] = files[0].rglob("drive-alone.so")
    vst3 = vst3_plugin(vst3_library)
    assert vst3.prepare(48000.0)
    np.testing.assert_allclose(vst3.process(x), y, atol=TOLERANCE, rtol=0)
    vst3.release()


def test_without_its_library_a_model_does_not_start(with_onnx, clap_library, tmp_path, capfd):
    shutil.copy(with_onnx[1][2], tmp_path / "alone.clap")
    instance = clap_library(tmp_path / "alone.clap").create()
    assert not instance.activate(48000)
    assert instance.library.lines == [
        "drive-alone: drive-alone.onnxruntime.so must lie beside it, and memory must be left"
    ]
    assert "drive-alone.onnxruntime.so: cannot open" in capfd.readouterr().err
    instance.destroy()


# -- refusals --------------------------------------------------------------------------------------


def test_what_only_plays_in_this_process_is_refused_by_name(tmp_path):
    class Private(Effect):
        def build(self, builder, x, slots):
            return builder.run(Node(routing.silence, outputs=x.channels, relocatable=False), x)

    chain = rt.Chain(rt.Gain(), Private(name="mine"), name="all")
    with pytest.raises(ExportError, match=r"^all: mine only plays in this process; take it out"):
        make_plugins(chain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_plugin_is_replaced_unasked(made, refused):
    line = refused("plugin", made.presets[0].with_name("Two Sounds.yaml"), made.folder)
    assert "--force" in line


def test_without_a_compiler_the_line_says_so(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert "C compiler" in refused("plugin", "bypass", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_compiler_that_fails_leaves_nothing(refused, tmp_path, monkeypatch):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'x.c:1: error: no such thing' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    line = refused("plugin", "bypass", tmp_path / "out")
    assert line.endswith("cannot link it: x.c:1: error: no such thing")
    assert not (tmp_path / "out").exists()


def test_a_set_list_of_other_chains_is_refused(refused, tmp_path):
    (tmp_path / "songs.yaml").write_text("presets: [crunch, clean]\n")
    line = refused("plugin", tmp_path / "songs.yaml", tmp_path / "out")
    assert line.startswith("error: clean: has other effects or files than crunch")


def test_the_knob_of_a_model_inside_an_effect_turns(clap_library, tmp_path):
    """Its slot is one of the effect's, so the model's parameters begin inside an array."""
    chain = rt.Chain(rt.Denoise(name="voice", worker=False), name="clean-voice")
    library = clap_library(make_plugins(chain, tmp_path / "out").files[2])
    x = np.tile(signal(2, 48000), 12)
    wanted = {}
    for percent in (100.0, 0.0):
        # A new one each time: one that starts with changed values hears silence until they settle.
        instance = library.create()
        [room] = [info.id for name, info in instance.parameters().items() if "reverb" in name]
        assert instance.value(room) == 50.0
        assert instance.activate(48000)
        y = instance.play(x, [480], lambda *_, event=(0, room, percent): [event])
        chain["voice"].dereverberation_percent = percent
        # The new value comes with the first block, so the first frames are not compared.
        wanted[percent] = chain(x, 48000)[:, 9600 : -instance.latency]
        late = slice(9600 + instance.latency, None)
        np.testing.assert_allclose(y[:, late], wanted[percent], atol=1e-4, rtol=0)
        instance.deactivate()
        instance.destroy()
    assert np.abs(wanted[0.0] - wanted[100.0]).max() > 0.01
