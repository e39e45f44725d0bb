"""Start JupyterLab on the loopback and work on a notebook in Chromium, as a learner does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from socket import socket

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SETTINGS = {  # every cell in the page, no news, no version check
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}
SPLASH = (  # JupyterLab 4.6 may take its own splash screen away twice when a page is loaded again
    "NotFoundError: Failed to execute 'removeChild' on 'Node': The node to be removed is not a child of this node.\n"
    "    at http://127.0.0.1"
)
MINUTE = 60_000  # playwright counts in milliseconds

KERNEL_IDLE = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = session?.isReady && session.session?.kernel;
    return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
RUN_ALL = """() => {
    window.ranAll = false;
    window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.ranAll = true; });
}"""
IN_KERNEL = """async ([code, patience]) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, stop_on_error: false, store_history: false});
    let said = '';
    future.onIOPub = ({header, content}) => {
        if (header.msg_type === 'stream') said += content.text;
        if (header.msg_type === 'error') said += `${content.ename}: ${content.evalue}`;
    };
    const late = new Promise(resolve => setTimeout(() => resolve(said + ' (no answer in time)'), patience));
    return await Promise.race([future.done.then(() => said), late]);
}"""
PIXELS = """(selector) => {
    const canvas = document.querySelector(selector);
    return canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.join();
}"""
FITS = "card => card.scrollWidth <= card.clientWidth + 1"  # a card cuts off what is wider
DIGEST = """async ([selector, wanted]) => {
    const canvas = document.querySelector(selector);
    const shown = canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const bytes = shown && new Uint8Array(await crypto.subtle.digest('SHA-256', shown));
    return bytes && [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('') === wanted;
}"""


class Lab:
    """A JupyterLab server of its own: a free port, its own token, no settings of the user's."""

    def __init__(self, root: Path, **environment: str):
        self.root = root
        self.home = Path(tempfile.mkdtemp(prefix="neurolens-lab-"))
        for plugin, settings in SETTINGS.items():
            file = self.home / "settings" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        isolated = {name: str(self.home / folder) for name, folder in places.items()}
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": free_port(),
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": root,
            "LabApp.expose_app_in_browser": True,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        }
        self.log = self.home / "lab.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--{name}={value}" for name, value in options.items()]
        environment = {**os.environ, **isolated, **environment}
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.url, self.token = self._address()

    def _address(self) -> tuple[str, str]:
        """Return URL and token as the server writes them down once it listens."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.server.poll() is None:
            for file in (self.home / "runtime").glob("jpserver-*.json"):
                try:
                    about = json.loads(file.read_text())
                    self._ask(f"{about['url']}api/status", about["token"])
                    return about["url"], about["token"]
                except (ValueError, OSError):
                    pass  # not fully written, or not listening yet
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self.said}")

    @staticmethod
    def _ask(url: str, token: str, method: str = "GET"):
        request = urllib.request.Request(url, method=method, headers={"Authorization": f"token {token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def stop(self) -> None:
        """End the kernels (they lead process groups of their own), then the server; remove its home."""
        if self.server.poll() is None and hasattr(self, "url"):
            for kernel in self._ask(f"{self.url}api/kernels", self.token):
                self._ask(f"{self.url}api/kernels/{kernel['id']}", self.token, "DELETE")
        self.server.send_signal(signal.SIGTERM)
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.said = self.log.read_text()[-3000:]
        shutil.rmtree(self.home, ignore_errors=True)


class Notebook:
    """One notebook open in a page, with what the browser's console complained of."""

    def __init__(self, page, lab: Lab, name: str):
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda entry: entry.type == "error" and self.complaints.append(entry.text))
        page.on("pageerror", lambda error: SPLASH in str(error.stack) or self.complaints.append(str(error)))
        page.goto(f"{lab.url}lab/tree/{name}?reset&token={lab.token}", wait_until="domcontentloaded")
        self.wait()

    def wait(self) -> None:
        """Wait for the notebook and its kernel. (The indicator says "idle" before there is a kernel.)"""
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook", timeout=MINUTE)
        self.page.wait_for_function(KERNEL_IDLE, timeout=MINUTE)

    def run_all(self, minutes: float = 3) -> None:
        """Run every cell; fail on a dialog, on an error and on anything written to stderr."""
        self.page.evaluate(RUN_ALL)
        self.page.wait_for_function(
            "() => window.ranAll || document.querySelector('.jp-Dialog')", timeout=minutes * MINUTE
        )
        dialogs = self.page.locator(".jp-Dialog").all_inner_texts()
        assert not dialogs, f"a dialog stands in the way: {dialogs}"
        for kind in ("error", "stderr"):
            said = self.page.locator(f'[data-mime-type="application/vnd.jupyter.{kind}"]').all_inner_texts()
            assert not said, said

    def command(self, name: str, **arguments) -> None:
        """Execute one of JupyterLab's commands, without waiting for a dialog it may open."""
        self.page.evaluate(
            "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }", [name, arguments]
        )

    def python(self, code: str, seconds: int = 30) -> str:
        """Run code in the notebook's kernel, outside of any cell; return what it prints."""
        return self.page.evaluate(IN_KERNEL, [code, 1000 * seconds]).strip()

    def reload(self) -> None:
        """Save, and load the page again, as after a lost connection."""
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        self.page.reload(wait_until="domcontentloaded")
        self.wait()

    def pixels(self, canvas: str) -> str:
        """Return what the canvas shows: red, green, blue, alpha of each pixel, joined by commas."""
        return self.page.evaluate(PIXELS, canvas)

    def shows(self, canvas: str, array: str) -> None:
        """Wait until the canvas shows this uint8 array (h, w, 4) of the kernel, to the last bit."""
        # a digest: the server drops what a kernel prints beyond a megabyte a second
        size, wanted = self.python(
            f"import hashlib; print({array}.size, hashlib.sha256({array}.tobytes()).hexdigest())"
        ).split()
        assert int(size) > 1000, size
        self.page.wait_for_function(DIGEST, arg=[canvas, wanted], timeout=3 * MINUTE)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
