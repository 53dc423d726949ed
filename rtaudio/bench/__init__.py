"""The measurements of ``rtaudio bench``: callback, nets, guitar models, denoisers."""
