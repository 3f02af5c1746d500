"""One suite for every row of SINKS, and what is particular to the files."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest

from edge_runtime.frame import Frame
from edge_runtime.local_broker import LocalBroker
from edge_runtime.sinks import SINKS, open_sink
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from fissura.errors import ConfigError, SinkError
from fissura.imaging.images import read_rgb
from fissura.messages import CrackGeometry, Detection, ModelStamp
from tests.edge_runtime.conftest import pavement

MODEL = ModelStamp(name="tiny", bundle_id="0" * 64, mode="fused", engine="onnxruntime", threshold=0.5)
CONTEXT = SinkContext("s1", "m1", MODEL)
PROBABILITY = np.zeros((144, 192), np.float32)
PROBABILITY[40:80, 40:46] = 1


def make_frame(sequence: int = 0, *, name: str | None = None, width: int = 96, height: int = 72) -> Frame:
    return Frame(
        pavement(sequence, width=width, height=height), 1, datetime.now(timezone.utc), "ntp", sequence, "front", name
    )


def make_detection(frame: Frame, *, x: float = 19.5, points: int = 4, mm: bool = False) -> Detection:
    corners = ((x, 19.5), (x + 3, 19.5), (x + 3, 39.5), (x, 39.5))
    sizes = {"length_mm": 200.0, "mean_width_mm": 30.0, "max_width_mm": 31.0} if mm else {}
    return Detection(
        serial="s1",
        event_id=uuid4(),
        mission_id="m1",
        frame=frame.stamp(),
        crack=CrackGeometry(
            length_px=20,
            mean_width_px=3,
            max_width_px=3.1,
            area_px=60,
            bbox_px=(x, 19.5, 3, 20),
            polygon_px=corners if points == 4 else tuple((float(n), float(n % 7)) for n in range(points)),
            **sizes,
        ),
        confidence=0.9,
        model=ModelStamp(name="n", bundle_id="0" * 64, mode="fused", engine="e", threshold=0.5),
    )


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """Files of this process end at a size, as they do on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def deadline(seconds: float = 10) -> Deadline:
    made = Deadline(seconds)
    made.start()
    return made


class TestEverySink:
    @pytest.fixture(params=list(SINKS))
    def uri(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        if request.param.startswith("mqtt"):
            if request.param == "mqtts":  # nobody answers: the spool is all there is
                return f"mqtts://127.0.0.1:1?spool={tmp_path}/s.sqlite"
            broker: LocalBroker = request.getfixturevalue("broker")
            return f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite"
        return {"jsonl": f"jsonl:{tmp_path}/new/found.jsonl", "overlay": f"overlay:{tmp_path}/new/frames"}[
            str(request.param)
        ]

    def test_takes_frames_with_and_without_cracks(self, uri: str) -> None:
        sink = open_sink(uri, CONTEXT)
        assert sink.stage
        for sequence in range(3):
            frame = make_frame(sequence)
            sink.put(frame, [make_detection(frame, x=10 + 20 * n) for n in range(sequence)], PROBABILITY)
        sink.flush(deadline(0.3 if uri.startswith("mqtts") else 10))
        sink.close()
        totals = sink.totals()
        assert 3 in totals.values()  # three detections, or three frames
        assert all(isinstance(number, int) for number in totals.values())

    def test_closes_twice_and_without_a_frame(self, uri: str) -> None:
        sink = open_sink(uri, CONTEXT)
        sink.close()
        sink.close()

    def test_a_flush_ends_when_it_is_cancelled(self, uri: str) -> None:
        sink = open_sink(uri, CONTEXT)
        frame = make_frame()
        sink.put(frame, [make_detection(frame)], PROBABILITY)
        cancelled = Deadline(60)
        cancelled.cancel()
        cancelled.start()
        sink.flush(cancelled)
        sink.close()

    def test_an_unknown_option_is_refused(self, uri: str) -> None:
        with pytest.raises(ConfigError, match="colour"):
            open_sink(f"{uri}{'&' if '?' in uri else '?'}colour=red", CONTEXT)


def test_an_unknown_scheme_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        open_sink("json:x", CONTEXT)
    assert "jsonl:x" in caught.value.fix


class TestJsonl:
    def test_lines_are_the_messages_and_a_second_run_appends(self, tmp_path: Path) -> None:
        path = tmp_path / "found.jsonl"
        expected = []
        for _ in range(2):
            sink = open_sink(f"jsonl:{path}", CONTEXT)
            frame = make_frame()
            detections = [make_detection(frame), make_detection(frame, x=50)]
            sink.put(frame, detections, PROBABILITY)
            expected += detections
            sink.close()
        assert [Detection.model_validate_json(line) for line in path.read_text().splitlines()] == expected

    @pytest.mark.parametrize("torn", [10, 100_000])
    def test_a_torn_line_is_cut_off_and_said(self, tmp_path: Path, torn: int, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "found.jsonl"
        kept = [make_detection(make_frame(n)) for n in range(2)]
        whole = b"".join(detection.to_json() + b"\n" for detection in kept)
        path.write_bytes(whole + kept[0].to_json()[:20] + b"x" * torn)
        with caplog.at_level(logging.WARNING):
            sink = open_sink(f"jsonl:{path}", CONTEXT)
        frame = make_frame()
        sink.put(frame, [make_detection(frame)], PROBABILITY)
        sink.close()
        lines = [Detection.model_validate_json(line) for line in path.read_text().splitlines()]
        assert lines[:2] == kept and len(lines) == 3
        assert "torn line" in caplog.text

    def test_a_first_line_that_is_torn_is_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "found.jsonl"
        path.write_bytes(make_detection(make_frame()).to_json()[:200])
        open_sink(f"jsonl:{path}", CONTEXT).close()
        assert path.read_bytes() == b""

    @pytest.mark.parametrize("content", [b"notes\nwithout an end", b"notes", b'{"a":1}\n{"b":', b"\xff\xfe\n\x00"])
    def test_a_file_of_something_else_is_left_alone(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "notes.txt"
        path.write_bytes(content)
        with pytest.raises(SinkError, match="something else than detections"):
            open_sink(f"jsonl:{path}", CONTEXT)
        assert path.read_bytes() == content

    def test_a_full_disk_costs_only_what_did_not_fit(self, tmp_path: Path) -> None:
        path = tmp_path / "found.jsonl"
        frame, sink = make_frame(), open_sink(f"jsonl:{path}", CONTEXT)
        first, lost, last = (make_detection(frame) for _ in range(3))
        sink.put(frame, [first], PROBABILITY)
        with room_for(path.stat().st_size + 100), pytest.raises(SinkError, match="cannot be written"):
            sink.put(frame, [lost], PROBABILITY)
        sink.put(frame, [last], PROBABILITY)
        sink.flush(deadline())
        sink.close()
        assert [Detection.model_validate_json(line) for line in path.read_bytes().splitlines()] == [first, last]
        assert sink.totals() == {"jsonl_lines": 2}

    def test_a_pipe_is_written_to(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        frame, sink = make_frame(), open_sink(f"jsonl:{path}", CONTEXT)
        detection = make_detection(frame)
        sink.put(frame, [detection], PROBABILITY)
        sink.flush(deadline())
        assert Detection.model_validate_json(os.read(reading, 1 << 16)) == detection
        os.close(reading)
        with pytest.raises(SinkError, match="Broken pipe"):
            sink.put(frame, [detection], PROBABILITY)
        sink.close()

    def test_a_disk_that_fails_at_the_flush_is_an_error_of_ours(self, tmp_path: Path) -> None:
        sink = open_sink(f"jsonl:{tmp_path}/found.jsonl", CONTEXT)
        os.close(sink._stream.fileno())  # type: ignore[attr-defined]
        with pytest.raises(SinkError, match="Bad file descriptor"):
            sink.flush(deadline())
        with pytest.raises(SinkError, match="Bad file descriptor"):
            sink.close()

    def test_a_full_disk_is_an_error(self) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        frame, sink = make_frame(), open_sink("jsonl:/dev/full", CONTEXT)
        with pytest.raises(SinkError, match="No space left"):
            sink.put(frame, [make_detection(frame)], PROBABILITY)

    def test_a_path_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(SinkError, match="cannot be written"):
            open_sink(f"jsonl:{tmp_path}/file/found.jsonl", CONTEXT)


class TestOverlay:
    def test_images_are_named_after_their_frames(self, tmp_path: Path) -> None:
        sink = open_sink(f"overlay:{tmp_path}?format=jpg", CONTEXT)
        for sequence, name in enumerate(["a.png", None, "a.jpg"]):
            sink.put(make_frame(sequence, name=name), [], PROBABILITY)
        sink.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a-000002.jpg", "a.jpg", "front-000001.jpg"]

    def test_names_of_a_long_run_take_no_memory(self, tmp_path: Path) -> None:
        sink = open_sink(f"overlay:{tmp_path}", CONTEXT)
        for sequence in range(6):
            sink.put(make_frame(sequence, name="film.mp4" if sequence % 2 else None), [], PROBABILITY)
        assert sink._writer._cameras == {"film": "front"}  # type: ignore[attr-defined]
        names = sorted(path.stem for path in tmp_path.iterdir())
        assert names == ["film", "film-000003", "film-000005", "front-000000", "front-000002", "front-000004"]
        sink.close()

    def test_two_cameras_and_a_second_run_write_nothing_over(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        sources = ("rtsp://10.0.0.7/live", "csi:0", "rtsp://10.0.0.7:live")

        def run() -> list[str]:
            before = {path: path.read_bytes() for path in tmp_path.iterdir()}
            sink = open_sink(f"overlay:{tmp_path}", CONTEXT)
            for source in sources:
                for name in (None, "a.png", "a.png"):
                    sink.put(replace(make_frame(7, name=name), source=source), [], PROBABILITY)
            sink.close()
            assert all(path.read_bytes() == content for path, content in before.items())
            return sorted(path.stem for path in tmp_path.iterdir() if path not in before)

        first = run()
        assert len(first) == 9 and {"rtsp-10.0.0.7-live-000007", "csi-0-000007", "a", "csi-0-a"} <= set(first)
        caplog.clear()
        second = run()
        assert len(second) == 9 and all(int(stem.rpartition("-")[2]) >= 2 for stem in second)
        assert {"rtsp-10.0.0.7-live-000007-3", "a-3", "csi-0-a-3"} <= set(second)  # two were alike: one has had the 2
        assert "is there already and stays" in caplog.text
        assert len(run()) == 9

    def test_a_second_video_is_another(self, tmp_path: Path) -> None:
        for _ in range(3):
            sink = open_sink(f"overlay:{tmp_path / 'film.mp4'}", CONTEXT)
            sink.put(make_frame(), [], PROBABILITY)
            sink.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["film-2.mp4", "film-3.mp4", "film.mp4"]

    @pytest.mark.parametrize("source", ["../..", "/", "", "a\0b", "x" * 300, "\U0001f697" * 300])
    def test_any_name_of_a_camera_makes_a_file_name(self, tmp_path: Path, source: str) -> None:
        sink = open_sink(f"overlay:{tmp_path / 'drawn'}", CONTEXT)
        sink.put(replace(make_frame(1), source=source), [], PROBABILITY)
        sink.close()
        assert [path.name for path in tmp_path.iterdir()] == ["drawn"]
        (written,) = (tmp_path / "drawn").iterdir()
        assert written.name.endswith("-000001.png")

    def test_the_crack_is_marked_where_it_is(self, tmp_path: Path) -> None:
        sink = open_sink(f"overlay:{tmp_path}", CONTEXT)
        frame = make_frame(name="x.png")
        sink.put(frame, [], PROBABILITY)
        bare = read_rgb(tmp_path / "x.png").astype(int)
        sink.put(make_frame(name="y.png"), [make_detection(frame, mm=True)], PROBABILITY)
        marked = read_rgb(tmp_path / "y.png").astype(int)
        assert bare.shape == marked.shape
        enlargement = bare.shape[1] // 96
        changed = np.any(bare != marked, axis=2)[: 72 * enlargement]
        rows, columns = np.nonzero(changed)
        # Outline and label: from the crack's left edge on, never below it.
        assert columns.min() >= 18 * enlargement and rows.max() <= 41 * enlargement
        centre = (int(30 * enlargement), int(21.5 * enlargement))
        assert changed[centre]
        sink.close()

    def test_many_cracks_of_one_frame_do_not_hide_each_others_labels(self, tmp_path: Path) -> None:
        sink = open_sink(f"overlay:{tmp_path}", CONTEXT)
        frame = make_frame(name="x.png")
        sink.put(frame, [make_detection(frame, x=10 + n) for n in range(5)], PROBABILITY)
        image = read_rgb(tmp_path / "x.png")
        white = np.all(image[: 72 * 10] > 250, axis=2)
        lines = np.flatnonzero(white.any(axis=1))
        assert np.count_nonzero(np.diff(lines) > 1) >= 4  # five separate lines of text

    def test_video_appears_when_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "film.mp4"
        sink = open_sink(f"overlay:{path}?fps=5", CONTEXT)
        for sequence in range(4):
            frame = make_frame(sequence, width=96 if sequence < 3 else 50)  # another size is fitted in
            sink.put(frame, [make_detection(frame)], PROBABILITY)
        assert not path.exists()
        sink.close()
        video = cv2.VideoCapture(str(path))
        assert video.get(cv2.CAP_PROP_FPS) == 5
        sizes = set()
        count = 0
        while (decoded := video.read())[0]:
            sizes.add(decoded[1].shape)
            count += 1
        assert count == 4 and len(sizes) == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_a_video_that_did_not_open_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "film.mp4"
        in_the_way = tmp_path / ".film-unfinished.mp4"
        in_the_way.mkdir()
        sink = open_sink(f"overlay:{path}", CONTEXT)
        for sequence in range(2):  # the second frame as well: nothing has opened meanwhile
            with pytest.raises(SinkError, match="cannot be written"):
                sink.put(make_frame(sequence), [], PROBABILITY)
        in_the_way.rmdir()
        sink.put(make_frame(2), [], PROBABILITY)
        sink.close()
        assert sink.totals() == {"overlays": 1} and path.stat().st_size > 0

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for target in ("file/frames", "file/film.mp4"):
            with pytest.raises(SinkError, match="cannot be"):
                open_sink(f"overlay:{tmp_path / target}", CONTEXT)


class TestMqtt:
    def test_a_detection_above_the_limit_goes_without_its_outline(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        sink: Sink = open_sink(f"mqtt://127.0.0.1:1?spool={tmp_path}/s.sqlite&max_payload_bytes=4096", CONTEXT)
        frame = make_frame()
        big, small = make_detection(frame, points=2000), make_detection(frame)
        sink.put(frame, [big, small], PROBABILITY)
        rows = sink._spool.take(9, skip_topics=["fissura/v1/s1/telemetry"])  # type: ignore[attr-defined]
        sent = [Detection.model_validate_json(row.message.payload) for row in rows]
        assert [str(d.uuid) for d in sent] == [str(big.uuid), str(small.uuid)]
        assert sent[0].crack.polygon_px == () and sent[0].crack.length_px == 20
        assert sent[1] == small
        assert "without its outline" in caplog.text
        sink.close()

    def test_the_spool_lies_in_the_state_folder_by_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        open_sink("mqtt://127.0.0.1:1", CONTEXT).close()
        assert (tmp_path / "fissura" / "s1" / "spool.sqlite").exists()
