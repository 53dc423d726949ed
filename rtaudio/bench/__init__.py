"""The measurements of ``rtaudio bench``: the callback, nets, guitar models and denoisers."""
