"""The shipped cabinets are what the command makes, and sound like what it describes."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from training.guitar.cabinets import CABINETS, FOLDER, RATE_HZ, magnitude, write


def test_the_shipped_files_are_what_the_command_makes(tmp_path):
    paths = write(tmp_path)
    assert {p.name for p in paths} == {p.name for p in FOLDER.glob("*.wav")}
    for path in paths:
        made, rate = soundfile.read(path)
        shipped, shipped_rate = soundfile.read(FOLDER / path.name)
        assert rate == shipped_rate == RATE_HZ
        # one step of 24 bits: the transform may round differently on another machine
        np.testing.assert_allclose(shipped, made, rtol=0, atol=2.0**-22)


@pytest.mark.parametrize("name", sorted(CABINETS))
def test_a_response_has_the_described_spectrum(name):
    taps, _ = soundfile.read(FOLDER / f"{name}.wav")
    frequency = np.geomspace(70.0, 10000.0, 200)
    waves = np.exp(-2j * np.pi * np.outer(frequency, np.arange(len(taps))) / RATE_HZ)
    error_db = 20 * np.log10(np.abs(waves @ taps) / magnitude(CABINETS[name], frequency))
    assert np.ptp(error_db) < 1.0
    assert np.argmax(np.abs(taps)) < 0.001 * RATE_HZ
