"""Third-party model files: NAM, AIDA-X, RTNeural, GuitarML."""
