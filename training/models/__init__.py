"""The trainable nets, one module each; `NETS` maps the type in a configuration to its class."""

from export.streaming import StreamingModule
from training.models.lstm import LstmAmp

NETS: dict[str, type[StreamingModule]] = {"lstm": LstmAmp}
