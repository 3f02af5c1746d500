"""Outputs by the scheme of their address. Adding one: a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping

from edge_runtime.plugins import load_class, parse_address
from edge_runtime.sinks.sink import Sink, SinkContext
from fissura.config import parse_config

SINKS: dict[str, str] = {
    "mqtt": "edge_runtime.sinks.mqtt:MqttSink",
    "mqtts": "edge_runtime.sinks.mqtt:MqttSink",
    "jsonl": "edge_runtime.sinks.jsonl:JsonlSink",
    "overlay": "edge_runtime.sinks.overlay:OverlaySink",
}


def open_sink(uri: str, context: SinkContext, defaults: Mapping[str, Mapping[str, object]] | None = None) -> Sink:
    """Open an output, for example ``jsonl:cracks.jsonl``.

    Args:
        uri: its address.
        context: what the run tells every output.
        defaults: options by scheme, for what the address does not say.

    Raises:
        ConfigError: unknown scheme or option, or a value out of range.
        SinkError, SpoolError: it cannot be written.
    """
    address = parse_address(uri, SINKS, what="sink")
    kind = load_class(SINKS[address.scheme])
    options = {**(defaults or {}).get(address.scheme, {}), **address.options}
    sink: Sink = kind(address, parse_config(kind.config_class, options, origin=f"sink {uri!r}"), context)
    return sink
