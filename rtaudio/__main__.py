"""``python -m rtaudio`` is the command ``rtaudio``."""

from rtaudio.cli import main

if __name__ == "__main__":
    main()
