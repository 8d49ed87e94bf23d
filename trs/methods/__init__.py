"""Methods, one a file: what is trained, its losses, and what happens after the optimizer step."""
