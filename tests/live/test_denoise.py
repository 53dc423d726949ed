"""The denoiser on JACK's dummy driver, beside a busy Python thread, at other rates and blocks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.audio.writer import write_audio
from rtaudio.preset.load import load_preset

pytestmark = pytest.mark.jack

PLAY = """
import json, sys, threading
import soundfile
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset

options = json.loads(sys.argv[1])
source = soundfile.read(options["source"], dtype="float32")[0]
def burn():
    while True:
        sum(range(1000))
host = Host(load_preset(options["preset"]), "system", options["rate"], options["block"],
            source=source, record=options["record"], out_channels=[1])
with host:
    threading.Thread(target=burn, daemon=True).start()
    host.wait(100.0)
    stats = host.stats()
print(json.dumps({"blocks": stats.blocks, "missed": stats.missed, "late": stats.latency_samples,
                  "error": host.error, "gap_us": stats.gap_us.p50}), flush=True)
"""


@pytest.mark.parametrize(
    ("preset", "rate", "block"),
    [("denoise-low-latency", 48000, 32), ("denoise", 44100, 480), ("denoise", 96000, 2048)],
)
def test_it_plays_what_it_renders_as_late_as_it_says(jack, tmp_path, preset, rate, block):
    """Inline or in its worker, resampled or not: the recorded sound is the rendered one."""
    server = jack(block, rate)
    random = np.random.default_rng(0)
    time = np.arange(2 * rate) / rate
    voice = np.sin(2 * np.pi * 150.0 * time + 3.0 * np.sin(2 * np.pi * 3.0 * time))
    x = 0.3 * voice * np.hanning(time.size) + 0.02 * random.standard_normal(time.size)
    x = x.astype(np.float32)
    write_audio(tmp_path / "noisy.wav", x[None], rate)
    record = tmp_path / "heard.wav"
    options = {"preset": preset, "rate": rate, "block": block, "record": str(record),
               "source": str(tmp_path / "noisy.wav")}  # fmt: skip
    process = server.script(PLAY, json.dumps(options))
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    stats = json.loads(out.splitlines()[-1])
    assert stats["error"] is None
    assert stats["gap_us"] == pytest.approx(1e6 * block / rate, rel=0.1)
    assert stats["missed"] < 0.1 * stats["blocks"]
    heard = soundfile.read(record, dtype="float32")[0]
    wanted = load_preset(preset)(x, rate)
    # the first chunks of a start that the machine was slow with are bridged
    part = slice(rate // 2, 3 * rate // 2)
    late = heard[stats["late"] :][part]
    assert np.mean(np.abs(late - wanted[part]) < 1e-5) > 0.8
    assert np.abs(wanted[part]).max() > 0.01
