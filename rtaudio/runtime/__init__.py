"""What the audio thread runs. Imports nothing from the rest of rtaudio."""
