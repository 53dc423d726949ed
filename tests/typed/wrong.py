"""Wrong programs: a type checker finds an error in every line marked so, and nowhere else."""

from __future__ import annotations

import numpy as np

import rtaudio as rt

x = np.zeros(480, np.float32)

rt.Gain("loud")  # error
rt.Gain(gian_db=6)  # error
rt.Gain(6, 7)  # error
rt.Limiter(lookahead_ms="long")  # error
rt.Model()  # error
rt.Model("amp.nam", output="loud")  # error
rt.Cabinet("cab.wav", volume=3)  # error
rt.Chain([1, 2])  # error
rt.Chain(rt.Gain(), 3)  # error
rt.Parallel(rt.Gain())  # error
rt.Branch(rt.Gain(), panning=1)  # error
rt.Chain(rt.Gain())(x)  # error
rt.Chain(rt.Gain()).append("gain")  # error
rt.Gain().stream()  # error
rt.Gian()  # error
rt.Gain().gian_db  # error
rt.Gain().model_dump()  # error
rt.Host(3)  # error
level: str = rt.Gain().gain_db  # error
wet: list[float] = rt.Gain()(x, 48000)  # error
rt.Gain(6)
