"""Command lines of gst-launch-1.0 that write raw frames to a file descriptor.

Which elements do the work is a table: the hardware's on a Jetson, others in tests and on a PC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from urllib.parse import quote

PROGRAM = "gst-launch-1.0"
FD = "{fd}"  # stands where the number of the file descriptor belongs that the frames go to
CHANNELS = 4  # BGRx: the only packed format that both a Jetson's converter gives and OpenCV reads without padded rows

Turn = Literal["none", "90", "180", "270", "horizontal", "vertical"]
Codec = Literal["h264", "h265"]


@dataclass(frozen=True)
class Elements:
    """Names of elements, as gst-launch writes them.

    Attributes:
        camera: of a CSI camera; `{sensor_id}` is filled in.
        memory: behind `video/x-raw`: where the camera's frames lie.
        convert: to BGRx in main memory, turned; `{turn}` is filled in.
        turns: what the converter calls each turn.
        decoders: by codec.
    """

    camera: str
    memory: str
    convert: str
    turns: Mapping[Turn, str]
    decoders: Mapping[Codec, str]


HARDWARE = Elements(
    camera="nvarguscamerasrc sensor-id={sensor_id}",
    memory="(memory:NVMM)",
    convert="nvvidconv flip-method={turn}",
    turns={"none": "0", "270": "1", "180": "2", "90": "3", "horizontal": "4", "vertical": "6"},
    decoders={"h264": "nvv4l2decoder", "h265": "nvv4l2decoder"},
)
SOFTWARE = Elements(
    camera="videotestsrc is-live=true",
    memory="",
    convert="videoflip video-direction={turn} ! videoconvert ! videoscale",
    turns={
        "none": "identity",
        "90": "90r",
        "180": "180",
        "270": "90l",
        "horizontal": "horiz",
        "vertical": "vert",
    },
    decoders={"h264": "avdec_h264", "h265": "avdec_h265"},
)


def csi_pipeline(sensor_id: int, width: int, height: int, fps: int, turn: Turn, elements: Elements) -> list[str]:
    """Command line for a CSI camera.

    Args:
        sensor_id: number of the camera, from 0.
        width, height: of the camera's frame, before it is turned, pixels.
        fps: frames a second.
        turn: clockwise by so many degrees, or mirrored.
        elements: that do the work.
    """
    seen = f"video/x-raw{elements.memory},width={width},height={height},framerate={fps}/1,format=NV12"
    return [
        *_start(elements.camera.format(sensor_id=sensor_id)),
        "!",
        seen,
        *_to_memory(*turned(width, height, turn), turn, elements),
        *_out(),
    ]


def rtsp_pipeline(url: str, width: int, height: int, codec: Codec, transport: str, elements: Elements) -> list[str]:
    """Command line for an RTSP camera.

    Args:
        url: without a password, for every user of the machine can read a command line.
        width, height: of the frames that come out, pixels.
        codec: that the camera sends.
        transport: 'tcp' or 'udp'.
        elements: that do the work.
    """
    location = quote(url, safe="%:/?&=#,;+~@[]$*")  # blanks, quotes and ! would mean something to gst-launch
    number = codec.removeprefix("h")
    return [
        *_start("rtspsrc"),
        f"location={location}",
        f"protocols={transport}",
        "latency=100",
        "drop-on-latency=true",
        *f"! rtph{number}depay ! h{number}parse ! {elements.decoders[codec]}".split(),
        *_to_memory(width, height, "none", elements),
        *_out(),
    ]


def turned(width: int, height: int, turn: Turn) -> tuple[int, int]:
    """Width and height after the turn."""
    return (height, width) if turn in ("90", "270") else (width, height)


def elements_of(command: Sequence[str]) -> list[str]:
    """The elements of a command line, in their order, without the kinds of frames that stand between them."""
    chain = ["!", *command[len(_start("")) :]]
    return [word for bang, word in pairwise(chain) if bang == "!" and "/" not in word]


def _start(source: str) -> list[str]:
    # Without --no-fault, a crash would wait for a debugger instead of ending.
    return [PROGRAM, "--quiet", "--no-fault", *source.split()]


def _to_memory(width: int, height: int, turn: Turn, elements: Elements) -> list[str]:
    convert = elements.convert.format(turn=elements.turns[turn])
    return ["!", *convert.split(), "!", f"video/x-raw,format=BGRx,width={width},height={height}"]


def _out() -> list[str]:
    queue = "queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0"
    return f"! {queue} ! fdsink fd={FD} sync=false".split()
