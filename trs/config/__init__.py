"""What a training is: frozen, typed dataclasses, each field documented, validated when they are made.

`to_dict` and `from_dict` carry a `Config` through plain values and back, `save` and `load` through YAML; `trs.presets`
has some ready-made.
"""

from trs.config.data import DataConfig, Interpolation, ViewConfig
from trs.config.files import change, from_dict, load, save, to_dict
from trs.config.methods import (
    METHOD_NAMES,
    AugmentationName,
    ConsistencyConfig,
    DataDistillConfig,
    DualConfig,
    FixMatchConfig,
    MeanTeacherConfig,
    MethodConfig,
    MethodSettings,
    PseudoPoseConfig,
    SingleConfig,
    SSPCMConfig,
    SupervisedConfig,
    TrainedTeacherConfig,
    TRSConfig,
    Warmup,
)
from trs.config.model import BackboneName, ModelConfig
from trs.config.training import Config, EvalConfig, TrainConfig

__all__ = [
    "METHOD_NAMES",
    "AugmentationName",
    "BackboneName",
    "Config",
    "ConsistencyConfig",
    "DataConfig",
    "DataDistillConfig",
    "DualConfig",
    "EvalConfig",
    "FixMatchConfig",
    "Interpolation",
    "MeanTeacherConfig",
    "MethodConfig",
    "MethodSettings",
    "ModelConfig",
    "PseudoPoseConfig",
    "SSPCMConfig",
    "SingleConfig",
    "SupervisedConfig",
    "TRSConfig",
    "TrainConfig",
    "TrainedTeacherConfig",
    "ViewConfig",
    "Warmup",
    "change",
    "from_dict",
    "load",
    "save",
    "to_dict",
]
