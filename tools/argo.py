#!/usr/bin/env python3
"""Argo's own command line, for tests that drive it: the one on PATH, or one built from its Go module into build/argo, once.
Run by itself it builds and prints where it lies.

The first build takes some ten minutes of two cores. INGOT_ARGO=off: none is built; INGOT_ARGO=PATH: that one."""
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/argo"
VERSION = "v4.0.5"
MODULE = f"github.com/argoproj/argo-workflows/v4@{VERSION}"
SUM = "h1:/1lru5oXUd+k6KEDUps6rLX5OKfi1jTfabgXTly/VFU="  # of the module, as Go's checksum database has it
SECONDS = 15 * 60


class Missing(Exception):
    """Why there is none."""


def go(*args, cwd=None, seconds=SECONDS):
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    try:
        ran = subprocess.run(["go", *args], cwd=cwd or FOLDER, env=environment, capture_output=True, text=True,
                             timeout=seconds)
    except OSError as error:
        raise Missing(f"go: {error.strerror}") from error
    except subprocess.TimeoutExpired as late:
        raise Missing(f"go {args[0]} took longer than {seconds // 60} minutes") from late
    if ran.returncode:
        said = (ran.stderr + ran.stdout).strip().splitlines() or ["it ended without a word"]
        raise Missing(f"go {' '.join(args[:2])}: {said[-1]}")
    return ran.stdout


def download():
    try:
        found = json.loads(go("mod", "download", "-json", MODULE, seconds=300))
    except ValueError as error:
        raise Missing(f"go mod download: {error}") from error
    if found.get("Sum") != SUM:
        raise Missing(f"{MODULE} has the sum {found.get('Sum')}, not {SUM}")
    return Path(found["Dir"])


def build(target):
    source = FOLDER / "source"
    shutil.rmtree(source, ignore_errors=True)
    # A copy, for the user interface that the server embeds must hold a file, and the module has none.
    shutil.copytree(download(), source, ignore=shutil.ignore_patterns("docs", "examples", "sdks", "node_modules"))
    for folder, _, files in os.walk(source):
        for path in [Path(folder), *(Path(folder) / f for f in files)]:
            path.chmod(path.stat().st_mode | 0o200)
    (source / "ui/dist/app").mkdir(parents=True, exist_ok=True)
    (source / "ui/dist/app/index.html").write_text("none\n")
    go("build", "-p", str(os.cpu_count() or 2), "-o", str(FOLDER / "building"), "./cmd/argo", cwd=source)
    (FOLDER / "building").replace(target)
    shutil.rmtree(source, ignore_errors=True)


@functools.cache
def found():
    """(path, "") or ("", why there is none)."""
    try:
        return find(), ""
    except Missing as why:
        return "", str(why)


def argo():
    """The program's path; Missing says why there is none."""
    path, why = found()
    if not path:
        raise Missing(why)
    return path


def find():
    wish = os.environ.get("INGOT_ARGO", "")
    if wish and wish != "off":
        return wish
    target = FOLDER / f"argo-{VERSION}"
    if target.is_file():
        return str(target)
    if on_path := shutil.which("argo"):
        return on_path
    if wish == "off":
        raise Missing("INGOT_ARGO=off, and this machine has no argo")
    if not shutil.which("go"):
        raise Missing("this machine has neither argo nor Go to build it")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds it built
        if not target.is_file():
            build(target)
    return str(target)


if __name__ == "__main__":
    try:
        print(argo())
    except Missing as why:
        sys.exit(f"error: {why}")
