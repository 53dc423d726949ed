"""Files and folders of files through an effect."""
