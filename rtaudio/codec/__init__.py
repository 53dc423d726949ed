"""Codes on their way: packets, RTP, jitter buffer, concealment, and the coded file."""
