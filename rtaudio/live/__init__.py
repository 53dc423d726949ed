"""Playing live: the host, its statistics, its recorder."""
