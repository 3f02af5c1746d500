"""The plain loop: OpenCV decodes, ONNX Runtime computes, OpenCV outlines, paho publishes. One thread, besides paho's.

What it leaves out, and `fissura run` does: a message store that survives a power cut, skeletons, widths, confidences,
schemas, telemetry, health, a watchdog, back-pressure, counting what is lost.

    python peer_plain.py MODEL.onnx VIDEO PORT [--threads 1] [--seconds 5]     prints one line of JSON
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import paho.mqtt
from bare import engine_figures, frame_size, run_bare, session_options
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from stopwatch import Stopwatch

TOPIC = "cracks"
MIN_LENGTH_PX = 20.0
CLOSE_PX = 1.0  # how closely an outline is followed
ACKNOWLEDGED_S = 60.0


def main() -> None:
    """Run the loop, and the bare engine before and after it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("port", type=int, help="of a broker on 127.0.0.1")
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="of the bare engine, before and after")
    parser.add_argument("--size", type=frame_size, default=(480, 320))
    arguments = parser.parse_args()
    bare = partial(run_bare, arguments.model, arguments.threads, arguments.seconds / 2, arguments.size)
    before = bare()
    figures = run_loop(arguments.model, arguments.video, arguments.port, arguments.threshold, arguments.threads)
    print(json.dumps({**figures, **engine_figures(before + bare()), "versions": versions()}))


def run_loop(model: Path, video: Path, port: int, threshold: float, threads: int) -> dict[str, Any]:
    """Every frame of the video."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="plain")
    client.connect("127.0.0.1", port)
    client.loop_start()
    session = ort.InferenceSession(str(model), session_options(threads), providers=["CPUExecutionProvider"])
    input_name, output_name = session.get_inputs()[0].name, session.get_outputs()[0].name
    capture = cv2.VideoCapture(str(video))
    stopwatch, sent, found, number = Stopwatch(), [], 0, 0
    while True:
        read, bgr = capture.read()
        if not read:
            break
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        (probability,) = session.run([output_name], {input_name: rgb[None]})
        cracks = outlines(probability[0, 0], threshold)
        if cracks:
            message = {"frame": number, "utc": time.time(), "cracks": cracks}
            sent.append(client.publish(TOPIC, json.dumps(message), qos=1))
        found += len(cracks)
        number += 1
        stopwatch.press()
    for publication in sent:
        publication.wait_for_publish(ACKNOWLEDGED_S)
    figures = stopwatch.stop()
    client.disconnect()
    client.loop_stop()
    acknowledged = sum(publication.is_published() for publication in sent)
    return figures | {"cracks": found, "published": len(sent), "acknowledged": acknowledged}


def outlines(probability: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """The cracks of a probability map (H, W)."""
    mask = (probability >= threshold).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cracks = []
    for contour in contours:
        length = cv2.arcLength(contour, True) / 2
        if length < MIN_LENGTH_PX:
            continue
        polygon = cv2.approxPolyDP(contour, CLOSE_PX, True)
        cracks.append(
            {
                "length_px": round(length, 1),
                "area_px": cv2.contourArea(contour),
                "box": list(cv2.boundingRect(contour)),
                "polygon": polygon[:, 0].tolist(),
            }
        )
    return cracks


def versions() -> dict[str, str]:
    """Of what ran."""
    return {
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "onnxruntime": ort.__version__,
        "paho-mqtt": paho.mqtt.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    main()
