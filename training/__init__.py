"""Train the nets that rtaudio plays: configurations, data, losses, runs."""
