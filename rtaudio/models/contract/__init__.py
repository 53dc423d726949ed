"""The streaming contract, version 1: the definition of a model file, and the one check of it.

A model file is an ONNX graph that a host calls once per block. All memory is an input and an output
of the graph, so the host owns it::

    audio   [1, C_in, N]  ----+                +---->  audio_out  [1, C_out, N]
    params  [1, P]        ----+---  graph  ----+
    state.k [...]         ----+                +---->  next.k     [...]   fed back as state.k
              ^                                             |
              +---------------------------------------------+

* ``hop`` = 0: N is one dynamic axis named ``frames``, of any size >= 1. ``hop`` > 0: N is ``hop``.
* An encoder has the output ``codes`` int64 [1, codebooks, F] in place of ``audio_out``, a decoder
  the input ``codes`` in place of ``audio``. Both need ``hop`` > 0. In the card the side that holds
  codes counts 0 channels.
* The input ``params`` float32 [1, P] exists if and only if the card declares P > 0 parameters.
* State is float32, or int64 for counters, of fixed shape, and starts at zero.
* A recurrent node takes its start state from a state input, unless the card says that it runs
  across the bins of a frame.
* Weights may have half precision and go through a ``Cast`` to single; the reader takes it out.
* All operators are standard ONNX; no control flow, no randomness, no data outside the file.
* Metadata ``rtaudio``: the `Card` as JSON. Metadata ``rtaudio.golden``: the `Golden` vector.

The golden vector is JSON, ``{"input": ..., "output": ..., "channels": [in, out],
"samples": 2048}``: 2,048 samples and the model's answer to them, from the zero state with every
parameter at its default. ``input`` and ``output`` are base64 of little-endian float32, channel
after channel. A side that holds codes is little-endian int64, codebook after codebook; there
``channels`` counts codebooks, and the frames are those of ``ceil(2048 / hop)`` hops, the last one
padded with zeros.

Any ONNX host plays such a file::

    state = {s.input_name: s.zeros() for s in model.states}
    for block in blocks:                                    # float32 [1, C_in, N]
        out, *following = session.run(["audio_out", *nexts], {"audio": block, **state})
        state = dict(zip(state, following))
"""
