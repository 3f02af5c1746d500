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


def build_network(table: dict[str, NetworkEntry], options: dict[str, Any], *, origin: str) -> nn.Module:
    """Build a network from ``{"name": ..., option: value, ...}``.

    Raises:
        ConfigError: unknown name or option, or a value that the network refuses.
    """
    values = dict(options)
    name = values.pop("name", None)
    if name not in table:
        raise ConfigError(f"{origin}: unknown network {name!r}", expected=f"one of: {', '.join(table)}")
    entry = table[name]
    config = parse_config(entry.config, values, origin=f"{origin} ({name})")
    try:
        return entry.network(**config.model_dump())
    except ValueError as error:
        raise ConfigError(f"{origin}: {error}") from error
