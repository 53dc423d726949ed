"""The model of control: scales, undo, edits of the chain, A and B, set lists, names, meters."""

from __future__ import annotations

import threading

import hypothesis.strategies as st
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings

from rtaudio.catalogue import user_presets, user_presets_folder
from rtaudio.control.balance import loudness_lufs
from rtaudio.control.devices import devices
from rtaudio.control.parameter import Parameter
from rtaudio.control.session import Session
from rtaudio.control.set_list import SetList, find_playable
from rtaudio.effects.chain import Chain
from rtaudio.effects.delay import Delay
from rtaudio.effects.gain import Gain
from rtaudio.effects.limiter import Limiter
from rtaudio.effects.parallel import Branch, Parallel
from rtaudio.errors import ParameterError, PresetError, RtaudioError, UsageError
from rtaudio.live.host import Host
from rtaudio.live.stats import LiveParameter
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_cabinets, shipped_models

RATE = 48000


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """What compares A and B is compiled before a sound plays that would end meanwhile."""
    loudness_lufs(Gain(), {}, np.zeros(480, np.float32), RATE, 1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def session_of(effect, **options):
    return Session(Host(effect, "clock", RATE, 64, **options))


def nested():
    inside = Parallel(Branch(Gain(name="left"), pan=-1), Branch(Delay(), Gain(name="right")))
    return Chain(Gain(name="in"), inside, Limiter(), name="wide")


# -- turning ---------------------------------------------------------------------------------------


@given(
    st.sampled_from(["dB", "Hz", "ms", "LUFS", ""]),
    st.one_of(st.just(0.0), st.floats(1e-2, 1e4)),
    st.floats(1e-2, 1e4),
    st.floats(0, 1),
)
def test_positions_and_values_are_inverse(unit, low, width, position):
    knob = Parameter.of("a.b", LiveParameter(low, low, low + width, unit, low))
    value = knob.value_at(position)
    assert low <= value <= low + width
    assert knob.position(value) == pytest.approx(position, abs=1e-6)
    assert knob.position(low) == 0.0
    assert knob.position(low + width) == 1.0
    assert (knob.scale == "log") == (unit in ("Hz", "ms") and low > 0)


def test_every_parameter_of_the_shipped_presets_has_a_default_in_its_range():
    for name in ("crunch-stereo", "klone", "denoise"):
        session = session_of(load_preset(name))
        for knob in session.parameters().values():
            assert knob.low <= knob.default <= knob.high
            assert knob.low <= knob.value <= knob.high
            assert (knob.scale == "switch") == knob.name.endswith((".bypass", ".compare"))
        assert f"{name}.bypass" in session.parameters()


def test_changes_reach_everybody_with_their_source():
    session, heard = session_of(nested()), []
    end = session.subscribe(heard.append)
    session.set("in.gain_db", 3.0, source="page")
    session.set("in.gain_db", 3.0, source="page")
    session.muted = True
    session.comparing = True
    session.say("hello")
    session.reset("in.gain_db")
    end()
    session.set("in.gain_db", 5.0)
    assert [(c.kind, c.name, c.value, c.source) for c in heard] == [
        ("parameter", "in.gain_db", 3.0, "page"),
        ("switch", "muted", True, None),
        ("switch", "comparing", True, None),
        ("parameter", "wide.bypass", 1.0, None),
        ("message", "", "hello", None),
        ("parameter", "in.gain_db", 0.0, None),
    ]
    for name, value in (("in.gain_db", 99.0), ("in.gian", 0.0), ("nobody.gain_db", 0.0)):
        with pytest.raises(ParameterError):
            session.set(name, value)
    with pytest.raises(UsageError, match="--midi"):
        session.learn("in.gain_db")


def test_a_gesture_is_one_step_and_a_pause_begins_another(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("rtaudio.control.turning.time.monotonic", lambda: now[0])
    session = session_of(nested())
    for value, at in ((1, 0.0), (2, 0.5), (3, 1.4), (6, 2.5)):
        now[0] = at
        session.set("in.gain_db", value)
    session.set("wide.mix", 0.5)
    undone = []
    while words := session.undo():
        undone.append((words, session.host.get("in.gain_db"), session.host.get("wide.mix")))
    assert undone == [
        ("wide.mix = 0.5", 6, 1),
        ("in.gain_db = 6 dB", 3, 1),
        ("in.gain_db = 3 dB", 0, 1),
    ]
    assert [session.redo(), session.redo()] == ["in.gain_db = 3 dB", "in.gain_db = 6 dB"]
    session.set("in.gain_db", 1.0)
    assert session.redo() is None


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("set"),
            st.sampled_from(["in.gain_db", "wide.mix", "left.gain_db"]),
            st.integers(0, 8).map(lambda n: n / 8),
        ),
        st.tuples(st.just("add"), st.sampled_from(["gain", "delay"]), st.integers(0, 8)),
        st.tuples(st.just("remove"), st.integers(0, 8)),
        st.tuples(st.just("move"), st.integers(0, 8), st.integers(0, 8)),
        st.tuples(st.just("side")),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_everything_can_be_undone_and_done_again(steps):
    session = session_of(nested())
    states = [(repr(session.host.effect), session.side)]
    for step in steps:
        try:
            if step[0] == "side":
                session.side = "B" if session.side == "A" else "A"
            else:
                getattr(session, step[0])(*step[1:])
        except RtaudioError:
            continue
        if session._history._done:
            session._history._done[-1].key = None  # no gestures
        if len(session._history._done) == len(states):
            states.append((repr(session.host.effect), session.side))
    for expected in reversed(states[:-1]):
        assert session.undo()
        assert (repr(session.host.effect), session.side) == expected
    assert session.undo() is None
    for expected in states[1:]:
        assert session.redo()
        assert (repr(session.host.effect), session.side) == expected


# -- the chain -------------------------------------------------------------------------------------


def test_the_chain_is_told_with_depth_and_edited_without_a_gap(tmp_path):
    record = tmp_path / "record.wav"
    ones = np.full(4 * RATE, 0.5, np.float32)
    session = session_of(Chain(Gain(name="in"), Limiter()), source=ones, record=record)
    assert [(e.name, e.kind, e.depth) for e in session_of(nested()).chain()] == [
        ("in", "gain", 0), ("parallel", "parallel", 0), ("branch", "branch", 1),
        ("left", "gain", 2), ("branch-2", "branch", 1), ("delay", "delay", 2),
        ("right", "gain", 2), ("limiter", "limiter", 0),
    ]  # fmt: skip
    with session.host as host:
        host.wait(0.1)
        for edit in (
            lambda: session.add("gain", 1),
            lambda: session.move(0, 1),
            lambda: session.remove(0),
            session.undo,
            session.undo,
            session.redo,
        ):
            edit()
            host.wait(0.1)
    sound = soundfile.read(record)[0]
    assert np.abs(sound[4800:-4800] - 0.5).max() < 1e-6


def test_files_become_effects_and_others_are_refused(tmp_path):
    session = session_of(Chain(name="x"))
    session.add(shipped_models()["crunch"], 0)
    session.add(shipped_cabinets()["british-4x12"], 1)
    session.add("denoise", 2)
    assert [e.kind for e in session.chain()] == ["model", "cabinet", "denoise"]
    assert session.host.effect.effects[0].output == "normalized"
    (tmp_path / "damaged.nam").write_text("{")
    (tmp_path / "words.txt").write_text("hello")
    for what in (tmp_path / "damaged.nam", tmp_path / "words.txt", "cabinet", "nothing", ""):
        with pytest.raises((RtaudioError, OSError)):
            session.add(what, 0)
    for place in (-1, 9):
        with pytest.raises(ParameterError):
            session.remove(place)
    assert len(session.chain()) == 3


def test_any_of_what_runs_can_be_opened(tmp_path):
    session = session_of(Chain(Gain(), name="x"))
    for what, kinds in (
        ("bypass", []),
        (shipped_cabinets()["bass-4x10"], ["cabinet"]),
        (shipped_models()["denoise"], ["denoise"]),
    ):
        session.open(what)
        assert [e.kind for e in session.chain()] == kinds
        assert session.undo() is None
    with pytest.raises(FileNotFoundError):
        session.open("no-such-preset")
    (tmp_path / "bad.yaml").write_text("chain: [nothing]\n")
    with pytest.raises(PresetError):
        session.open(tmp_path / "bad.yaml")
    assert [e.kind for e in session.chain()] == ["denoise"]


# -- A and B ---------------------------------------------------------------------------------------


def test_a_and_b_are_equally_loud(tmp_path):
    rng = np.random.default_rng(0)
    noise = (0.02 * rng.standard_normal(20 * RATE)).astype(np.float32)
    session = session_of(Chain(Gain(name="in"), Limiter(), name="x"), source=noise)
    with session.host as host:
        host.wait(1.2)
        session.side = "B"
        session.set("in.gain_db", 12.0)
        session.side = "A"
        assert host.trim_db == pytest.approx(0.0)
        session.side = "B"
        assert host.trim_db == pytest.approx(-12.0, abs=0.3)
        session.undo()
        assert (session.side, host.trim_db) == ("A", pytest.approx(0.0))
        session.redo()
        assert host.trim_db == pytest.approx(-12.0, abs=0.3)
        session.open("bypass")
        assert (session.side, host.trim_db) == ("A", 0.0)


def test_one_side_that_two_ask_for_is_the_one_that_plays(monkeypatch):
    session, both = session_of(Chain(Gain(name="in"), name="x")), threading.Barrier(2)
    monkeypatch.setattr(session, "_compare_sides", lambda: both.wait(20))
    with session.host:
        threads = [threading.Thread(target=setattr, args=[session, "side", "B"]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.side == "B"


def test_the_switch_and_the_values_are_those_of_one_chain():
    session = session_of(Chain(Gain(name="in"), name="x"))
    done, seen = threading.Event(), []
    reader = threading.Thread(target=lambda: (seen.append(session.comparing), done.set()))
    with session.host as host:
        with session._lock:
            reader.start()
            host.swap(Chain(Gain(name="in"), name="other"))
            assert not done.wait(0.2)  # it waits for the change to be over
        reader.join()
    assert seen == [False]


def test_a_program_of_another_host_is_refused():
    small = Host(Chain(), "clock", RATE, 64)
    for large in (Host(Chain(), "clock", RATE, 128), Host(Chain(), "clock", 44100, 64)):
        chain = Chain(Gain())
        with pytest.raises(RtaudioError, match="prepared by another host"):
            small.swap(chain, large.prepare(chain))


def test_loudness_is_measured_beside_what_plays():
    chain = Chain(Gain(name="in", gain_db=-6.0))
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    there = loudness_lufs(chain, {"in.gain_db": 0.0}, noise, RATE, 2)
    assert there - loudness_lufs(chain, {}, noise, RATE, 2) == pytest.approx(6.0, abs=0.3)
    assert chain["in"].gain_db == -6.0
    assert loudness_lufs(chain, {}, noise[:100], RATE, 1) == -np.inf


# -- set lists -------------------------------------------------------------------------------------


def test_a_set_list_is_built_beforehand_and_names_what_is_missing(tmp_path):
    for name, gain_db in (("a", -6), ("b", -12)):
        text = f"name: {name}\nchain: [{{gain: {{name: in, gain_db: {gain_db}}}}}]\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "bad.yaml").write_text("chain: [nothing]\n")
    gig = tmp_path / "gig.yaml"
    gig.write_text("presets: [a, b.yaml, gone, bad.yaml, bypass]\n")
    (user_presets_folder()).mkdir(parents=True)
    (tmp_path / "a.yaml").rename(user_presets_folder() / "a.yaml")
    sets = user_presets_folder().parent / "sets"
    sets.mkdir()
    (sets / "tour.yaml").write_text("presets: [a]\n")
    assert find_playable("tour") == sets / "tour.yaml"
    presets = SetList(gig)
    assert presets.names == ["a", "b", "gone", "bad", "bypass"]
    tone = np.full(6 * RATE, 0.5, np.float32)
    record = tmp_path / "record.wav"
    host = Host(load_preset(presets.path), "clock", RATE, 64, source=tone, record=record)
    loaded = []

    def load(path):
        loaded.append(path.stem)
        return load_preset(path)

    session = Session(host, presets, load)
    assert sorted(loaded) == ["b", "bad", "bypass"]  # a plays already
    assert "gone" in session.said
    assert "bad.yaml cannot be played" in session.said
    del loaded[:]
    with host:
        names = []
        for act in (1, 3, 1, 2, 0):
            session.choose_preset(act)
            session.set("in.gain_db", -3.0) if session.name == "b" else None
            names.append((session.name, presets.place))
            host.wait(0.15)
        assert names == [("b", 1), ("b", 3), ("b", 1), ("b", 1), ("a", 0)]
        session.choose_preset(1)
        assert host.get("in.gain_db") == -12.0  # as in the file, whatever was dialled in
    assert set(loaded) <= {"bad"}  # all others were built beforehand
    sound = soundfile.read(record)[0]
    middle = np.abs(sound[4800 : len(sound) - 4800])
    assert middle.min() > 0.12
    assert np.abs(np.diff(sound[4800:-4800])).max() < 1e-3


def test_a_set_list_follows_a_preset_that_is_saved_or_renamed():
    user_presets_folder().mkdir(parents=True)
    for name in ("a", "b"):
        text = f"name: {name}\nchain: [{{gain: {{name: in, gain_db: -6}}}}]\n"
        (user_presets_folder() / f"{name}.yaml").write_text(text)
    gig = user_presets_folder().parent / "gig.yaml"
    gig.write_text("presets: [a, b]\n")
    presets = SetList(gig)
    session = Session(Host(load_preset(presets.path), "clock", RATE, 64), presets)
    with session.host as host:
        session.set("in.gain_db", 3.0)
        session.save_as("c")
        session.choose_preset(1)
        for thread in threading.enumerate():
            if thread.name == "stock":
                thread.join()
        session.choose_preset(0)
        assert host.get("in.gain_db") == -6.0  # as in the file of a
        session.rename("a", "z")
        assert (presets.names, presets.place) == (["z", "b"], 0)
        session.step_preset(1)
        assert session.name == "b"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("presets: [gone]\n", "none of its presets is there"),
        ("presets: []\n", "not a list of at least one"),
        ("presets: [3]\n", "3 is not the name or file of a preset"),
        ("presets: [a]\nprestes: 1\n", "unknown key 'prestes'; did you mean 'presets'?"),
        ("presets: [a\n", "not valid YAML"),
    ],
)
def test_a_faulty_set_list_is_one_line(text, fault, tmp_path):
    (tmp_path / "gig.yaml").write_text(text)
    with pytest.raises(PresetError) as error:
        SetList(tmp_path / "gig.yaml")
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


# -- saving ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Solo", "Solo"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("a/b\\c:d", "a-b-c-d"),
        ("..", None),
        ("", None),
        ("crunch", None),
        ("x" * 500, "x" * 80),
        ("\x1b[31mred\n", "-[31mred-".replace("[", "-")),
    ],
)
def test_names_stay_in_the_folder_of_the_user(name, stem):
    session = session_of(Chain(Gain(gain_db=3), name="x"))
    if stem is None:
        with pytest.raises(ParameterError):
            session.save_as(name)
        return
    path = session.save_as(name)
    assert path == user_presets_folder() / f"{stem}.yaml"
    assert load_preset(path).effects[0].gain_db == 3
    with pytest.raises(FileExistsError):
        session.save_as(name)
    session.set("gain.gain_db", 5.0)
    assert session.save_as(name, replace=True) == path
    assert load_preset(path).effects[0].gain_db == 5


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    user_presets_folder().mkdir(parents=True)
    (tmp_path / "target.yaml").write_text("untouched")
    (user_presets_folder() / "link.yaml").symlink_to(tmp_path / "target.yaml")
    with pytest.raises(FileExistsError):
        session_of(Chain(Gain())).save_as("link", replace=True)
    assert (tmp_path / "target.yaml").read_text() == "untouched"


def test_a_preset_of_the_user_is_renamed():
    session = session_of(Chain(Gain(gain_db=3), name="x"))
    session.save_as("one")
    session.save_as("two")
    path = session.rename("one", "three")
    assert list(user_presets()) == ["three", "two"]
    assert load_preset(path).name == "three"
    assert session.rename("two", "four") == session.playing
    for name, new, error in (
        ("gone", "x", FileNotFoundError),
        ("crunch", "x", FileNotFoundError),
        ("three", "four", FileExistsError),
        ("three", "clean", ParameterError),
    ):
        with pytest.raises(error):
            session.rename(name, new)
    assert list(user_presets()) == ["four", "three"]


COMMENTED = """name: mine   # my sound
chain:
  # before the amp
  - gain: {name: in, gain_db: 3}   # hot
  - delay:   # echo
      time_ms: 300
  # the end
  - limiter
"""


@pytest.mark.parametrize("text", [COMMENTED, "chain: [{gain: {name: in}}, delay, limiter]\n"])
def test_comments_stay_with_their_effects_through_edits(text):
    user_presets_folder().mkdir(parents=True)
    path = user_presets_folder() / "mine.yaml"
    path.write_text(text)
    session = Session(Host(load_preset(path), "clock", RATE, 64), SetList(path))
    session.set("in.gain_db", 6.0)
    session.move(1, 0)
    session.add("tilt", 1)
    session.remove(3)
    saved = session.save()
    assert load_preset(saved) == Chain(
        Delay(time_ms=300) if text is COMMENTED else Delay(),
        session.host.effect.effects[1],
        Gain(6.0, name="in"),
        name=saved.stem,
    )
    if text is COMMENTED:
        lines = saved.read_text().splitlines()
        assert lines == [
            "name: mine-2   # my sound", "chain:", "  - delay:   # echo", "      time_ms: 300",
            "  - tilt", "  # before the amp", "  - gain: {name: in, gain_db: 6.0}   # hot",
        ]  # fmt: skip


# -- reading ---------------------------------------------------------------------------------------


def test_no_reader_takes_a_peak_from_another(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("rtaudio.live.meters.time.monotonic", lambda: now[0])
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    session = session_of(Chain(Gain(gain_db=-6.0)), source=click)
    with session.host as host:
        host.wait(0.3)
        for at in (0.0, 0.05, 0.1, 0.15, 0.19):
            now[0] = at
            for _ in range(3):
                levels = session.read().levels
                assert levels.in_peak_db[0] == pytest.approx(-6.02, abs=0.01)
                assert levels.out_peak_db[0] <= -12.0
        assert host.stats().in_peak[0] == pytest.approx(0.5)
        now[0] = 0.2
        session.read()
        assert session.read().levels.in_peak_db[0] == -120.0
        assert host.stats().in_peak[0] == 0.0


def test_rms_is_that_of_the_samples():
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    session = session_of(Chain(Gain(gain_db=-6.0)), source=sine)
    with session.host as host:
        host.wait(0.5)
        levels = session.read().levels
    assert levels.in_rms_db[0] == pytest.approx(-9.03, abs=0.1)
    assert levels.out_rms_db[0] == pytest.approx(-15.05, abs=0.5)  # less the fade-in


def test_devices_keep_the_chain_that_they_are_edited_from():
    chain = nested()
    before = repr(chain)
    session = session_of(chain)
    session.move(3, 5)  # from one branch into the other
    session.remove(2)
    assert repr(chain) == before
    assert [d.effect.name for d in devices(session.host.effect)][:2] == ["in", ""]
