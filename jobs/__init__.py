"""One training on Ray: Ray Data streams, TorchTrainer, checkpoints, and what `ray job submit` starts."""
