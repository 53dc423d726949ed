"""The engine and the code of the audio thread. Imports nothing from the rest of rtaudio."""
