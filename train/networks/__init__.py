"""Networks by name. Adding one: a file here and a line in its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from fissura.config import Config, parse_config
from fissura.errors import ConfigError
from train.networks.dbpn import Dbpn, DbpnConfig
from train.networks.unet import UNet, UNetConfig


@dataclass(frozen=True)
class NetworkEntry:
    """A network class and the configuration class beside it."""

    network: type[nn.Module]
    config: type[Config]


NETWORKS: dict[str, NetworkEntry] = {
    "unet": NetworkEntry(UNet, UNetConfig),
}

SUPER_RESOLUTION_NETWORKS: dict[str, NetworkEntry] = {
    "dbpn": NetworkEntry(Dbpn, DbpnConfig),
}


def network_config(table: dict[str, NetworkEntry], options: dict[str, Any]) -> Config:
    """The options of a network, checked; `options` is ``{"name": ..., option: value, ...}``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    values = dict(options)
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"unknown network {name!r}", expected=f"one of: {', '.join(table)}")
    return parse_config(table[name].config, values, origin=name)


def build_network(table: dict[str, NetworkEntry], options: dict[str, Any]) -> nn.Module:
    """Build a network.

    Raises:
        ConfigError: see `network_config`.
    """
    config = network_config(table, options)
    return table[options["name"]].network(**config.model_dump())
