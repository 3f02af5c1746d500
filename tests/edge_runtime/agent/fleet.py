"""A small fleet: a repository made by `fissura fleet`, a web server, a broker, and agents that are real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from edge_runtime.updates.layout import Layout
from edge_runtime.updates.state import State, StateFile
from fissura.bundle import read_manifest
from fissura.imaging.images import write_rgb
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.proven import list_files, make_proven_bundle
from tests.mosquitto import Subscriber, wait_until

MODEL = "cracks"
WIDTH, HEIGHT = 240, 180
PATIENCE_S = 240.0
# A limit that no good model comes near, however busy the machine is.
CANARY = {"frames": 45, "time_s": 3, "slower": None, "p99_ms": 10_000, "silent_s": 5}
CHECKOUT = Path(__file__).parents[3]


class Repository:
    """What the operator types.

    Args:
        folder: of the fleet, and of the bundles.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.home = folder / "fleet"
        self._published = 0
        self._fleet("init", self.home, "--url", "http://127.0.0.1/")

    @property
    def root(self) -> Path:
        return self.home / "repository" / "metadata" / "1.root.json"

    def publish(self, harm: Callable[[Path], None] | None = None) -> int:
        """Give a new release to everybody; `harm` makes it worse first. Returns its number."""
        self._published += 1
        self._fleet("publish", make_bundle(self._folder / f"bundle-{self._published}", self._published, harm))
        self._fleet("promote", MODEL, self._published, "--channel", "stable")
        return self._published

    def _fleet(self, action: str, *words: object) -> None:
        fleet = () if action == "init" else ("--fleet", str(self.home))
        subprocess.run(
            [sys.executable, "-m", "fissura", "fleet", action, *map(str, words), *fleet],
            env={**os.environ, "FISSURA_FLEET_PASSPHRASE": "correct horse battery staple"},
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
            timeout=120,
        )


def make_bundle(folder: Path, number: int, harm: Callable[[Path], None] | None = None) -> Path:
    """A bundle that is like no other one."""
    make_proven_bundle(folder, variants=())
    if harm is not None:
        harm(folder)
    manifest = read_manifest(folder)
    lineage = manifest.lineage.model_copy(update={"seed": number})
    list_files(folder, manifest.model_copy(update={"name": MODEL, "lineage": lineage}))
    return folder


class Agent:
    """`fissura agent` on one device, whose camera is a folder of images.

    Args:
        folder: of the device.
        serial: of the device.
        url: of the repository.
        root: its first root.json.
        broker: port of the operator's broker.
        **limits: sections of the updates' options.
    """

    def __init__(self, folder: Path, serial: str, url: str, root: Path, broker: int, **limits: Any) -> None:
        self.folder, self.serial = folder, serial
        self.images = folder / "images"
        for number in range(5):
            write_rgb(self.images / f"{number}.png", pavement(number, width=WIDTH, height=HEIGHT))
        shutil.copy(root, folder / "root.json")
        run = {
            "bundle": str(make_bundle(folder / "factory", 0)),
            "source": f"folder:{self.images}?fps=15&loop=true",
            "sink": f"jsonl:{folder / 'found.jsonl'}",
            "serial": serial,
            "threads": 1,
            "json": True,
        }
        updates = {
            "url": url,
            "root": str(folder / "root.json"),
            "state": str(folder / "state"),
            "poll_s": 1,
            "hint_s": 0.2,
            "download": {"margin_bytes": 0},
            "trial": {"frames": 3},
            "shadow": {"frames": 6, "rich_frames": 3, "free_frames": 0, "time_share": 1.0},
            "canary": CANARY,
            "report": {"broker": f"mqtt://127.0.0.1:{broker}"},
            **limits,
        }
        (folder / "run.yaml").write_text(yaml.safe_dump(run))
        (folder / "updates.yaml").write_text(yaml.safe_dump(updates))
        self.layout = Layout(folder / "state")
        self._log = (folder / "log").open("w")
        words = ["agent", "--config", folder / "run.yaml", "--updates", folder / "updates.yaml"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fissura", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=CHECKOUT,
        )

    @property
    def state(self) -> State:
        return StateFile(self.layout.state).load() or State()

    def ended(self, release: int, phase: str) -> bool:
        """Whether the release came to this end."""
        return (self.state.release, self.state.phase) == (release, phase)

    def enters(self, release: int, phase: str) -> bool:
        """Wait for it."""
        return wait_until(lambda: self.ended(release, phase) or self.process.poll() is not None, PATIENCE_S)

    def glare(self) -> None:
        """From now on the sun shines into the camera now and then."""
        aside = self.folder / "glare.png"
        write_rgb(aside, np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
        aside.replace(self.images / "4.png")

    def no_glare(self) -> None:
        aside = self.folder / "road.png"
        write_rgb(aside, pavement(4, width=WIDTH, height=HEIGHT))
        aside.replace(self.images / "4.png")

    def found(self) -> list[dict[str, Any]]:
        """Detections, in order."""
        path = self.folder / "found.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def end(self) -> dict[str, Any]:
        """In good order; the summary of its last run."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.log()
        summary: dict[str, Any] = json.loads(out.splitlines()[-1])
        return summary

    def kill(self) -> None:
        """Whatever became of it."""
        self.process.kill()
        self.process.communicate()
        self._log.close()


def ends(subscriber: Subscriber, serial: str) -> list[tuple[int, str]]:
    """What the operator heard of a device: how its releases ended, each once."""
    heard = [
        (event["sequence"], event["release"], event["phase"])
        for event in subscriber.of("update/event")
        if event["serial"] == serial and event["phase"] in ("committed", "rejected", "rolled_back", "quarantined")
    ]
    return [(release, phase) for _, release, phase in sorted(set(heard))]
