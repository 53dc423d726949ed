"""Model files of other programs: NAM, AIDA-X, RTNeural, GuitarML."""
