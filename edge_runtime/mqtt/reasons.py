"""What a broker's reason codes mean for us (MQTT 5, section 2.4)."""

from __future__ import annotations

from edge_runtime.mqtt.endpoint import PASSWORD_VARIABLE, Endpoint
from fissura.errors import BrokerError

FAILURE = 0x80  # from here on a code is a failure
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
SESSION_TAKEN_OVER = 0x8E
# Refusals of a message that the same message will meet again: topic, size and format do not change.
HOPELESS = frozenset({0x90, PACKET_TOO_LARGE, 0x99})
# Reasons for hanging up that have nothing to do with what we sent: shutting down, busy, keep-alive timeout, taken
# over, closed by an administrator, moved.
BROKERS_OWN_REASONS = frozenset({0x8B, 0x89, 0x8D, 0x8E, 0x98, 0x9C, 0x9D})

_CREDENTIALS = f"check the user name (mqtt://USERNAME@HOST) and the password ({PASSWORD_VARIABLE}, --password-file)"
# Refusals of a connection that asking again does not mend, and what does.
_MENDED_BY: dict[int, str] = {
    0x84: "the broker does not speak this MQTT version: set --mqtt-version",
    0x85: "the broker does not allow this client id: set --serial",
    0x86: _CREDENTIALS,
    0x87: f"{_CREDENTIALS}; if they are right, let the broker's administrator allow this device",
    0x8A: "let the broker's administrator lift the ban",
    0x8C: "the broker asks for a way of authentication that fissura does not offer",
    0x90: "the broker does not allow the topic of the last will, fissura/v1/<serial>/status: allow it there",
    0x95: "raise the broker's limit on the packet size",
    0x9A: "the broker does not keep retained messages: allow them there",
    0x9B: "the broker does not offer QoS 1: allow it there",
    0x9D: "the broker has moved: change its address",
}


def refusal(endpoint: Endpoint, code: int, reason: str) -> BrokerError | None:
    """The error for a CONNACK that asking again does not mend; None where it may."""
    if code not in _MENDED_BY:
        return None
    return BrokerError(f"broker {endpoint} refuses the connection: {reason}", fix=_MENDED_BY[code])
