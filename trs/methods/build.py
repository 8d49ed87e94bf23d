"""The one place where a config becomes a method."""

from __future__ import annotations

from trs import config as configs
from trs.config import Config
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


def build_method(config: Config, keypoint_count: int) -> Method:
    """Build a method with fresh networks.

    Raises:
        InputError: pretrained weights that are absent or do not fit.
    """
    def make_network(peer: int) -> PoseNetwork:
        # Peers must start apart, or they have nothing to teach each other.
        return build_pose_network(config.model, peer, keypoint_count,
                                  seed=config.train.seed * len(config.method.peers) + peer)

    return METHODS[type(config.method)](config.method, config.view, make_network)
