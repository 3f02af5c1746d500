"""From a device with a certificate, over the shipped broker, to the page."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_runtime.local_broker import find_mosquitto
from fissura.update_messages import Presence, UpdateState
from tests.deploy.fleet.console.console_process import ConsoleProcess, make_home
from tests.deploy.fleet.console.sightings import detection
from tests.deploy.mosquitto.guarded_broker import Client, GuardedBroker
from tests.mosquitto import start_run, wait_until

CHECKOUT = Path(__file__).parents[4]


def test_what_a_device_says_is_shown_and_what_a_forger_says_is_not(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    with GuardedBroker(tmp_path / "broker") as broker:
        for name in ("truck-07", "truck-08", "console"):
            broker.issue(name)
        options = ("--broker", f"mqtts://localhost:{broker.port}", "--credentials", broker.folder / "console")
        with ConsoleProcess(make_home(tmp_path / "fleet"), *options) as console, console.logged_in() as page:
            with Client(broker, "truck-07") as device, Client(broker, "truck-08") as forger:
                assert device.start() and forger.start()
                state = UpdateState(
                    serial="truck-07",
                    sequence=1,
                    phase="rejected",
                    release=4,
                    model="cssr",
                    reason="golden: worse",
                    channel="stable",
                    hardware="x86_64",
                    version="0.1.0",
                    sent_utc=datetime.now(timezone.utc),
                )
                forger.publish("fissura/v1/truck-07/update/state", b"{}", retain=True)
                forger.publish("fissura/v1/truck-07/detection", detection("truck-07", 99).to_json())
                forger.publish("fissura/v1/truck-08/detection", detection("truck-07", 98).to_json())
                device.publish("fissura/v1/truck-07/update/state", state.to_json(), retain=True)
                device.publish("fissura/v1/truck-07/update/online", Presence(serial="truck-07", online=True).to_json())
                for number in range(20):
                    device.publish("fissura/v1/truck-07/detection", detection("truck-07", number).to_json())
                assert wait_until(lambda: page.get("cracks/totals").json()["cracks"] == 20)
                assert wait_until(lambda: "golden: worse" in page.get("").text)
            row = re.sub(r"<[^>]+>|\s+", " ", page.get("?q=truck-07").text)
            assert "online" in row and "rejected" in row
            console.kill()
            with Client(broker, "truck-07") as device:
                assert device.start()
                device.publish("fissura/v1/truck-07/detection", detection("truck-07", 20).to_json())
                device.publish("fissura/v1/truck-07/detection", detection("truck-07", 0).to_json())
                assert wait_until(lambda: device.unacknowledged() == 0)
            console.start()
            with console.logged_in() as again:
                assert wait_until(lambda: again.get("cracks/totals").json()["cracks"] == 21), (
                    "a killed console lost one"
                )
                document = json.loads(again.get("cracks.geojson").content)
                assert len(document["features"]) == 21
                assert again.get("cracks.geojson?bbox=1,2,3").status_code == 400
                crack = document["features"][0]
                assert again.get(f"cracks/{crack['id']}").json() == crack
                assert again.get("cracks/clusters?cell_lon=x&cell_lat=1").status_code == 400
                assert again.get("cracks/clusters?cell_lon=0&cell_lat=1").status_code == 400


@pytest.mark.slow
def test_a_real_run_with_an_enrolled_certificate_puts_its_cracks_on_the_map(tmp_path: Path) -> None:
    """As the how-to says it: what `fissura fleet enroll` hands out is the device's configuration."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    with GuardedBroker(tmp_path / "broker") as broker:
        broker.issue("console")
        folder = broker.issue("truck-07")
        snippet = (folder / "run.yaml").read_text()
        config = tmp_path / "run.yaml"
        config.write_text(
            snippet.replace("/etc/fissura/tls", str(folder)).replace(
                "mqtts://BROKER", f"mqtts://localhost:{broker.port}"
            )
            + f"bundle: {CHECKOUT / 'examples' / 'bundles' / 'tiny'}\n"
            "source: synth:?count=4&gsd=0.5\nposition: fixed:52.5,13.4\nthreads: 1\n"
            f"spool: {tmp_path / 'spool.sqlite'}\n"
        )
        options = ("--broker", f"mqtts://localhost:{broker.port}", "--credentials", broker.folder / "console")
        with ConsoleProcess(make_home(tmp_path / "fleet"), *options) as console, console.logged_in() as page:
            run = start_run("--config", config, "--json")
            out, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
            found = json.loads(out)["detections"]
            assert found > 0
            assert wait_until(lambda: page.get("cracks/totals?serial=truck-07").json()["located"] == found)
            features = json.loads(page.get("cracks.geojson").content)["features"]
    assert {tuple(feature["geometry"]["coordinates"]) for feature in features} == {(13.4, 52.5)}
    assert all(feature["properties"]["max_width_mm"] > 0 for feature in features)


@pytest.mark.slow
def test_a_run_that_tracks_puts_each_crack_on_the_map_once(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    log = tmp_path / "told.jsonl"
    with GuardedBroker(tmp_path / "broker") as broker:
        broker.issue("console")
        tls = broker.issue("truck-07")
        options = ("--broker", f"mqtts://localhost:{broker.port}", "--credentials", broker.folder / "console")
        with ConsoleProcess(make_home(tmp_path / "fleet"), *options) as console, console.logged_in() as page:
            run = start_run(
                *("--bundle", CHECKOUT / "examples" / "bundles" / "tiny", "--mode", "segmentation", "--threads", "1"),
                *("--source", "synth:?fly=8&count=30&gsd=0.5", "--position", "fixed:52.5,13.4", "--track"),
                *("--serial", "truck-07", "--sink", f"jsonl:{log}"),
                *("--sink", f"mqtts://localhost:{broker.port}", "--spool", tmp_path / "spool.sqlite"),
                *("--ca", tls / "ca.pem", "--cert", tls / "client.pem", "--key", tls / "client.key"),
            )
            _, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
            told = [json.loads(line) for line in log.read_text().splitlines()]
            ends = {one["event_id"]: one for one in told if one["phase"] == "end" and one["part_of"] is None}
            assert len(told) > 2 * len(ends) > 2
            assert wait_until(lambda: {one["id"] for one in _features(page)} == set(ends))
            for feature in _features(page):
                end = ends[feature["id"]]
                assert feature["properties"]["length_px"] == end["crack"]["length_px"]
                assert feature["properties"]["seen_frames"] == end["seen_frames"]


def _features(page: httpx.Client) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(page.get("cracks.geojson").content)["features"]
    return features
