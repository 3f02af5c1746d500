"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

START_TIMEOUT_S = 60.0
STEP_TIMEOUT_S = 60.0
_ADDRESS = re.compile(r"DevTools listening on (ws://\S+)")


def find_chromium() -> str | None:
    """Path of the program."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page. Certificates are not checked: that is what the clients in other tests do.

    Args:
        folder: for its profile and downloads.

    Attributes:
        errors: what the page's scripts and the browser have complained about.
    """

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self.errors: list[str] = []
        self._folder = folder
        self._number = 0

    def __enter__(self) -> Browser:
        program = find_chromium()
        assert program is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        log = (self._folder / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"),
                *("--remote-debugging-port=0", f"--user-data-dir={self._folder / 'profile'}", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "HOME": str(self._folder)},
            start_new_session=True,  # its many processes are ended together
        )
        log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := _ADDRESS.search((self._folder / "chromium.log").read_text(errors="replace"))) is None:
            assert time.monotonic() < deadline and self._process.poll() is None, "chromium does not start"
            time.sleep(0.05)
        self._socket = connect(found[1], max_size=None, open_timeout=START_TIMEOUT_S, ping_interval=None, proxy=None)
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come meanwhile are looked through for complaints."""
        answer = self._ask(method, parameters)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(timeout=max(0.1, deadline - time.monotonic())))
            self._note(answer)
            if answer.get("id") == self._number:
                return answer

    def go(self, url: str) -> None:
        """Load a page, and wait until it is there."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        assert failed in (None, "net::ERR_ABORTED"), f"{url}: {failed}"
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, condition: str, timeout_s: float = STEP_TIMEOUT_S) -> None:
        """Wait until an expression in the page is true."""
        deadline = time.monotonic() + timeout_s
        while not self._is_true(condition):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.05)

    def text(self, selector: str = "body") -> str:
        """What a reader sees of an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def fill(self, selector: str, value: str) -> None:
        """Put a value into a field."""
        self.run(f"void (document.querySelector({json.dumps(selector)}).value = {json.dumps(value)})")

    def follow(self, selector: str) -> None:
        """Click on what leads to another page, and wait for it."""
        self.run("void (window.isOld = true)")
        self.click(selector)
        self.wait("!window.isOld && document.readyState === 'complete'")

    def click(self, selector: str) -> None:
        """Click as a mouse does: at the middle of what is there."""
        script = f"""(() => {{
            const it = document.querySelector({json.dumps(selector)});
            it.scrollIntoView({{block: 'center'}});
            const box = it.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.run(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def size(self, width: int, height: int) -> None:
        """Size of the window, pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def save_downloads(self) -> None:
        """Let files be saved, into `downloads`."""
        self.downloads.mkdir(exist_ok=True)
        session, self._session = self._session, ""  # a matter of the whole browser
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self._session = session

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _is_true(self, condition: str) -> bool:
        answer = self._ask("Runtime.evaluate", {"expression": f"!!({condition})", "returnByValue": True})
        return answer.get("result", {}).get("result", {}).get("value") is True  # between two pages there is an error

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
