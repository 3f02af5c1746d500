"""Telling the service manager how the service is: the protocol of sd_notify, without its library."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)

MOST_STATUS = 200


class Notifier:
    """Sends to the socket that systemd names in the environment; does nothing where there is none, and never raises.

    Args:
        environment: of the process.

    Attributes:
        watchdog_s: systemd restarts a service that is silent for so long; None: it does not watch.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = None if self._address is None else _watchdog_s(environment)

    def ready(self) -> None:
        """The start, or a reload, is done."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        printable = "".join(letter if letter.isprintable() else " " for letter in text)
        self._send(f"STATUS={' '.join(printable.split())[:MOST_STATUS]}")

    def watchdog(self) -> None:
        """Still well."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a manager that does not read must not hold us up
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError as error:
            logger.debug("the service manager does not take %s: %s", message.partition("=")[0], error)


def _address(text: str) -> bytes | None:
    """Address of the socket: a path, or `@` and a name without one."""
    if text.startswith("@") and len(text) > 1:
        return b"\0" + os.fsencode(text[1:])
    if text.startswith("/"):
        return os.fsencode(text)
    if text:
        logger.warning("NOTIFY_SOCKET=%s is neither a path nor @NAME: the service manager is not told anything", text)
    return None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    process, period_us = environment.get("WATCHDOG_PID", ""), environment.get("WATCHDOG_USEC", "")
    if process and process != str(os.getpid()):
        return None  # another process of the service is watched
    return int(period_us) / 1e6 if period_us.isascii() and period_us.isdigit() and int(period_us) > 0 else None
