"""A preset as a plugin: VST3, LV2 and CLAP of native code, without an interpreter.

::

    preset -> plan, for each rate and number of channels
                |-> image: bytes and relocations ---------------+
                +-> kernels: object code for the processor -----+-> linked: NAME.vst3 ...
    shim/core.c, and vst3.c, lv2.c or clap.c: what hosts call --+
"""
