"""Presets: chains as YAML files, read with errors that name file, line and key."""
