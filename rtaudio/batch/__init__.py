"""Rendering of files, and of folders of files."""
