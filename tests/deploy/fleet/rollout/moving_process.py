"""A controller process for the kill tests: real registry, real decisions, every device good, the channel in a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import begin, open_rollout
from deploy.fleet.registry.rows import OPEN
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.lock import moving
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.settings import RolloutSettings
from fissura.cohort import in_wave
from tests.deploy.fleet.rollout.fleet_fakes import CHANNEL, MODEL, FileSigner, ended, hasty, here, serials

FLEET = serials(60)
RELEASE = 7


def main(folder: Path, waves: tuple[int, ...]) -> None:
    signer = FileSigner(folder / "channels")
    settings = RolloutSettings(waves=waves)
    with Registry(folder / "fleet.sqlite") as registry, moving(registry.path, CHANNEL):
        done = [one for one in registry.rollouts() if one.state == "done"]
        if done:
            return
        rollout = open_rollout(registry, CHANNEL) or begin(
            registry, plan_rollout(MODEL, RELEASE, CHANNEL, waves, signer.channel(CHANNEL)), time.time()
        )
        registry.store(here(FLEET))
        controller = Controller(registry, rollout, signer, settings, announce=lambda rollout: None, clock=hasty())
        now_s = time.time()
        print("ready", flush=True)
        while controller.rollout.state in OPEN:
            now_s += 2
            controller.step(now_s, 1.0)
            channel = signer.channel(CHANNEL)
            if channel is not None:
                turn = [name for name in FLEET if in_wave(name, RELEASE, channel.percent)]
                registry.store([heard for name in turn for heard in ended(name, RELEASE, 5, good=True)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(map(int, sys.argv[2].split(","))))
