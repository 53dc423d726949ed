"""``rtaudio bench codec``: quality, bitrate and cost of codecs, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.view import terminal

if TYPE_CHECKING:
    from rich.progress import Progress

    from rtaudio.bench.codec import Coders
    from rtaudio.bench.codec_clips import CodecClip
    from rtaudio.bench.coder import Coder

SOUND_S = 3
"""Seconds that the codecs are timed on."""

QUICK_ROUNDS = 1

PAGE_CLIPS = 2
"""Recordings of each group that the page plays."""

BITS = {
    "payload_kbps": ("payload kbit/s", 2),
    "file_kbps": ("file kbit/s", 2),
    "payload_ratio": ("PCM / payload", 1),
    "file_ratio": ("PCM / file", 1),
}
SCORES = {
    "pesq": ("PESQ", 2),
    "visqol": ("ViSQOL", 2),
    "stoi": ("STOI", 3),
    "mel": ("mel", 2),
    "si_sdr_db": ("SI-SDR dB", 1),
}
"""Measure -> head of its column, and number of decimals."""

SIZES = {
    "kbps": ("kbit/s", 0),
    "rate_hz": ("Hz", 0),
    "packet_ms": ("packet ms", 0),
    "latency_ms": ("latency ms", 1),
    "weights": ("weights", 0),
    "encode_mmacs": ("encoder MMAC/s", 1),
    "decode_mmacs": ("decoder MMAC/s", 1),
    "memory_mb": ("memory MB", 0),
}
TIMES = {
    "encode_p50_us": ("encoder p50", 0),
    "encode_p99_us": ("p99", 0),
    "decode_p50_us": ("decoder p50", 0),
    "decode_p99_us": ("p99", 0),
    "real_time_factor": ("real-time factor", 4),
}

NOTES = (
    "Payload: the packets as they are sent; PCM: 16 bits at the rate of the recording.",
    "Stereo: ours has a third of the bits in the side; scores are means of left and right.",
    "ViSQOL: speech mode for speech, audio mode for music. Mel: seven windows, at 44.1 kHz.",
    "Losses: of packets of 20 ms, in bursts of 2; concealed as in a call, and by libopus.",
)


def bench_codec(
    data: Path | None,
    models: Sequence[Path] = (),
    *,
    quick: bool = False,
    jobs: int = 1,
    page: Path | None = None,
    json: bool = False,
) -> None:
    """Measure the quality, the bitrate and the cost of codecs, and print them.

    Parameters
    ----------
    data
        Folder of recordings.
    models
        Codecs: one of their files, or their common start. None given: the shipped ones.
    quick
        Use every sixth recording, and fewer rounds of timing.
    jobs
        Number of scoring processes.
    page
        Write a page to listen with into this file.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench.codec import find_coders, find_measures, scores, summary
    from rtaudio.bench.codec_clips import codec_clips
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.errors import MetricsError
    from rtaudio.shipped import shipped_codecs

    if data is None:
        raise MetricsError("no recordings to measure on; name their folder: --data or RTAUDIO_DATA")
    if page is not None:
        from rtaudio.view.listening_page import check_listening_page

        check_listening_page(page)
    clips = codec_clips(data, quick=quick)
    names = [str(path) for path in models or shipped_codecs().values()]
    if not names:
        raise MetricsError("no codec is shipped here; name one: --model FILE")
    coders, missing = find_coders(names)
    measures, lines = find_measures()
    for line in (*missing, *lines):
        terminal.remark(line)
    with terminal.progress(not json) as bars:
        costs = _measure_costs(coders.speech, clips[0], quick, bars)
        total = sum(len(coders.suited(clip)) for clip in clips)
        found = bars.track(
            scores(coders, clips, measures, jobs), total=total, description="quality"
        )
        rows = [row for part in found for row in part]
        if page is not None:
            _write_page(page, coders, clips, rows, bars)
    figures = summary(rows)
    if json:
        everything = {"codec": figures, "costs": costs, "recordings": rows}
        terminal.print_json({"machine": machine(), "quick": quick, **everything})
        return
    print(machine_line())
    for title, columns, table in codec_tables(figures, costs):
        terminal.print_table(title, columns, table)
    for note in NOTES:
        print(note)


def _measure_costs(
    coders: Sequence[Coder], clip: CodecClip, quick: bool, bars: Progress
) -> list[dict[str, Any]]:
    """Return the costs of each codec at its highest bitrate."""
    from rtaudio.bench.codec_costs import ROUNDS, measure_cost

    x, rate_hz = clip.read()
    x = x[: SOUND_S * rate_hz]
    highest = {coder.codec: coder for coder in coders}.values()  # bitrates rise
    rounds = QUICK_ROUNDS if quick else ROUNDS
    return [
        measure_cost(coder, x, rate_hz, rounds)
        for coder in bars.track(list(highest), description="costs")
    ]


def _write_page(
    path: Path,
    coders: Coders,
    clips: Sequence[CodecClip],
    rows: Sequence[dict[str, Any]],
    bars: Progress,
) -> None:
    """Write the page: the first recordings of each group, by all codecs with packets of 20 ms."""
    from rtaudio.bench.codec import LOSSY_MS, decoded
    from rtaudio.bench.codec_clips import GROUPS
    from rtaudio.view.listening_page import Passage, Version, write_listening_page

    heard = [
        clip
        for group in GROUPS
        if group != "stereo"  # the page plays mono
        for clip in [clip for clip in clips if clip.group == group][:PAGE_CLIPS]
    ]
    figures = {
        (row["codec"], row["kbps"], row["clip"]): row for row in rows if not row["loss_percent"]
    }
    passages = []
    for clip in bars.track(heard, description="page"):
        x, rate_hz = clip.read()
        versions = [Version("original", f"{rate_hz / 1000:g} kHz", x, "no codec")]
        for coder in coders.suited(clip):
            if coder.packet_ms == LOSSY_MS:
                row = figures[coder.codec, coder.kbps, clip.name]
                name = coder.codec.removesuffix(" 20 ms")
                sound = decoded(coder, clip)
                versions.append(Version(f"{coder.kbps:g} kbit/s", _note(row), sound, name))
        passages.append(Passage(f"{clip.name} ({GROUPS[clip.group].lower()})", rate_hz, versions))
    about = (
        "On each button: the bitrate in kbit/s as it is set; under it that of the packets, and a "
        "score of this passage."
    )
    write_listening_page(path, "Codecs side by side", about, passages)


def _note(row: dict[str, Any]) -> str:
    scored = [f"{SCORES[key][0]} {row[key]:.2f}" for key in ("pesq", "visqol", "mel") if key in row]
    return ", ".join([f"{row['payload_kbps']:.1f}", *scored[:1]])


def codec_tables(
    figures: Sequence[dict[str, Any]], costs: Sequence[dict[str, Any]]
) -> list[terminal.Table]:
    """Return the tables of ``bench codec``: title, column heads and rows of each.

    Parameters
    ----------
    figures
        Of `rtaudio.bench.codec.summary`.
    costs
        Of `rtaudio.bench.codec_costs.measure_cost`, for each codec.
    """
    from rtaudio.bench.codec_clips import GROUPS

    tables: list[terminal.Table] = []
    for group, title in GROUPS.items():
        rows = [row for row in figures if row["group"] == group]
        if rows:
            tables.append(_quality_table(f"{title}, {rows[0]['count']} recordings", rows))
            tables.append(_loss_table(f"{title}: packets lost", rows))
    tables.append(_cost_table("Size and latency", SIZES, costs))
    tables.append(_cost_table("Time per packet, one core: microseconds", TIMES, costs))
    return tables


def _quality_table(title: str, rows: Sequence[dict[str, Any]]) -> terminal.Table:
    whole = [row for row in rows if not row["loss_percent"]]
    shown = {key: column for key, column in (BITS | SCORES).items() if any(key in r for r in whole)}
    lines = [
        [_name(row), *(_figure(row.get(key), digits) for key, (_, digits) in shown.items())]
        for row in whole
    ]
    return title, ["", *(head for head, _ in shown.values())], lines


def _loss_table(title: str, rows: Sequence[dict[str, Any]]) -> terminal.Table:
    """Return the quality over the loss: PESQ and STOI of speech, the mel distance of music."""
    keys = [key for key in ("pesq", "stoi", "mel") if any(key in row for row in rows)][:2]
    losses = sorted({row["loss_percent"] for row in rows})
    by_codec: dict[str, dict[float, dict[str, Any]]] = {}
    for row in rows:
        by_codec.setdefault(_name(row), {})[row["loss_percent"]] = row
    lines = [
        [name, *(_figure(found[loss].get(key), SCORES[key][1]) for key in keys for loss in losses)]
        for name, found in by_codec.items()
        if len(found) == len(losses)
    ]
    heads = [f"{SCORES[key][0]}: {loss:g} %" for key in keys for loss in losses]
    return title, ["", *heads], lines


def _cost_table(
    title: str, columns: dict[str, tuple[str, int]], costs: Sequence[dict[str, Any]]
) -> terminal.Table:
    lines = [
        [row["codec"], *(_figure(row[key], digits) for key, (_, digits) in columns.items())]
        for row in costs
    ]
    return title, ["", *(head for head, _ in columns.values())], lines


def _name(row: dict[str, Any]) -> str:
    return f"{row['codec']}, {row['kbps']:g}"


def _figure(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"
