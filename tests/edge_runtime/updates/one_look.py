"""A process that starts, opens what it may, looks into the repository once, and tells how that went as JSON.

python -m tests.edge_runtime.updates.one_look FOLDER URL ROOT FACTORY [REASON]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fissura.bundle import load_bundle
from fissura.errors import FissuraError, RejectedError
from tests.edge_runtime.updates.device import Device, raising


def main(folder: Path, url: str, root: Path, factory: Path, reason: str = "") -> None:
    """With a reason, every canary is rejected for it."""
    device = Device(folder, url, root.read_bytes(), factory)
    opened = load_bundle(device.boot())
    if reason:
        device.stream.on_canary = raising(RejectedError(reason))
    try:
        phase = device.look()
    except FissuraError as error:
        phase = error.found
    print(
        json.dumps(
            {
                "opened": opened.manifest.lineage.seed,
                "phase": phase,
                "active": device.check_active(),
                "previous": device.layout.number("previous"),
                "ends": [[sequence, standing.phase] for sequence, standing in device.events.told],
                "reason": device.events.last.reason if device.events.last else None,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
