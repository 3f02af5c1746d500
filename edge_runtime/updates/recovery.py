"""What an earlier process left: a canary goes back, everything before it goes on.

A process that died beside a new model while the device stayed up is a crash; one that ended with the device is a power
cut, which says nothing about the model. Nor does an end of either kind where the new model was not at work: before the
link named it, and after another one was put in its place.
"""

from __future__ import annotations

from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange_back

MOST_CRASHES = 3  # before the canary, where the new model may be innocent
MOST_CUTS = 5  # of the power, in canary: a model that stops the whole device looks like this


def recover(layout: Layout, journal: Journal) -> None:
    """Settle what was cut. May be repeated.

    Args:
        layout: of the device, held by this process.
        journal: its state.

    Raises:
        OSError: the disk cannot be written.
    """
    phase = journal.state.phase
    if phase == "canary":
        _leave_canary(layout, journal)
    elif phase in ("build", "selftest", "shadow") and journal.crashed:
        crashes = journal.state.crashes + 1
        if crashes >= MOST_CRASHES:
            journal.end("rejected", f"crash: the process ended {crashes} times, at last in {phase}", crashes=crashes)
        else:
            journal.note(crashes=crashes, process="")


def _leave_canary(layout: Layout, journal: Journal) -> None:
    state = journal.state
    if state.release is None:
        journal.enter("idle")
        return
    at_work = layout.number("active") == state.release and journal.foreign
    cuts = state.cuts + 1
    if state.reason is None and at_work and journal.crashed:
        # Before the link, so that a cut does not turn the verdict into bad luck.
        journal.note(reason="crash: the process ended in canary")
    elif state.reason is None and at_work and state.process and cuts >= MOST_CUTS:
        journal.note(reason=f"interrupted: the power failed {cuts} times in canary")
    exchange_back(layout, state.release)
    if journal.state.reason is not None:
        journal.end("rolled_back", journal.state.reason)
    elif not state.process:
        journal.enter("deferred", "interrupted: the state was lost")
    elif at_work:
        journal.enter("deferred", "interrupted: the power failed in canary", cuts=cuts)
    else:
        journal.enter("deferred", "interrupted: before the canary began, or after it was left")
