"""A page to listen with: versions of the same passage, switched while they play."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.analysis.speech import missing_package
from rtaudio.atomic import replacing

PEAK = 0.99
"""A passage with a version that is louder is turned down as a whole."""


class Version(NamedTuple):
    """One version of a passage.

    Attributes
    ----------
    name, note
        What its button says, in two lines.
    sound
        float ``[frames]``, full scale 1; all versions of a passage are aligned.
    row
        Heading of the row of buttons that it stands in, with its neighbours of the same heading.
    """

    name: str
    note: str
    sound: NDArray[np.float64]
    row: str = ""


class Passage(NamedTuple):
    """A recording in several versions, the original first.

    Attributes
    ----------
    title
        Its heading.
    rate_hz
        Sample rate of all versions.
    versions
        What can be switched to.
    """

    title: str
    rate_hz: int
    versions: Sequence[Version]


def check_listening_page(path: Path) -> None:
    """Refuse a page that could not be written, before minutes are spent on its sounds.

    Raises
    ------
    MetricsError
        jinja2 is not installed.
    OSError
        Its folder is missing, or it is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path.absolute().parent}: no such folder for the page")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; name an HTML file")
    if find_spec("jinja2") is None:
        raise missing_package("jinja2")


def write_listening_page(
    path: str | Path, title: str, about: str, passages: Sequence[Passage]
) -> None:
    """Write a self-contained page: it loads nothing, and holds the sound as FLAC of 16 bits.

    All versions of a passage play together, and one of them is heard. So a switch keeps the
    position to the sample, and leaves no gap.

    Parameters
    ----------
    path
        The HTML file; an existing one is replaced.
    title, about
        Heading, and the text under it.
    passages
        What to listen to.

    Raises
    ------
    MetricsError
        jinja2 is not installed.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> versions = [Version("original", "", np.zeros(4800)), Version("6", "kbit/s", np.ones(4800))]
    >>> write_listening_page("page.html", "Codecs", "Listen.", [Passage("a", 48000, versions)])
    >>> "https:" in Path("page.html").read_text()
    False
    """
    try:
        import jinja2
    except ImportError:
        raise missing_package("jinja2") from None
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    ).get_template("listening_page.html.jinja")
    text = template.render(
        title=title,
        about=about,
        passages=[
            {"title": passage.title, "rows": _rows(_embedded(passage))} for passage in passages
        ],
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _rows(versions: Iterator[dict[str, str]]) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the versions by the headings of their rows."""
    return [(head, list(row)) for head, row in groupby(versions, key=itemgetter("row"))]


def _embedded(passage: Passage) -> Iterator[dict[str, str]]:
    """Yield the versions with their sound as base64."""
    peak = max(float(np.abs(version.sound).max(initial=0.0)) for version in passage.versions)
    gain = min(1.0, PEAK / peak) if peak else 1.0
    for version in passage.versions:
        file = io.BytesIO()
        soundfile.write(
            file, gain * version.sound, passage.rate_hz, format="FLAC", subtype="PCM_16"
        )
        sound = base64.b64encode(file.getvalue()).decode("ascii")
        yield {"name": version.name, "note": version.note, "sound": sound, "row": version.row}
