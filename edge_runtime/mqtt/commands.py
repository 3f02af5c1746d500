"""Remote commands: taken from the broker, carried out in a thread of their own, answered."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from queue import Empty, Full, Queue
from uuid import UUID, uuid4

from edge_runtime.control import Control
from edge_runtime.mqtt.events import Received
from edge_runtime.mqtt.notices import Notice
from edge_runtime.mqtt.packets import publish_bytes
from edge_runtime.mqtt.picture import fit_jpeg
from edge_runtime.mqtt.read_command import Reading, read_command
from edge_runtime.ratelimit import RateLimitedLog
from fissura.errors import FissuraError, UsageError
from fissura.messages import (
    Answer,
    AnswerError,
    AnswerSnapshot,
    AnswerState,
    Budget,
    Command,
    Pause,
    Reload,
    Resume,
    Snapshot,
    Threshold,
)
from fissura.topics import ANSWER, COMMAND, ROOT, SNAPSHOT, TOPICS

logger = logging.getLogger(__name__)

MOST_BYTES = 65536
MOST_WAITING = 16
REMEMBERED = 512  # uuids of commands
LONGEST_TOPIC = 512
CLOSE_TIMEOUT_S = 2.0
assert COMMAND.max_rate_hz is not None
PERIOD_S = 1.0 / COMMAND.max_rate_hz

Say = Callable[..., bool]


class Commands:
    """Takes commands as fast as they come, carries out one after the other, answers each.

    Args:
        serial: of the device.
        control: what they may do.
        say: hands notices to the sender; False: there are too many already.
        packet_bytes: tells the largest packet that may be sent now.

    Attributes:
        done: commands carried out.
        refused: commands that were not.
    """

    def __init__(self, serial: str, control: Control, say: Say, packet_bytes: Callable[[], int]) -> None:
        self.done = 0
        self.refused = 0
        self._serial = serial
        self._control = control
        self._say = say
        self._packet_bytes = packet_bytes
        self._closing = False
        self._queue: Queue[Received | None] = Queue(MOST_WAITING)
        self._answered: OrderedDict[UUID, Answer] = OrderedDict()
        self._log = RateLimitedLog(logger)
        # A daemon: a command that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="mqtt-commands", daemon=True)

    def start(self) -> None:
        """Begin to carry out."""
        self._thread.start()

    def heard(self, message: Received) -> None:
        """Take a message of the command topic. Quick: the sender waits for it."""
        if not message.payload or self._closing:  # none: what clears a retained message
            return
        if message.retained:
            self._refuse(
                message,
                UsageError(
                    "the command is retained: it would be carried out again on every connect",
                    expected="commands without the retain flag",
                    fix="publish an empty retained message on the topic to clear it, then the command again",
                ),
            )
        elif len(message.payload) > MOST_BYTES:
            self._refuse(
                message, UsageError(f"a command of {len(message.payload)} bytes", expected=f"{MOST_BYTES} at most")
            )
        else:
            try:
                self._queue.put_nowait(message)
            except Full:
                self._refuse(message, UsageError("busy: commands come faster than they are carried out", fix="wait"))

    def state(self) -> Notice:
        """What is set, as if somebody had asked."""
        return self._notice(ANSWER.of(self._serial), self._answer("state", ok=True, state=self._state()))

    def close(self) -> None:
        """End after the command in hand; those that wait are dropped with the connection that they came by."""
        self._closing = True
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put_nowait(None)  # there is room: `heard` adds no more than the one that it had in hand
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            logger.warning("a remote command does not end: left behind")

    def _run(self) -> None:
        while (message := self._queue.get()) is not None and not self._closing:
            if self._survive(message):
                time.sleep(PERIOD_S)

    def _survive(self, message: Received) -> bool:
        try:
            return self._take(message)
        except Exception:
            self._log.warning("failed", f"a command could not be answered:\n{traceback.format_exc()}")
            return False

    def _take(self, message: Received) -> bool:
        """Read it, carry it out, answer; whether there was something to carry out."""
        reading = read_command(message.payload)
        try:
            topic = self._answer_topic(message)
        except UsageError as error:
            self._refuse(message, error, reading)
            return False
        command = reading.command
        if command is None:
            assert reading.error is not None
            self._refuse(message, reading.error, reading)
            return False
        if command.uuid is not None and (known := self._answered.get(command.uuid)) is not None:
            self._say(self._notice(topic, known.model_copy(update={"uuid": uuid4()}), message.correlation))
            return False
        picture: list[Notice] = []
        answer = self._carry_out(command, picture)
        if command.uuid is not None:
            self._answered[command.uuid] = answer
            if len(self._answered) > REMEMBERED:
                self._answered.popitem(last=False)
        reply = self._notice(topic, answer, message.correlation)
        if picture:
            reply = replace(reply, after=picture[0].uuid, otherwise=self._without_picture(topic, answer))
        self._say(*picture, reply)
        return True

    def _carry_out(self, command: Command, picture: list[Notice]) -> Answer:
        before = self._control.state()
        error: AnswerError | None = None
        snapshot: AnswerSnapshot | None = None
        try:
            snapshot = self._do(command, picture)
        except FissuraError as failure:
            error = AnswerError(found=failure.found, expected=failure.expected, fix=failure.fix)
        except Exception as failure:
            self._log.warning("failed", f"command {command.name} failed:\n{traceback.format_exc()}")
            error = AnswerError(found=f"{type(failure).__name__}: {failure}")
        if error is None:
            self.done += 1
        else:
            self.refused += 1
            self._log.warning(f"error {command.name}", f"command {command.name} is not carried out: {error.found}")
        if (now := self._control.state()) != before:
            was, becomes = asdict(before), asdict(now)
            changes = ", ".join(f"{name} {becomes[name]}" for name in becomes if becomes[name] != was[name])
            logger.info("command %s: %s", command.name, changes)
        return self._answer(
            command.name,
            ok=error is None,
            error=error,
            state=self._state(),
            snapshot=snapshot,
            command_uuid=command.uuid,
            correlation=command.correlation,
        )

    def _do(self, command: Command, picture: list[Notice]) -> AnswerSnapshot | None:
        if isinstance(command, Pause):
            self._control.pause()
        elif isinstance(command, Resume):
            self._control.resume()
        elif isinstance(command, Threshold):
            self._control.set_threshold(command.value)
        elif isinstance(command, Budget):
            self._control.set_budget(command.milliseconds)
        elif isinstance(command, Reload):
            self._control.reload()
        elif isinstance(command, Snapshot):
            topic = SNAPSHOT.of(self._serial)
            room = self._packet_bytes() - publish_bytes(topic, b"")
            taken = fit_jpeg(self._control.snapshot(command.source), max(0, room))
            picture.append(Notice(topic, taken.jpeg, str(uuid4())))
            return AnswerSnapshot(
                topic=topic, size_bytes=len(taken.jpeg), width_px=taken.width_px, height_px=taken.height_px
            )
        return None

    def _answer_topic(self, message: Received) -> str:
        """Where the answer goes; a response topic must not turn the device against others, or against itself."""
        wanted = message.response_topic
        if wanted is None:
            return ANSWER.of(self._serial)
        levels = wanted.split("/")
        taken = len(levels) == 4 and levels[3] in TOPICS and levels[3] != ANSWER.suffix
        if not wanted.startswith(f"{ROOT}/") or len(wanted) > LONGEST_TOPIC or set("+#\0") & set(wanted) or taken:
            raise UsageError(
                f"response topic {wanted[:LONGEST_TOPIC]!r}", expected=f"one below {ROOT}/ that has no other use"
            )
        return wanted

    def _refuse(self, message: Received, error: UsageError, reading: Reading | None = None) -> None:
        self.refused += 1
        self._log.warning("refused", f"a remote command is not carried out: {error.found}")
        try:
            topic = self._answer_topic(message)
        except UsageError:
            topic = ANSWER.of(self._serial)
        answer = self._answer(
            None if reading is None else reading.name,
            ok=False,
            error=AnswerError(found=error.found, expected=error.expected, fix=error.fix),
            correlation=None if reading is None else reading.correlation,
        )
        self._say(self._notice(topic, answer, message.correlation))

    def _state(self) -> AnswerState:
        return AnswerState(**asdict(self._control.state()))

    def _answer(
        self,
        command: str | None,
        *,
        ok: bool,
        error: AnswerError | None = None,
        state: AnswerState | None = None,
        snapshot: AnswerSnapshot | None = None,
        command_uuid: UUID | None = None,
        correlation: str | None = None,
    ) -> Answer:
        return Answer(
            serial=self._serial,
            sent_utc=datetime.now(timezone.utc),
            command=command,
            command_uuid=command_uuid,
            correlation=correlation,
            ok=ok,
            error=error,
            state=state,
            snapshot=snapshot,
        )

    def _notice(self, topic: str, answer: Answer, correlation: bytes | None = None) -> Notice:
        """The answer as it goes out; one that is too large goes without the state."""
        notice = Notice(topic, answer.to_json(), str(answer.uuid), correlation=correlation)
        most = self._packet_bytes()
        if notice.size_bytes <= most or answer.state is None:
            return notice
        too_large = AnswerError(
            found=f"the answer takes {notice.size_bytes} bytes: it goes without the state",
            expected=f"{most} bytes at most",
            fix="raise max_payload_bytes, or the broker's packet limit where that is lower",
        )
        bare = answer.model_copy(update={"state": None, "error": answer.error or too_large})
        return replace(notice, payload=bare.to_json())

    def _without_picture(self, topic: str, answer: Answer) -> bytes:
        error = AnswerError(
            found="the broker did not take the picture",
            expected="messages of at most max_payload_bytes to be taken",
            fix="lower max_payload_bytes to the broker's limit, and allow the topic there",
        )
        return self._notice(topic, answer.model_copy(update={"ok": False, "error": error, "snapshot": None})).payload
