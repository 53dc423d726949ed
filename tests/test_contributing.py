"""What the pages say is run: the effect in one file, Python blocks, presets, command lines."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import rtaudio as rt
import rtaudio.effects
from docs.generate import verbs, words
from rtaudio.audio.riff import riff
from rtaudio.audio.writer import write_audio
from rtaudio.effects.registry import effect_kinds
from rtaudio.errors import PresetError
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_presets

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(
        page.relative_to(ROOT).as_posix()
        for page in (ROOT / "docs").rglob("*.md")
        if page.parent.name != "generated"
    ),
]
FOREIGN = {
    "--address",
    "--cap-add",
    "--data-binary",
    "--generate",
    "--head",
    "--one-top-level",
    "--strip-components",
    "--ulimit",
    "--user",
}
"""Options of other programs that the pages name."""


def text_of(page):
    return (ROOT / page).read_text("utf-8")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def pages_with(language):
    return [page for page in PAGES if page != "CONTRIBUTING.md" and blocks(page, language)]


@pytest.fixture(scope="module")
def guitar():
    return riff(48000)[:24000]


@pytest.fixture
def folder(guitar, tmp_path, monkeypatch):
    """A working folder as a reader has it: the shipped presets, and some sound."""
    for name in ("presets", "models", "cabinets"):
        source = ROOT / "presets" / (name if name != "presets" else "")
        (tmp_path / name).symlink_to(source, target_is_directory=True)
    (tmp_path / "recordings").mkdir()
    for name in ("dry.wav", "recordings/take.wav"):
        write_audio(tmp_path / name, guitar, 48000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tremolo(tmp_path, monkeypatch):
    """Add the effect of CONTRIBUTING.md to the package, as a file, for one test."""
    (tmp_path / "tremolo.py").write_text(blocks("CONTRIBUTING.md", "python")[0], "utf-8")
    monkeypatch.setattr(rtaudio.effects, "__path__", [*rtaudio.effects.__path__, str(tmp_path)])
    effect_kinds.cache_clear()
    yield rt.Tremolo
    effect_kinds.cache_clear()
    sys.modules.pop("rtaudio.effects.tremolo", None)
    vars(rt).pop("Tremolo", None)


def test_an_effect_in_one_file_plays_in_python_and_in_presets(tremolo, tmp_path):
    dry = np.ones((2, 9600), np.float32)
    wet = tremolo(speed_hz=5.0, depth=1.0)(dry, 48000)
    swing = 0.5 + 0.5 * np.cos(2 * np.pi * 5.0 * np.arange(9600) / 48000)
    np.testing.assert_allclose(wet, [swing, swing], atol=1e-5)
    np.testing.assert_allclose(tremolo(depth=1.0)(dry, 48000, block=17), wet, atol=1e-6)

    preset = tmp_path / "preset.yaml"
    preset.write_text("chain: [tremolo: {depth: 1}]")
    assert load_preset(preset) == rt.Chain([tremolo(depth=1.0)])
    preset.write_text("chain: [tremolo: {depth: 2}]")
    with pytest.raises(PresetError, match=r"tremolo\.depth = 2 is out of range 0 \.\. 1"):
        load_preset(preset)


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs(page, folder, capsys):
    """The blocks of a page are one program, from the first to the last."""
    names = {}
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_the_presets_of_a_page_play(page, folder):
    for number, text in enumerate(blocks(page, "yaml")):
        assert "chain" in yaml.safe_load(text), "other YAML is no block of the language yaml"
        preset = folder / f"preset-{number}.yaml"
        preset.write_text(text, "utf-8")
        wet = load_preset(preset)(np.zeros(480, np.float32), 48000)
        assert wet.shape[-1] == 480


@pytest.mark.parametrize("kind", effect_kinds())
def test_every_parameter_stands_in_the_docstring(kind):
    cls = getattr(rt, kind.title().replace("_", ""))
    for name in cls.model_fields.keys() - {"name", "mix", "bypass"}:
        assert re.search(rf"\b{name}\b", cls.__doc__), name


def test_the_pages_name_every_shipped_preset():
    text = "".join(map(text_of, PAGES))
    for name in shipped_presets():
        assert f"`{name.removesuffix('-light')}`" in text


def command_lines(page):
    """Return the calls of the command in a page, each as a list of words."""
    lines = re.findall(
        r"`(rtaudio [a-z][^`]*)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    )
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[ &(])(rtaudio [a-z-].*)", line)
            lines += [found[1]] if found else []
    return [shlex.split(line.partition(" && ")[0], comments=True) for line in lines]


@pytest.mark.parametrize("page", [page for page in PAGES if command_lines(page)])
def test_the_command_lines_of_a_page_have_real_verbs_and_options(page):
    known = {name: words(command.callback) for name, command in verbs().items()}
    for line in command_lines(page):
        in_group = " ".join(line[1:3]) in known
        verb, given = " ".join(line[1:3]) if in_group else line[1], line[2 + in_group :]
        assert verb in known, line
        options = {name for word in known[verb] for name in word.names if word.is_option}
        for word in given:
            if word.startswith("--"):
                assert word.partition("=")[0] in options | {"--help"}, line


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_real_options(page):
    options = {
        name for verb in verbs().values() for word in words(verb.callback) for name in word.names
    }
    text = re.sub(r"<!--.*?-->|^.*python -m .*$|[|:-]{3,}", "", text_of(page), flags=re.MULTILINE)
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]*[a-z]\b", text))
    assert named <= options | FOREIGN | {"--help", "--json", "--debug", "--version"}


def test_the_configuration_of_the_training_guide_is_understood(folder, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    config = pytest.importorskip("training.config", reason="needs the extra train")
    guitar = pytest.importorskip("training.guitar.config", reason="needs the extra train")
    text = re.findall(
        r'title="my-amp.yaml" }\n(.*?)^```', text_of("docs/guides/training.md"), re.S | re.M
    )
    (folder / "my-amp.yaml").write_text(text[0], "utf-8")
    (folder / "my-amp").mkdir()
    read = config.load_config(folder / "my-amp.yaml", guitar.GuitarConfig)
    assert read.net.arguments == {"hidden": 24}
