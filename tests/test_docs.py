"""The reference that is read from the code is complete, and the pages hold together.

The site itself is built, strictly, by `make docs`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
import yaml

from benchmarks import figures
from docs import check, generate
from docs.docstrings import apart, markdown
from rtaudio.cli import app
from rtaudio.effects.registry import class_name, effect_class, effect_kinds
from rtaudio.preset.reader import word_of
from rtaudio.shipped import shipped_presets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "generated"]


def sections(text):
    """Return heading -> text of the generated page."""
    parts = re.split(r"^## (\S+).*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def effects():
    return sections(generate.effects())


@pytest.mark.parametrize("kind", effect_kinds())
def test_every_effect_has_a_section_with_every_parameter(effects, kind):
    text, cls = effects[class_name(kind)], effect_class(kind)
    assert f"`{kind}`" in text
    assert ":class:" not in text
    for name in generate.own_fields(cls):
        [row] = re.findall(rf"^\| `{name}` \|(.*)\|$", text, re.MULTILINE)
        reach, default, live, meaning = (cell.strip() for cell in row.split(" | "))
        assert default
        assert meaning
        field = cls.model_fields[name]
        if live == "yes" and field.annotation is float:
            low, high = (
                next(getattr(m, e) for m in field.metadata if hasattr(m, e)) for e in ("ge", "le")
            )
            assert reach.startswith(f"{low:g} .. {high:g}")
            assert reach.endswith(field.json_schema_extra["unit"])
            assert float(default) == field.default


def test_live_parameters_are_marked(effects):
    for kind in effect_kinds():
        for name in effect_class(kind).live_parameters():
            assert re.search(
                rf"^\| `{name}` \|.*\| yes \|", effects[class_name(kind)], re.MULTILINE
            )


def test_every_effect_has_its_keys_in_presets():
    text = generate.preset_keys()
    for kind in effect_kinds():
        [row] = [line for line in text.splitlines() if line.startswith(f"| [`{kind}`]")]
        for key in effect_class(kind).model_fields.keys() - {"name", "mix", "bypass"}:
            assert f"`{word_of(key)}`" in row
    for name in shipped_presets():
        assert f"| `{name}` |" in generate.shipped()


def test_every_verb_has_a_section_with_every_argument_and_option():
    written = sections(generate.command_line())
    commands = typer.main.get_command(app).commands
    assert set(written) == set(commands)
    for verb, command in commands.items():
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                for name in parameter.opts:
                    assert re.search(rf"^\| .*`{name}`.* \|", written[verb], re.MULTILINE), name
                assert parameter.help.replace("|", "\\|") in written[verb]
                if parameter.default not in (None, False):
                    default = getattr(parameter.default, "value", parameter.default)
                    shown = f"{default:g}" if isinstance(default, float) else default
                    assert f"`{shown}`" in written[verb]


def test_every_error_stands_in_the_tree():
    text = generate.errors()
    for cls in generate.error_classes():
        assert f"`{cls.__name__}` | `{cls.__bases__[0].__name__}` |" in text


def test_every_generated_part_is_included_by_a_page():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for name in generate.PARTS:
        assert f'--8<-- "generated/{name}.md"' in text


def test_every_page_is_in_the_navigation():
    def leaves(nav):
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from [item] if isinstance(item, str) else leaves(item)

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert sorted(leaves(nav)) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.name
)
def test_links_and_pictures_of_a_page_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_readme_is_short():
    assert (ROOT / "README.md").read_text("utf-8").count("\n") <= 200


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda p: p.name)
def test_the_published_figures_are_those_that_were_measured(page):
    data = json.loads(figures.DATA.read_text("utf-8"))
    text = page.read_text("utf-8")
    assert figures.written(text, data) == text
    for name in re.findall(r"<!-- ([a-z-]+) -->", text):
        assert name in data.keys() | {"highlights"}


def test_docstrings_become_markdown():
    assert markdown("A :class:`~rtaudio.Chain` of :mod:`rtaudio.x`.") == (
        "A [`Chain`][rtaudio.Chain] of `rtaudio.x`."
    )
    assert (
        markdown("One::\n\n    drawing\n\n::\n\n    more") == "One:\n\n    drawing\n\n\n\n    more"
    )
    text = "Do.\n\nParameters\n----------\na, b\n    Both.\nc\n    One.\n\n"
    text += "Returns\n-------\nd, e\n    Two."
    assert apart(text) == text.replace("a, b\n    Both.", "a\n    Both.\nb\n    Both.")


def test_a_site_with_a_broken_link_or_foreign_script_is_refused(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#here">b</a><a href="#top">x</a><h1 id="top">')
    (tmp_path / "b.html").write_text('<p id="here"><a href="https://example.org/">elsewhere</a>')
    assert check.faults(tmp_path) == []
    (tmp_path / "b.html").write_text('<img src="no.png"><script src="https://example.org/x.js">')
    assert check.faults(tmp_path) == [
        "a.html: b.html#here: no such place in the page",
        "b.html: no.png: no such file",
        "b.html: https://example.org/x.js: is loaded from elsewhere",
    ]
    (tmp_path / "b.html").write_text('<p id="here"><a data-md-component="source" href="#here">')
    assert check.faults(tmp_path) == [
        "b.html: repo_url asks GitHub for the stars of the repository",
    ]
