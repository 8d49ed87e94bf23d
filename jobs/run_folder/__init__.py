"""A run's folder: what lies in it, and who writes and reads it."""
