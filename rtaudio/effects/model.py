"""Placeholder until the effect lands."""
from rtaudio.effects.base import Effect
class Model(Effect):
    pass
