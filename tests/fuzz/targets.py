"""Every kind of file that is damaged, by its name."""

from __future__ import annotations

from tests.fuzz.annotations import AnnotationFiles
from tests.fuzz.checkpoints import CheckpointFolders
from tests.fuzz.configs import ConfigFiles
from tests.fuzz.formats import OtherFiles
from tests.fuzz.images import ImageFiles
from tests.fuzz.results import ResultFiles
from tests.fuzz.target import MakeTarget

TARGETS: dict[str, MakeTarget] = {"annotations": AnnotationFiles, "formats": OtherFiles, "results": ResultFiles,
                                  "images": ImageFiles, "checkpoints": CheckpointFolders, "configs": ConfigFiles}
