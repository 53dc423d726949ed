"""Training of amps and pedals: data from captures and teachers, the task, sweeps and seeds."""
