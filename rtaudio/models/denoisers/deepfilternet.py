r"""DeepFilterNet3: gains over bands, and a filter over frames for the lower bins, at 48 kHz.

It is published as three graphs that take a whole recording: an encoder, a decoder of gains and one
of filter coefficients. Their recurrent nodes start at constants and their convolutions pad time, so
they cannot take frame by frame. Here their weights are read, and one graph is written that takes
one frame, with all inner memory as state::

    frame T --> band levels, bins divided by their running level --> encoder --> decoders
       |                                                                           |
       +--> state.spectra, frame t = T - look-ahead:    gains of the upper bins <--+
                           frames t - 2 .. t + 2:  filter of the lower bins <------+

The samples are those of ``enhance`` of its Python package without the gate by local
signal-to-noise ratio and without the post-filter, delayed by frame and look-ahead. ``enhance``
shifts the first frames out by the look-ahead, so the net never hears them; ``started`` holds its
state at zero for as long.

Schröter, Rosenkranz, Escalante-B., Maier: DeepFilterNet: perceptually motivated real-time speech
enhancement, Interspeech 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

from rtaudio.models.denoisers.deepfilternet_net import DeepFilterNetGraph
from rtaudio.models.denoisers.deepfilternet_settings import CONFIG, RATE_HZ, read_settings
from rtaudio.models.denoisers.family import Family, Part
from rtaudio.models.graph.file import GraphFile
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.models.graph.walk import GraphWalk

__all__ = ["DEEPFILTERNET3"]


def _build(files: Sequence[GraphFile]) -> FrameGraph:
    net = DeepFilterNetGraph(read_settings(files[0].path.with_name(CONFIG)))
    encoder, gain_decoder, filter_decoder = (GraphWalk(file) for file in files)
    scale = 2 * net.hop / net.n_fft**2
    spectrum = net.transform(net.frame(), net.window * scale, [2, net.bins])
    bands, bins, emb = net.encode(encoder, *net.features(spectrum))
    gains = net.gains(gain_decoder, bands, emb)
    coefficients = net.coefficients(filter_decoder, bins, emb)
    net.keep_hidden()
    enhanced = net.enhance(spectrum, gains, coefficients)
    net.overlap_add(net.inverse(enhanced, net.window * net.n_fft, pairs=False))
    return net


DEEPFILTERNET3 = Family(
    name="DeepFilterNet3",
    description="full-band speech denoiser by Hendrik Schröter and others",
    origin="Rikorose/DeepFilterNet",
    license="MIT or Apache-2.0, as its authors state it",
    rate_hz=RATE_HZ,
    parts=(
        Part("encoder", (("feat_erb", (1, 1, None, None)), ("feat_spec", (1, 2, None, None)))),
        Part("decoder of gains", (
            ("emb", (1, None, None)), ("e3", (1, None, None, None)), ("e2", (1, None, None, None)),
            ("e1", (1, None, None, None)), ("e0", (1, None, None, None)),
        )),
        Part("decoder of coefficients", (("emb", (1, None, None)), ("c0", (1, None, None, None)))),
    ),
    build=_build,
)  # fmt: skip
