"""Pages of the site in a browser; tests that need one are skipped where there is none."""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


def browse(built, address, script, *flags):
    """What an async function body returns when it runs in the page, and the errors of the page itself."""
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "no Chromium: .ci/run must install it"
        pytest.skip("no Chromium on this machine: the site is not tried in a browser")
    page, _, fragment = address.partition("#")
    source = built / "site" / page
    text = source.read_text(encoding="utf-8")
    early = """<script>window.faults = [];
      addEventListener("error", (event) => faults.push(event.message || "not loaded"), true);
      console.error = console.warn = (...told) => faults.push(told.join(" "));</script>"""
    late = f"""<script>(async () => {{
      const pause = () => new Promise((done) => setTimeout(done, 60));
      const rows = () => [...document.querySelectorAll("table.all tbody tr")].filter((row) => !row.hidden);
      const set = async (name, value) => {{
        const field = document.querySelector(`[name=${{name}}]`);
        field.value = value;
        field.dispatchEvent(new Event(field.type === "search" ? "input" : "change", {{bubbles: true}}));
        await pause();
      }};
      let result;
      try {{ result = await (async () => {{ {script} }})(); }} catch (error) {{ faults.push(String(error)); }}
      const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
      faults.push(...asked.filter((name) => !name.startsWith("file:")));
      const shown = document.createElement("pre");
      shown.id = "result";
      shown.textContent = JSON.stringify([result, faults]);
      document.body.append(shown);
    }})();</script></body>"""
    trial = source.with_name(f"tried-{source.name}")
    trial.write_text(text.replace("<head>", "<head>" + early, 1).replace("</body>", late), encoding="utf-8")
    fixed = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    command = [CHROMIUM, *fixed.split(), "--allow-file-access-from-files", "--virtual-time-budget=20000", *flags]
    command += ["--dump-dom", f"file://{trial}#{fragment}"]
    try:
        done = started(command)
    finally:
        trial.unlink()
    result, faults = json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)[1]))
    assert not faults, faults
    return result


def started(command):
    """A browser with a profile of its own: those that share one may wait for each other. A hung one is tried again."""
    for attempt in range(3):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            own = [command[0], f"--user-data-dir={profile}", *command[1:]]
            try:
                return subprocess.run(own, capture_output=True, text=True, timeout=60)
            except subprocess.TimeoutExpired:
                if attempt == 2:
                    raise
