"""Training of separators: songs as stems, mixtures made while training, and the task."""
