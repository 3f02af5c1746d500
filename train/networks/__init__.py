"""Networks by name. Adding one: a file here and a line in its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fissura.config import parse_config
from fissura.errors import ConfigError
from train.networks.dbpn import Dbpn
from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.unet import UNet

NETWORKS: dict[str, type[CrackNetwork]] = {
    "unet": UNet,
}

SUPER_RESOLUTION_NETWORKS: dict[str, type[Dbpn]] = {
    "dbpn": Dbpn,
}

Network = TypeVar("Network", CrackNetwork, Dbpn)


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


def build_network(table: Mapping[str, type[Network]], options: dict[str, Any]) -> Network:
    """Build a network.

    Raises:
        ConfigError: see `network_config`.
    """
    config = network_config(table, options)
    return table[options["name"]](**config.model_dump())
