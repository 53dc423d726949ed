"""Mastering: degraded music back to what it was, by nets and by settings of effects."""
