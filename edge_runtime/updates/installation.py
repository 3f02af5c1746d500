"""One release on its way from the repository into the stream, step by step."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from edge_runtime.updates.installed import check_release, installed
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange, exchange_back
from edge_runtime.updates.ports import Conditions, Stream, Trial
from edge_runtime.updates.prepare import Preparation
from fissura.errors import BundleError, DeferredError, FissuraError, RejectedError, UpdateError
from fissura.release import Release
from fissura.update_messages import Phase

logger = logging.getLogger(__name__)

DONE: tuple[Phase | None, ...] = (None, "verify", "selftest", "shadow")  # in this order
LONGEST_REASON = 500  # characters


class Installation:
    """The steps. Each may be repeated, and what is done is not done again, in whichever process.

    Args:
        layout: of the device, held by this process.
        journal: its state; `release` is under way there.
        trial: tries the model away from the stream.
        stream: the frames.
        conditions: whether there is time for it now.
        stopping: set when the process is to end.
        tested_with: names engine, mode and libraries; what was tested with others is tested again.
    """

    def __init__(
        self,
        layout: Layout,
        journal: Journal,
        trial: Trial,
        stream: Stream,
        conditions: Conditions,
        stopping: threading.Event,
        tested_with: str,
    ) -> None:
        self._layout = layout
        self._journal = journal
        self._trial = trial
        self._stream = stream
        self._conditions = conditions
        self._stopping = stopping
        self._tested_with = tested_with

    def run(self, release: Release, preparation: Preparation | None) -> None:
        """Go on until the release is in use, refused, or the process is to end.

        Args:
            release: to install.
            preparation: brings its files; None: the repository cannot be reached, they have to be there.

        Raises:
            DeferredError: not now.
            RepositoryError: the files cannot be had.
            AlteredError: others came than were signed.
            UpdateError, OSError: something else came between; to be tried again.
        """
        self._seen: Mapping[str, float] = {}
        if (
            self._bring(release, preparation)
            and self._accept("selftest", release, self._test)
            and self._accept("shadow", release, self._compare)
        ):
            self._use(release)
        elif self._stopping.is_set():
            self._journal.note(process="")  # ends in good order: this was no crash

    def _bring(self, release: Release, preparation: Preparation | None) -> bool:
        if self._has_done("verify") and installed(self._layout, release.release) is not None:
            return True
        if preparation is None:
            raise UpdateError(f"damaged: release {release.release} has to be fetched again")
        self._conditions.check()
        preparation.check_space()
        self._journal.enter("download", done=None)
        try:
            figures = preparation.download()
            if self._stopping.is_set():
                return False
            self._journal.enter("verify", figures=figures)
            check_release(preparation.lay_out(), release)
        except BundleError as error:
            self._journal.end("quarantined", _reason("tampered", error))
            return False
        self._journal.note(done="verify")
        return True

    def _accept(self, phase: Phase, release: Release, step: Callable[[Release], None]) -> bool:
        """Do a step that may refuse the release, unless it is done."""
        if self._has_done(phase):
            return True
        try:
            step(release)
        except RejectedError as error:
            self._journal.end("rejected", error.found[:LONGEST_REASON])
            return False
        except UpdateError:
            raise
        except FissuraError as error:  # the bundle does not load, the engine does not run it
            self._journal.end("rejected", _reason("error", error))
            return False
        return not self._stopping.is_set()

    def _test(self, release: Release) -> None:
        self._conditions.check()
        self._journal.enter("build")
        figures = self._trial.run(self._layout.release_bundle(release.release), self._stopping)
        if not self._stopping.is_set():
            self._journal.enter("selftest", figures=figures, done="selftest", version=self._tested_with)

    def _compare(self, release: Release) -> None:
        # Whatever the conditions: frames may come in flight only.
        self._journal.enter("shadow")
        try:
            figures = self._stream.shadow(self._layout.release_bundle(release.release), self._stopping)
        except DeferredError as error:
            if error.found.startswith("shadow:") and self._journal.state.crashes:
                self._journal.note(crashes=0)  # a shadow that went well for so long: they were others' crashes
            raise
        if not self._stopping.is_set():
            self._seen = figures
            self._journal.note(done="shadow")

    def _use(self, release: Release) -> None:
        self._conditions.check()
        if installed(self._layout, release.release) is None:
            self._journal.note(done=None)
            raise UpdateError(f"damaged: release {release.release} has to be fetched again")
        self._journal.enter("canary", figures=self._seen)
        try:
            exchange(self._layout, release.release)
            self._stream.switch()
            figures = self._stream.canary(self._stopping)
            if self._stopping.is_set():  # the next process would find a canary and call it a crash
                exchange_back(self._layout, release.release)
                self._journal.enter("deferred", "interrupted: the run ended in canary", process="")
                return
            # Lower than before only where what was committed before is revoked: see `check_bounds`.
            self._journal.enter("committed", figures=figures, committed=release.release)
        except OSError as error:  # says nothing about the model
            self._back(release, None)
            raise UpdateError(f"disk: {error}") from error
        except FissuraError as error:
            word = "" if isinstance(error, RejectedError) else "error"
            self._back(release, _reason(word, error))
        except Exception as error:
            logger.exception("the canary failed in itself")
            self._back(release, f"error: {type(error).__name__}: {error}"[:LONGEST_REASON])

    def _back(self, release: Release, verdict: str | None) -> None:
        """Leave the new model, whatever the disk does.

        Args:
            release: that is left.
            verdict: on it; written first, so that a cut does not turn it into bad luck. None: it is not to blame.

        Raises:
            OSError: the link or the verdict could not be written; the next look does it. The old model is at work.
        """
        if verdict is not None:
            with suppress(OSError):
                self._journal.note(reason=verdict)
        active = self._layout.number("active")
        before = self._layout.number("previous") if active == release.release else active
        try:
            exchange_back(self._layout, release.release)
        finally:
            self._stream.follow(before)
        if verdict is not None:
            self._journal.end("rolled_back", verdict)

    def _has_done(self, phase: Phase) -> bool:
        state = self._journal.state
        if DONE.index(state.done) < DONE.index(phase):
            return False
        return phase == "verify" or state.version in ("", self._tested_with)


def _reason(word: str, error: FissuraError) -> str:
    prefix = f"{word}: " if word and not error.found.startswith(f"{word}:") else ""
    return f"{prefix}{error.found}"[:LONGEST_REASON]
