"""fissura, ultralytics and a plain loop side by side: the same video, the same number of threads, in turn.

    python benchmarks/runtime/environment.py /tmp/peers
    python benchmarks/runtime/peers.py BUNDLE [BUNDLE ...] --peer-python /tmp/peers/bin/python

Each of them runs in a process of its own, round after round, and in each of these its own engine file runs before and
after it with nothing around: eta is the ratio of the two. What is compared, and how, stands below the table that this
writes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ask import ask
from bare import frame_size
from clip import images_of, write_clip
from costs import costs_of, networks_of
from stopwatch import WARM_UP
from table import markdown

from edge_runtime.local_broker import LocalBroker
from edge_runtime.probe import processor
from fissura.bundle import load_bundle
from fissura.errors import EXIT_CODE, EngineError, FissuraError
from fissura.files import write_text
from fissura.progress import progress

OUT = Path(__file__).parents[1] / "results" / "runtime"
MEDIANS = ("fps", "cpu_ms", "rss_mb", "engine_fps")
TIMES = ("frame_ms", "engine_ms")


@dataclass(frozen=True)
class Peer:
    """One of those that are compared.

    Attributes:
        name: in the table.
        command: that runs it, but for the options that all have.
    """

    name: str
    command: tuple[str, ...]


def main() -> int:
    """Compare and write the results; returns the exit code."""
    arguments = _arguments()
    try:
        size = "{}x{}".format(*arguments.size)
        networks = networks_of(arguments.peer_python, arguments.models, size)
        models = [load_bundle(path).graph_path("segmentation") for path in arguments.bundles]
        costs = costs_of([*models, *networks], arguments.threads, size)
        bundles = [_compare(path, costs, networks, arguments) for path in arguments.bundles]
    except FissuraError as error:
        print(f"peers: {error}", file=sys.stderr)
        return EXIT_CODE
    results = {
        "made_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": _command(arguments, [found["bundle"] for found in bundles]),
        "processor": processor(),
        "frame_px": list(arguments.size),
        "data": arguments.data,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "bundles": bundles,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "peers.json", json.dumps(results, indent=2) + "\n")
    write_text(arguments.out / "peers.md", markdown(results))
    print(markdown(results))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add(
        "bundles", type=Path, nargs="+", metavar="BUNDLE", help="with a graph 'segmentation' that takes the whole frame"
    )
    add("--peer-python", type=Path, required=True, metavar="PATH", help="of the environment that environment.py makes")
    add("--models", type=Path, metavar="DIR", help="ultralytics' exports, kept (default: beside that environment)")
    add("--data", default="cfd", help="images of the video (default: %(default)s)")
    add("--size", type=frame_size, default=(480, 320), metavar="WxH", help="of these images (default: 480x320)")
    add("--threads", type=int, default=1, help="of an engine (default: %(default)s)")
    add("--rounds", type=int, default=7, help="(default: %(default)s)")
    add(
        "--seconds",
        type=float,
        default=10.0,
        help="of each run, about; half as long for the bare engine, before and after",
    )
    add("--out", type=Path, default=OUT, help="(default: %(default)s)")
    arguments = parser.parse_args()
    # Not resolved: the interpreter of an environment is a link, and knows the environment by where that lies.
    arguments.peer_python = arguments.peer_python.absolute()
    arguments.models = arguments.models or arguments.peer_python.parents[1] / "models"
    return arguments


def _command(arguments: argparse.Namespace, bundles: Sequence[str]) -> str:
    """As another machine would be given it."""
    width, height = arguments.size
    return (
        f"python benchmarks/runtime/peers.py {' '.join(bundles)} --peer-python PEERS/bin/python "
        f"--data {arguments.data} --size {width}x{height} --threads {arguments.threads} --rounds {arguments.rounds} "
        f"--seconds {arguments.seconds:g}"
    )


def _compare(
    path: Path, costs: Mapping[Path, float], networks: Sequence[Path], arguments: argparse.Namespace
) -> dict[str, Any]:
    """All rounds of one bundle."""
    bundle = load_bundle(path)
    graph = bundle.graph("segmentation")
    width, height = arguments.size
    if width % graph.input.multiple or height % graph.input.multiple:
        raise EngineError(f"the plain loop does not pad, and {width}x{height} is no multiple of {graph.input.multiple}")
    model = bundle.graph_path("segmentation")
    cost = costs[model]
    yolo = min(networks, key=lambda network: abs(math.log(costs[network] / cost)))
    print(f"{bundle.manifest.name} {cost:.1f} ms, {yolo.stem} {costs[yolo]:.1f} ms", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fissura-peers-") as name:
        folder = Path(name)
        video = folder / "road.mp4"
        frames = WARM_UP + math.ceil(arguments.seconds * 1e3 / cost)
        write_clip(video, images_of(arguments.data, arguments.size), frames, arguments.size)
        with LocalBroker(folder) as broker:
            peers = _peers(path, model, yolo, video, broker.port, float(graph.threshold or 0.5), arguments)
            numbers = progress(range(arguments.rounds), "rounds", arguments.rounds)
            rounds = [_round(number, peers, folder, frames, arguments) for number in numbers]
    return {
        "bundle": bundle.manifest.name,
        "bundle_id": bundle.id,
        "frames": frames,
        "warm_up": WARM_UP,
        "ultralytics_network": yolo.stem,
        "ms": round(cost, 2),
        "ultralytics_ms": round(costs[yolo], 2),
        "load_average": round(os.getloadavg()[2], 2),
        "peers": {peer.name: _summary(peer.name, rounds) for peer in peers},
        "rounds": rounds,
    }


def _peers(
    bundle: Path, model: Path, yolo: Path, video: Path, port: int, threshold: float, arguments: argparse.Namespace
) -> list[Peer]:
    python = str(arguments.peer_python)
    plain = (python, "peer_plain.py", str(model), str(video), str(port), "--threshold", str(threshold))
    ultralytics = (python, "peer_ultralytics.py", "run", str(yolo), str(video))
    own = (sys.executable, "peer_fissura.py", str(bundle.resolve()), str(video), str(port))
    return [Peer("fissura", own), Peer("plain loop", plain), Peer("ultralytics", ultralytics)]


def _round(
    number: int, peers: Sequence[Peer], folder: Path, frames: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Every peer once, another one first each time."""
    first = number % len(peers)
    width, height = arguments.size
    common = ["--threads", str(arguments.threads), "--seconds", str(arguments.seconds / 2)]
    common += ["--size", f"{width}x{height}"]
    found = {}
    for peer in [*peers[first:], *peers[:first]]:
        command = [*peer.command]
        if peer.name == "fissura":
            store = folder / f"store-{number}"
            store.mkdir()
            command.append(str(store))
        figures = ask([*command, *common])
        _check(peer, figures, frames)
        found[peer.name] = figures
    return found


def _check(peer: Peer, figures: dict[str, Any], frames: int) -> None:
    """A rate counts only where nothing was lost on the way."""
    lost = frames - figures["frames"] - WARM_UP + figures.get("left_in_spool", 0)
    if lost or figures.get("drops") or figures.get("acknowledged", 0) < figures.get("published", 0):
        raise EngineError(f"{peer.name} lost frames or messages: {figures}")


def _summary(name: str, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds; ratios are those within a round."""
    own = [found[name] for found in rounds]
    return {
        **{key: round(statistics.median(one[key] for one in own), 3) for key in MEDIANS},
        **{
            key: {part: round(statistics.median(one[key][part] for one in own), 3) for part in own[0][key]}
            for key in TIMES
        },
        "eta": round(statistics.median(one["fps"] / one["engine_fps"] for one in own), 4),
        "fps_by_plain_loop": round(
            statistics.median(found[name]["fps"] / found["plain loop"]["fps"] for found in rounds), 4
        ),
        "cracks_a_frame": round(own[0]["cracks"] / (own[0]["frames"] + WARM_UP), 2),
        "published": own[0].get("published"),
        "acknowledged": own[0].get("acknowledged"),
        "versions": own[0]["versions"],
    }


if __name__ == "__main__":
    sys.exit(main())
