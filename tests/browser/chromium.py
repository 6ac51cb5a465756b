"""A headless Chromium driven over its own debugging protocol: enough to open a file, type, click and measure."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import websocket

from toolkit.reporting.figures.style import font_paths

PROGRAM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


class Page:
    """One tab. Ends only the browser that it started."""

    def __init__(self, profile: Path, *, width: int = 1280, height: int = 900) -> None:
        assert PROGRAM
        # the package's own Chinese fonts, so that widths are those that readers see, on machines without any
        fonts = profile / "share" / "fonts"
        fonts.mkdir(parents=True)
        for font in font_paths():
            (fonts / Path(font).name).symlink_to(font)
        self._process = subprocess.Popen(
            [
                PROGRAM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"XDG_DATA_HOME": str(profile / "share")},
        )
        port_file = profile / "DevToolsActivePort"
        self._wait(lambda: port_file.exists() and port_file.read_text().count("\n"), 60, "the browser did not start")
        port, path = port_file.read_text().split("\n")[:2]
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", suppress_origin=True, timeout=60)
        self._id, self._session = 0, ""
        self.messages: list[str] = []  # errors and refusals that the page reported
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._id += 1
        message: dict[str, Any] = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("method") == "Runtime.exceptionThrown":
                self.messages.append(answer["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.messages.append(answer["params"]["entry"]["text"])
            if answer.get("id") == self._id:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, path: Path, until: str = "document.readyState === 'complete'") -> None:
        self.call("Page.navigate", url=path.as_uri())
        self._wait(
            lambda: self.run(f"location.protocol === 'file:' && !!document.documentElement && ({until})"),
            60,
            f"{path.name} did not become ready",
        )

    def run(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def type(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=text)

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def faults_for_readers(self, path: Path, until: str = "document.readyState === 'complete'") -> list[str]:
        """What axe finds serious or worse; its script is let past the page's policy."""
        import axe_core_python

        script = next(Path(axe_core_python.__file__).parent.rglob("axe.min.js")).read_text("utf-8")
        self.call("Page.setBypassCSP", enabled=True)
        self.open(path, until)
        self.run(script + ";0")
        found = self.run("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))")
        self.call("Page.setBypassCSP", enabled=False)
        return [
            f"{v['id']}: {v['nodes'][0]['html'][:120]}"
            for v in json.loads(found)
            if v["impact"] in {"serious", "critical"}
        ]

    def picture(self, path: Path, *, whole: bool = False) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def close(self) -> None:
        self._session = ""
        try:
            self.call("Browser.close")
            self._process.wait(20)
        except (OSError, websocket.WebSocketException, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            self._socket.close()

    @staticmethod
    def _wait(done: Any, seconds: float, complaint: str) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, complaint
            time.sleep(0.05)
