"""Read ``.nam`` files (Neural Amp Modeler) as checked plain data, without a network library.

A file is JSON text: ``version``, ``architecture``, ``config``, ``weights`` (one flat list of
floats) and, optionally, ``sample_rate`` and ``metadata``. Versions 0.5.0 to 0.7.0 are supported,
with the architectures Linear, ConvNet, LSTM, WaveNet and SlimmableContainer;
:mod:`rtaudio.models.net.types` says what each of them computes.

Two architectures hold nets of several sizes, and the value ``slim`` (0 to 1) selects one: a
``SlimmableContainer`` holds whole nets, a slimmable ``WaveNet`` is cut down to the leading rows and
columns of its matrices.

Where the format leaves a choice, the reader decides as the reference player, NeuralAmpModelerCore:
the head scale at the end of the weights wins over the one in the config, and the FiLM after the
1x1 convolution of a layer acts in blended layers only.
"""
