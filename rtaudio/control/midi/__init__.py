"""MIDI: controllers turn what plays, and show what others have turned.

::

    port -> parser -> events -> mapper -> session
               ^                            |
          bytes, damaged or not             +-> feedback -> lamps and motor faders

Parser, events and mapper do no input or output; only `ports` knows python-rtmidi.
"""
