"""Teacher-Reviewer-Student: semi-supervised 2D human pose estimation, as a plain PyTorch library."""

import os

__version__ = "0.1.0"
MAX_IMAGE_PIXELS = 100_000_000
"""Larger images are refused, from their headers and by the decoder."""

# OpenCV reads it once, when it is loaded, which is after this: a header may say less than its decoder unpacks.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_IMAGE_PIXELS))
