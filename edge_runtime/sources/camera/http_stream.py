"""Streams over HTTP: motion JPEG is read part by part, so that a damaged picture costs no more than itself.

FFmpeg, which reads all other kinds, ends a motion JPEG stream at the first part that is none.
"""

from __future__ import annotations

import http.client
import re
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    build_opener,
)

import cv2
import numpy as np

from edge_runtime.sources.camera.ffmpeg import FfmpegGrabber
from edge_runtime.sources.camera.ring import Pixels
from fissura.errors import SourceError

LONGEST_LINE = 65536
LONGEST_PART = 64 << 20
_START_OF_SCAN = 0xDA
_PROGRESSIVE = 0xC2
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class HttpGrabber:
    """Reads motion JPEG itself, and leaves the rest to FFmpeg.

    Args:
        url: with its login.
        open_timeout_s, timeout_s: for connecting, and for each frame.
    """

    def __init__(self, url: str, open_timeout_s: float, timeout_s: float) -> None:
        self._url = url
        self._open_timeout_s = open_timeout_s
        self._ffmpeg = FfmpegGrabber(url, "tcp", open_timeout_s, timeout_s)
        self._parts: PartReader | None = None
        self._part = b""

    def open(self) -> None:
        try:
            response = _request(self._url, self._open_timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"the stream does not open: {error}") from error
        if response.headers.get_content_type() == "multipart/x-mixed-replace":
            self._parts = PartReader(response, response.headers.get_boundary() or "")
        else:
            response.close()
            self._ffmpeg.open()

    def grab(self) -> None:
        if self._parts is None:
            self._ffmpeg.grab()
            return
        try:
            self._part = self._parts.next()
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"the stream has ended: {error}") from error

    def retrieve(self, into: Pixels | None) -> Pixels | None:
        if self._parts is None:
            return self._ffmpeg.retrieve(into)
        if not is_whole_jpeg(self._part):
            return None
        try:
            image: Pixels | None = cv2.imdecode(np.frombuffer(self._part, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            return None
        return image


class PartReader:
    """Takes a multipart stream apart.

    Args:
        stream: the body.
        boundary: as the header has it; some cameras write its dashes into the header, too.
    """

    def __init__(self, stream: IO[bytes], boundary: str) -> None:
        self._stream = stream
        self._boundary = b"--" + boundary.encode().removeprefix(b"--")
        self._at_part = False  # behind a boundary

    def next(self) -> bytes:
        """The next part's content, whatever it is.

        Raises:
            OSError: the stream has ended.
        """
        while not self._at_part:
            self._at_part = self._line().startswith(self._boundary)
        self._at_part = False
        length = 0
        while header := self._line().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if 0 < length <= LONGEST_PART:
            content = self._stream.read(length)
            if len(content) < length:
                raise OSError("in the middle of a picture")
            return content
        return self._until_boundary()

    def _until_boundary(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while size < LONGEST_PART:
            line = self._line()
            if line.startswith(self._boundary):
                self._at_part = True
                break
            lines.append(line)
            size += len(line)
        return b"".join(lines).removesuffix(b"\r\n")

    def _line(self) -> bytes:
        line = self._stream.readline(LONGEST_LINE)
        if not line:
            raise OSError("the camera has closed it")
        return line


def is_whole_jpeg(data: bytes) -> bool:
    """Whether a baseline JPEG is there from start to end, without a marker in the midst of its pixels.

    The decoder itself would fill what is damaged or missing with grey, and call it a picture.
    """
    data = data.rstrip(b"\x00\r\n")
    if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
        return False
    at, marker = 2, 0
    while marker != _START_OF_SCAN:
        if at + 4 > len(data) or data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == _PROGRESSIVE:
            return True  # has markers between its scans
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return _MARKER_IN_SCAN.search(data, at, len(data) - 2) is None


def _request(url: str, timeout_s: float) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        passwords.add_password(None, plain, unquote(parts.username), unquote(parts.password or ""))
    opener = build_opener(HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords))
    response: http.client.HTTPResponse = opener.open(plain, timeout=timeout_s)
    return response
