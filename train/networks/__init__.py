"""Networks by name. Adding one: a file here and a line in its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fissura.config import parse_config
from fissura.errors import ConfigError
from train.networks.abpn import Abpn
from train.networks.clique_unet import CliqueUNet
from train.networks.dbpn import Dbpn
from train.networks.deepcrack_liu import DeepCrackLiu
from train.networks.deepcrack_zou import DeepCrackZou
from train.networks.deeplabv3plus import DeepLabV3Plus
from train.networks.fcn8s import Fcn8s
from train.networks.hed import Hed
from train.networks.hrsegnet import HrSegNet
from train.networks.interpolation import Interpolation
from train.networks.konig_unet import KonigUNet
from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.pix2pix_unet import Pix2PixUNet, WideUNet
from train.networks.rcf import Rcf
from train.networks.segnet import SegNet
from train.networks.spiral_net import SpiralNet
from train.networks.strided_unet import StridedUNet
from train.networks.structured_cnn import StructuredCnn
from train.networks.super_resolution import SuperResolutionNetwork
from train.networks.unet import UNet
from train.networks.unet16 import UNet16

NETWORKS: dict[str, type[CrackNetwork]] = {
    "unet": UNet,
    "structured_cnn": StructuredCnn,
    "spiral_net": SpiralNet,
    "pix2pix_unet": Pix2PixUNet,
    "wide_unet": WideUNet,
    "clique_unet": CliqueUNet,
    "strided_unet": StridedUNet,
    "unet16": UNet16,
    "konig_unet": KonigUNet,
    "hrsegnet": HrSegNet,
    "hed": Hed,
    "fcn8s": Fcn8s,
    "rcf": Rcf,
    "segnet": SegNet,
    "deepcrack_zou": DeepCrackZou,
    "deepcrack_liu": DeepCrackLiu,
    "deeplabv3plus": DeepLabV3Plus,
}

SUPER_RESOLUTION_NETWORKS: dict[str, type[SuperResolutionNetwork]] = {
    "dbpn": Dbpn,
    "abpn": Abpn,
    "interpolation": Interpolation,
}

Network = TypeVar("Network", CrackNetwork, SuperResolutionNetwork)


def network_config(table: Mapping[str, type[Network]], options: dict[str, Any]) -> NetworkConfig:
    """The options of a network, checked; `options` is ``{"name": ..., option: value, ...}``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    values = dict(options)
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"unknown network {name!r}", expected=f"one of: {', '.join(table)}")
    return parse_config(table[name].config, values, origin=name)


def build_network(table: Mapping[str, type[Network]], options: dict[str, Any], **fixed: int) -> Network:
    """Build a network.

    Args:
        table: `NETWORKS` or `SUPER_RESOLUTION_NETWORKS`.
        options: name and options.
        fixed: arguments that are no options (`in_channels` of a network that enlarges masks).

    Raises:
        ConfigError: see `network_config`.
    """
    config = network_config(table, options)
    return table[options["name"]](**config.model_dump(), **fixed)
