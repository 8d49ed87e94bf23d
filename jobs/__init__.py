"""One training on Ray: Ray Data streams, Ray Train, checkpoints, and what `ray job submit` starts."""

import trs as _trs  # noqa: F401  # sets OpenCV's limits, which it reads when it is loaded

try:
    import cv2 as _cv2  # noqa: F401
except ImportError as error:
    # Every command comes through here first: a bare system ends in a sentence, not in a traceback.
    remedy = ("install this project with its dependencies: python -m pip install -e ." if error.name == "cv2" else
              "on Debian or Ubuntu install what it needs with apt-get install libgl1 libglib2.0-0")
    raise SystemExit(f"error: OpenCV cannot be loaded ({error}); {remedy}") from None
