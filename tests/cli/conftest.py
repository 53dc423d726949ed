"""Sound files that are wrong in every way."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return a folder of sound files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    tone = 0.2 * np.sin(np.arange(4800) / 20.0)
    soundfile.write(folder / "mono.wav", tone, 48000, "PCM_16")
    soundfile.write(folder / "stereo.flac", np.stack([tone, -tone], 1), 44100, "PCM_24")
    soundfile.write(folder / "float.wav", 8 * tone, 48000, "FLOAT")
    soundfile.write(folder / "seven.wav", np.zeros((100, 7)), 48000)
    soundfile.write(folder / "slow.wav", tone, 4000)
    soundfile.write(folder / "empty.wav", np.zeros(0), 48000)
    soundfile.write(folder / "nan.wav", np.full(100, np.nan), 48000, "FLOAT")
    (folder / "zero.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is not a sound")
    cut = (folder / "stereo.flac").read_bytes()
    (folder / "cut.flac").write_bytes(cut[: len(cut) // 2])
    (folder / "bad.yaml").write_text("chain:\n  - gain: {gain_db: 400}\n")
    (folder / "key.yaml").write_text("chain:\n  - gain: {gain: 4}\n")
    (folder / "effect.yaml").write_text("chain:\n  - gian\n")
    (folder / "louder.yaml").write_text("chain:\n  - gain: {gain_db: 20}\n")
    (folder / "model.yaml").write_text("chain:\n  - model: {file: text.wav}\n")
    return folder
