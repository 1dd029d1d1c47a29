"""A headless Chromium, driven over its DevTools protocol by a pair of pipes (--remote-debugging-pipe): no WebSocket, no port."""
import base64
import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading


class PageError(AssertionError):
    pass


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="fetchd-chromium-")
        from_us, to_us = os.pipe(), os.pipe()

        # Chromium reads commands from descriptor 3 and writes to 4. By way of others: these two may be one of ours.
        place = f'exec "$@" 20<&{from_us[0]} 21>&{to_us[1]} 3<&20 4>&21'
        self.process = subprocess.Popen(
            ["bash", "-c", place, "bash", "chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
             "--force-color-profile=srgb", "--lang=en-US", f"--user-data-dir={self.profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(from_us[0], to_us[1]),
            env={**os.environ, "TZ": "UTC", "LANG": "en_US.UTF-8"})
        os.close(from_us[0])
        os.close(to_us[1])
        self.commands, self.answers = os.fdopen(from_us[1], "wb", 0), os.fdopen(to_us[0], "rb")
        self.last_id, self.waiting, self.pages = 0, {}, {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while piece := self.answers.read1(1 << 20):
            *messages, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.waiting.pop(message["id"]).put(message)
                elif message.get("sessionId") in self.pages:
                    self.pages[message["sessionId"]].take_event(message["method"], message["params"])
        for box in list(self.waiting.values()):
            box.put({"error": {"message": "the browser is gone"}})

    def call(self, method, session=None, **parameters):
        box = queue.Queue()
        self.last_id += 1
        self.waiting[self.last_id] = box
        message = {"id": self.last_id, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        self.commands.write(json.dumps(message).encode() + b"\0")
        answer = box.get(timeout=60)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def new_page(self):
        """In a context of its own: nothing is kept from page to page."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        return page

    def close(self):
        self.process.kill()
        self.process.wait()
        self.commands.close()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab. `complaints` are what its console and its Content-Security-Policy had to say."""

    def __init__(self, browser, session):
        self.browser, self.session, self.complaints, self.responses = browser, session, [], {}

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def take_event(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"].get("exception", {}).get("description", str(parameters)))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(str(parameters["args"]))
        elif method == "Network.responseReceived":
            self.responses[parameters["response"]["url"]] = parameters["response"]

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise PageError(f"{expression}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def wait(self, expression, seconds=20):
        """Until the expression is true; its value. In the page, so that nothing is asked again and again from outside."""
        with contextlib.suppress(PageError):
            value = self.evaluate(f"""new Promise((resolve, reject) => {{
                const end = performance.now() + {1000 * seconds};
                const look = () => {{ let value; try {{ value = ({expression}); }} catch {{ value = null; }}
                  if (value) resolve(value); else if (performance.now() > end) reject(new Error("late")); else setTimeout(look, 20); }};
                look(); }})""")
            return value
        raise PageError(f"after {seconds} s still not: {expression}\n{self.text()}\n{self.complaints}")

    def text(self):
        return self.evaluate("document.body.innerText")

    def click(self, selector):
        """Where it is, as a mouse does."""
        x, y = self.wait(f"""(() => {{ const box = document.querySelector({json.dumps(selector)}); if (!box || box.disabled) return null;
            box.scrollIntoView({{block: "center"}}); const at = box.getBoundingClientRect(); return at.width ? [at.x + at.width / 2, at.y + at.height / 2] : null; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key):
        codes = {"Escape": 27, "Enter": 13}
        text = {} if key == "Escape" else {"text": "\r" if key == "Enter" else key}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes.get(key, ord(key[0].upper())),
                      **(text if kind == "keyDown" else {}))

    def resize(self, width, height, scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
