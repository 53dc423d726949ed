"""Turning a playing host by hand: its controls, and the keyboard."""
