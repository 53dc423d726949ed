"""Play a third-party model, spread in stereo, and keep the chain as a preset.

Any model file will do; its cabinet comes from two impulse responses, one on each side.

    python examples/stereo_chain.py my-amp.nam
    python examples/stereo_chain.py                    # a shipped model
"""

from __future__ import annotations

import argparse
from pathlib import Path

import rtaudio as rt
from rtaudio.audio.riff import riff
from rtaudio.audio.writer import write_audio
from rtaudio.shipped import shipped_cabinets, shipped_models


def main() -> None:
    """Build a chain with two branches, render with it, and save it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, nargs="?", help=".nam, .aidax, .json or .onnx")
    parser.add_argument("--target", type=Path, default=Path("stereo.wav"))
    given = parser.parse_args()

    amp = rt.Model(given.model or shipped_models()["crunch"], name="amp", output="normalized")
    knobs = [parameter.name for parameter in amp.card.parameters]
    print(f"{amp.card.name}: {amp.card.rate_hz} Hz, knobs: {', '.join(knobs) or 'none'}")
    cabinets = shipped_cabinets()
    left = rt.Branch([rt.Cabinet(cabinets["british-4x12"])], pan=-0.8)
    right = rt.Branch([rt.Cabinet(cabinets["american-1x12"])], pan=0.8, gain_db=-1.0)
    chain = rt.Chain(
        [rt.NoiseGate(threshold_db=-60.0), amp, rt.Parallel([left, right]), rt.Limiter()],
        name="wide",
    )
    wet = chain(riff(48000)[: 2 * 48000], 48000)
    write_audio(given.target, wet, 48000)
    preset = given.target.with_suffix(".yaml")
    rt.save_preset(chain, preset, "An amp into two cabinets.")
    assert rt.load_preset(preset)(riff(48000)[:4800], 48000).shape == (2, 4800)
    print(f"{given.target}: {wet.shape[0]} channels; play it live: rtaudio run {preset}")


if __name__ == "__main__":
    main()
