"""The Ray cluster: how to connect to it, what it holds, what is wrong with it, and how a training on it stops."""
