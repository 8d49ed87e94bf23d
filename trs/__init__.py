"""Teacher-Reviewer-Student: semi-supervised 2D human pose estimation, as a plain PyTorch library."""

__version__ = "0.1.0"
