"""Output for people: tables, progress bars and words on the terminal, pictures of sound."""
