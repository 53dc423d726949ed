"""Devices: what calls the callback. PortAudio, the virtual clock."""
