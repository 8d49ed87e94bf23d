"""Hard augmentations, one a file, batched on the device: a random policy and a deterministic transform each."""
