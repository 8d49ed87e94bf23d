"""The one place where a config becomes a method."""

from __future__ import annotations

from trs.config import Config, SupervisedConfig, TRSConfig
from trs.methods.base import Method
from trs.methods.supervised import Supervised
from trs.methods.trs import TRS
from trs.models.pose import PoseNetwork, build_pose_network

METHODS: dict[type, type[Method]] = {SupervisedConfig: Supervised, TRSConfig: TRS}


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
