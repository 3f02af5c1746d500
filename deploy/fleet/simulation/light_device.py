"""A device of which only the protocol is real: MQTT, HTTP, and the order of the phases.

It looks by fetching timestamp.json; what is behind that is checked by the real TUF client, once for all such devices
(`shared_view`). It fetches the release's largest file, goes on where a connection was cut, and compares the hash.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy.fleet.simulation.fates import Fate
from deploy.fleet.simulation.fetch import Fetcher, Response
from deploy.fleet.simulation.ledger import Ledger, Step
from deploy.fleet.simulation.loop import Loop
from deploy.fleet.simulation.pace import Pace
from deploy.fleet.simulation.played_bundle import MODEL
from deploy.fleet.simulation.shared_view import SharedView, Sight
from deploy.fleet.simulation.voice import Voice
from fissura.cohort import in_wave, splay_s
from fissura.errors import RepositoryError
from fissura.update_messages import Phase

RETRY_S = 1.0


@dataclass(frozen=True)
class World:
    """What all such devices share.

    Attributes:
        loop: moves them.
        broker_port: on 127.0.0.1.
        fetcher: of files.
        view: of the repository.
        ledger: of their steps.
        pace: of their steps.
        channel: that they follow.
        heard: when each device got an announcement that was not kept by the broker, monotonic.
        failing: how bad releases fail, by release and serial.
    """

    loop: Loop
    broker_port: int
    fetcher: Fetcher
    view: SharedView
    ledger: Ledger
    pace: Pace
    channel: str
    heard: dict[str, float]
    failing: dict[int, Mapping[str, Phase]]


class LightDevice:
    """Everything in the loop's thread.

    Args:
        serial: of the device.
        fate: what happens to it.
        world: what it shares with the others.

    Attributes:
        voice: its conversation with the operator.
        active: release that it runs; None: the bundle that it came with.
    """

    def __init__(self, serial: str, fate: Fate, world: World) -> None:
        self.serial = serial
        self.voice = Voice(serial, world.channel, fate, world.loop, world.broker_port, self._hinted)
        self.active: int | None = None
        self._fate = fate
        self._world = world
        self._previous: int | None = None
        self._committed = 0
        self._quarantined: set[int] = set()
        self._polls = False
        self._is_busy = False
        self._is_looking = False
        self._has_deferred = False
        self._looked_s = float("-inf")
        self._due_s: float | None = None

    def appear(self) -> None:
        """It is switched on."""
        self.voice.on()
        self._look_within(splay_s(self.serial, 0, self._world.pace.first_within_s))
        if not self._polls:
            self._polls = True
            self._poll_again()

    def vanish(self) -> None:
        """It loses the network."""
        self.voice.off()

    # When it looks.

    def _hinted(self, announcement: dict[str, Any] | None, was_kept: bool) -> None:
        if announcement is None:
            self._look_within(0)
            return
        if not was_kept:
            self._world.heard.setdefault(self.serial, time.monotonic())
        window_s = float(announcement["window_s"])
        self._look_within(splay_s(self.serial, announcement.get("release") or 0, window_s))

    def _poll_again(self) -> None:
        self._world.loop.after(self._world.pace.poll_s * random.uniform(0.9, 1.1), self._poll)

    def _poll(self) -> None:
        self._polls = self.voice.is_on
        if self._polls:
            self._look_within(0)
            self._poll_again()

    def _look_within(self, delay_s: float) -> None:
        now = self._world.loop.now_s
        due_s = max(now + delay_s, self._looked_s + self._world.pace.hint_s)
        if self._due_s is None or due_s < self._due_s:
            self._due_s = due_s
            self._world.loop.after(due_s - now, partial(self._look, due_s))

    def _look(self, due_s: float) -> None:
        if due_s != self._due_s:
            return
        self._due_s = None
        if self.voice.is_on and not self._is_busy and not self._is_looking:
            self._looked_s = self._world.loop.now_s
            self._is_looking = True
            self._world.fetcher.get("/metadata/timestamp.json", self._seen)

    def _seen(self, response: Response) -> None:
        self._is_looking = False
        if response.status != 200 or not response.is_whole:
            self._look_within(random.uniform(0, RETRY_S) + response.retry_after_s)
            return
        try:
            sight = self._world.view.at(response.body)
        except RepositoryError:
            self._look_within(random.uniform(0, RETRY_S))
            return
        if sight.channel is not None and not self._is_busy:
            self._obey(sight)

    # What it does then.

    def _obey(self, sight: Sight) -> None:
        channel, release = sight.channel, sight.release
        assert channel is not None and release is not None
        if self.active is not None and self.active in channel.revoked:
            left, self.active, self._previous = self.active, self._previous, None
            self._committed = self.active or 0
            self._enter("rolled_back", left, f"revoked: by channel {channel.channel}")
        if not in_wave(self.serial, channel.release, channel.percent):
            return  # its fallback is what it has
        number = channel.release
        if number == self.active or number in self._quarantined or number < self._committed or channel.paused:
            return
        pace = self._world.pace
        if self._fate.is_deferred and not self._has_deferred:
            self._has_deferred = True
            self._enter("deferred", number, "flight: the vehicle is under way")
            self._look_within(pace.deferred_s)
            return
        self._has_deferred = False
        self._is_busy = True
        self._enter("download", number)
        files = {file.sha256: file.length for file in release.files}
        path, sha256 = max(sight.paths, key=lambda one: files[one[1]])
        self._download(number, path, sha256, b"")

    def _download(self, number: int, path: str, sha256: str, have: bytes) -> None:
        if not self.voice.is_on:  # the link is gone; goes on when it is back
            self._world.loop.after(RETRY_S, partial(self._download, number, path, sha256, have))
            return
        done = partial(self._downloaded, number, path, sha256, have)
        self._world.fetcher.get(path, done, start=len(have))

    def _downloaded(self, number: int, path: str, sha256: str, have: bytes, response: Response) -> None:
        if response.status in (200, 206):
            have = response.body if response.status == 200 else have + response.body
        if not response.is_whole or response.status not in (200, 206):
            wait_s = random.uniform(0, RETRY_S) + response.retry_after_s
            self._world.loop.after(wait_s, partial(self._download, number, path, sha256, have))
        elif hashlib.sha256(have).hexdigest() != sha256:
            self._end("quarantined", number, "tampered: the file is not what was signed")
        else:
            self._after(self._world.pace.build_s, partial(self._tested, number))

    def _tested(self, number: int) -> None:
        if self._failure(number) == "rejected":
            self._end("rejected", number, "golden: mask IoU 0.41")
            return
        self._enter("selftest", number, with_state=False)
        self._enter("shadow", number)
        self._after(self._world.pace.shadow_s, partial(self._compared, number))

    def _compared(self, number: int) -> None:
        self._enter("canary", number)
        self._after(self._world.pace.canary_s, partial(self._watched, number))

    def _watched(self, number: int) -> None:
        if self._failure(number) == "rolled_back":
            self._end("rolled_back", number, "crash: the engine ended in canary")
            return
        self._previous, self.active = self.active, number
        self._committed = max(number, self._committed)
        self._end("committed", number, None)

    def _failure(self, number: int) -> Phase | None:
        return self._world.failing.get(number, {}).get(self.serial)

    def _end(self, phase: Phase, number: int, reason: str | None) -> None:
        if phase != "committed":
            self._quarantined.add(number)
        self._is_busy = False
        self._enter(phase, number, reason)
        self._look_within(self._world.pace.hint_s)  # the channel may have changed meanwhile

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._world.loop.after(delay_s * self._fate.pace, action)

    def _enter(self, phase: Phase, number: int, reason: str | None = None, *, with_state: bool = True) -> None:
        state = {
            "phase": phase,
            "model": MODEL,
            "release": number,
            "reason": reason,
            "active": self.active,
            "previous": self._previous,
            "quarantined": sorted(self._quarantined),
        }
        uuid = self.voice.tell(state, with_state=with_state)
        self._world.ledger.note(Step(time.monotonic(), self.serial, phase, number, self.active, uuid))
