"""The site: songs come in by a browser, wait in a queue, and go out as stems.

::

    browser --> api --> uploads --> a process that decodes  --> song.wav, a row in the store
                 ^                                                        |
                 |                                                        v
    stems <-- jobs/<token>/stems <-- a process that separates <-- worker, first come first served
"""
