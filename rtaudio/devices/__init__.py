"""Devices call the callback once per block: PortAudio, and the virtual clock."""
