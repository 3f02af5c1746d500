from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from edge_runtime.sources import open_source
from edge_runtime.sources.camera.gst_pipeline import (
    HARDWARE,
    SOFTWARE,
    csi_pipeline,
    elements_of,
    rtsp_pipeline,
    turned,
)
from edge_runtime.sources.csi import CsiConfig, CsiSource
from fissura.errors import ConfigError, MissingDependencyError

OUT = "! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! fdsink fd={fd} sync=false"


def test_a_csi_camera_on_a_jetson() -> None:
    assert " ".join(csi_pipeline(1, 1280, 720, 60, "90", HARDWARE)) == (
        "gst-launch-1.0 --quiet --no-fault nvarguscamerasrc sensor-id=1 "
        "! video/x-raw(memory:NVMM),width=1280,height=720,framerate=60/1,format=NV12 "
        f"! nvvidconv flip-method=3 ! video/x-raw,format=BGRx,width=720,height=1280 {OUT}"
    )


def test_an_rtsp_camera_on_a_jetson() -> None:
    words = rtsp_pipeline("rtsp://cam:8554/live?channel=1", 1920, 1080, "h265", "udp", HARDWARE)
    assert " ".join(words) == (
        "gst-launch-1.0 --quiet --no-fault rtspsrc location=rtsp://cam:8554/live?channel=1 protocols=udp latency=100 "
        "drop-on-latency=true ! rtph265depay ! h265parse ! nvv4l2decoder ! nvvidconv flip-method=0 "
        f"! video/x-raw,format=BGRx,width=1920,height=1080 {OUT}"
    )


def test_software_elements_take_the_hardwares_place_one_by_one() -> None:
    hard = csi_pipeline(0, 640, 480, 30, "180", HARDWARE)
    soft = csi_pipeline(0, 640, 480, 30, "180", SOFTWARE)
    assert not {word for word in soft if word.startswith("nv")} and {word for word in hard if word.startswith("nv")}
    assert "avdec_h264" in rtsp_pipeline("rtsp://cam/", 64, 48, "h264", "tcp", SOFTWARE)
    assert HARDWARE.turns.keys() == SOFTWARE.turns.keys() and HARDWARE.decoders.keys() == SOFTWARE.decoders.keys()


@pytest.mark.parametrize("text", ["rtsp://cam/a ! filesink location=/x", "rtsp://cam/a'b\"c\\d(e)", "rtsp://cam/{fd}"])
def test_an_address_adds_no_elements(text: str) -> None:
    (location,) = [word for word in rtsp_pipeline(text, 64, 48, "h264", "tcp", SOFTWARE) if "location" in word]
    assert not set(location) & set(" !'\"\\(){}")


@pytest.mark.parametrize(("turn", "size"), [("none", (4, 2)), ("90", (2, 4)), ("180", (4, 2)), ("270", (2, 4))])
def test_a_quarter_turn_swaps_the_sides(turn: str, size: tuple[int, int]) -> None:
    assert turned(4, 2, turn) == size  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("csi:/dev/video0", "has no place"),
        ("csi:?flip=45", "flip"),
        ("rtsp://cam/live?decoder=gstreamer", "without width and height"),
        ("rtsp://u:pw@cam/live?decoder=nvv4l2decoder&width=64&height=48", "with a password"),
        ("rtsp://cam/live?token=1234&decoder=gstreamer&width=64&height=48", "with a password"),
        ("rtsp://cam/live?width=64", "width with decoder=software"),
        ("rtsp://cam/live?decoder=hardware", "decoder"),
    ],
)
def test_what_cannot_work_is_refused(uri: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found) as caught:
        open_source(uri)
    assert "pw" not in str(caught.value).replace("password", "") and "1234" not in str(caught.value)


def test_without_gstreamer_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependencyError, match="is not installed") as caught:
        open_source("csi:")
    assert "apt-get install" in caught.value.fix


def test_the_elements_of_a_command_line() -> None:
    command = csi_pipeline(0, 64, 48, 30, "none", HARDWARE)
    assert elements_of(command) == ["nvarguscamerasrc", "nvvidconv", "queue", "fdsink"]
    command = rtsp_pipeline("rtsp://cam/live", 64, 48, "h265", "tcp", SOFTWARE)
    assert elements_of(command)[:4] == ["rtspsrc", "rtph265depay", "h265parse", "avdec_h265"]


@pytest.mark.parametrize(
    ("element", "package"),
    [("nvnosuchcamera sensor-id={sensor_id}", "nvidia-l4t-gstreamer"), ("nosuchcamera", "gstreamer1.0-plugins-good")],
)
def test_an_element_that_is_missing_is_said_at_once(element: str, package: str) -> None:
    if shutil.which("gst-inspect-1.0") is None:
        pytest.skip("gst-inspect-1.0 is not installed: sudo apt-get install gstreamer1.0-tools")
    with pytest.raises(MissingDependencyError, match=f"no element '{element.split()[0]}'") as caught:
        CsiSource("", CsiConfig(), replace(SOFTWARE, camera=element))
    assert package in caught.value.fix and ("JetPack" in caught.value.expected) == element.startswith("nv")
