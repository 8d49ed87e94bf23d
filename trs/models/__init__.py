"""Pose networks: a backbone whose stages are named, a head for each level, and the two together."""
