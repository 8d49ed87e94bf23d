"""The one place where a config becomes a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from trs import config as configs
from trs.config import Config
from trs.methods import data_distill, pseudo_pose
from trs.methods.base import Method
from trs.methods.data_distill import DataDistill
from trs.methods.dual import Dual
from trs.methods.fixmatch import FixMatch
from trs.methods.mean_teacher import MeanTeacher
from trs.methods.pseudo_pose import PseudoPose
from trs.methods.single import Single
from trs.methods.sspcm import SSPCM
from trs.methods.supervised import Supervised
from trs.methods.trs import TRS
from trs.models.pose import PoseNetwork, build_pose_network

METHODS: dict[type, type[Method]] = {
    configs.SupervisedConfig: Supervised, configs.PseudoPoseConfig: PseudoPose, configs.DataDistillConfig: DataDistill,
    configs.SingleConfig: Single, configs.DualConfig: Dual, configs.SSPCMConfig: SSPCM,
    configs.MeanTeacherConfig: MeanTeacher, configs.FixMatchConfig: FixMatch, configs.TRSConfig: TRS}

LABELERS: dict[type, Callable[[PoseNetwork, Tensor, Any, str, list[int]], Tensor]] = {
    configs.PseudoPoseConfig: pseudo_pose.see, configs.DataDistillConfig: data_distill.see}
"""How a method with a first stage reads the heatmaps of its pseudo labels."""


def build_method(config: Config, keypoint_count: int) -> Method:
    """A method with fresh networks.

    Raises:
        InputError: pretrained weights that are absent or do not fit.
    """
    def make_network(peer: int) -> PoseNetwork:
        backbones = config.model.backbones
        # Peers must start apart, or they have nothing to teach each other.
        return build_pose_network(config.model, backbones[peer % len(backbones)], keypoint_count,
                                  seed=config.train.seed * len(METHODS[type(config.method)].peers) + peer)

    return METHODS[type(config.method)](config.method, config.view, make_network)
