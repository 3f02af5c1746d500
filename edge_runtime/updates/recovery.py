"""What an earlier process left: a canary goes back, everything before it goes on.

A process that died beside a new model while the device stayed up is a crash; one that ended with the device is a power
cut, which says nothing about the model.
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
    state, crashed = journal.state, journal.crashed
    if state.release is not None:
        exchange_back(layout, state.release)
    cuts = state.cuts + 1
    if state.reason is not None:
        journal.end("rolled_back", state.reason)
    elif crashed:
        journal.end("rolled_back", "crash: the process ended in canary")
    elif cuts >= MOST_CUTS:
        journal.end("rolled_back", f"interrupted: the power failed {cuts} times in canary")
    else:
        journal.enter("deferred", "interrupted: the power failed in canary", cuts=cuts)
