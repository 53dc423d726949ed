"""What ``rtaudio bench`` measures: the callback, nets, guitar models and denoisers."""
