"""Run JupyterLab through binder/start, execute the first notebook in it, and report the memory that all of it took.

Called by emulate_binder, inside the environment it made.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

LIMIT_MB = 1024
FIRST = Path("notebooks/00_start_here.ipynb")


def memory_mb(pids: set[int]) -> float:
    """Return the proportional set size of processes in MB: shared pages are counted once."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


def family(home: str) -> set[int]:
    """Return this process, its descendants, and the detached ones that belong to this home."""
    found = {os.getpid()} | {child.pid for child in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == home:
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def main() -> int:
    """Return 0 if Lab answers, the notebook runs, and memory stays below the limit."""
    home, port = os.environ["HOME"], 18888
    lab = subprocess.Popen(
        ["bash", "binder/start", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
         f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.news_url=None"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    peak, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, memory_mb(family(home)))

    watcher = threading.Thread(target=watch, name="memory watch")
    watcher.start()
    try:
        deadline = time.monotonic() + 60
        url = f"http://127.0.0.1:{port}/lab/tree/notebooks/00_start_here.ipynb"
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    assert answer.status == 200
                break
            except OSError:
                if time.monotonic() > deadline or lab.poll() is not None:
                    raise
                time.sleep(0.2)
        notebook = nbformat.read(FIRST, as_version=4)
        started = time.monotonic()
        NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(FIRST.parent)}}).execute()
        print(f"{FIRST} ran in {time.monotonic() - started:.1f} s")
    finally:
        done.set()
        watcher.join()
        lab.terminate()
        lab.wait(20)
    print(f"peak memory of Lab, kernel, broker and server: {peak:.0f} MB (limit {LIMIT_MB})")
    return 0 if peak < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
