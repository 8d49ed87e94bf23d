"""One training on Ray, from its config to its last checkpoint."""
