"""What ``rtaudio bench`` measures: the callback, the nets, guitar models and denoisers beside others."""
