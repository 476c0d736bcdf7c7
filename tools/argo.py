#!/usr/bin/env python3
"""Argo's own command line, for tests that drive it: the one on PATH, or one built from its Go module into build/argo, once.
Run by itself it builds and prints where it lies.

The first build takes some ten minutes of two cores. INGOT_ARGO=off: none is built; INGOT_ARGO=PATH: that one."""
import functools
import json
import os
import shutil
import sys
from pathlib import Path

from others import Missing, built_with_go, ran

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/argo"
VERSION = "v4.0.5"
MODULE = f"github.com/argoproj/argo-workflows/v4@{VERSION}"
SUM = "h1:/1lru5oXUd+k6KEDUps6rLX5OKfi1jTfabgXTly/VFU="  # of the module, as Go's checksum database has it
SECONDS = 15 * 60


def go(*args, cwd=FOLDER, seconds=SECONDS):
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return ran(["go", *args], seconds, cwd=cwd, env=environment)


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
    """(path, None) or (None, why there is none): a build that failed is not tried again."""
    target = FOLDER / f"argo-{VERSION}"
    try:
        return built_with_go("argo", target, lambda: build(target)), None
    except Missing as why:
        return None, why


def argo():
    """The program's path; Missing says why there is none."""
    path, why = found()
    if why:
        raise why
    return path


if __name__ == "__main__":
    try:
        print(argo())
    except Missing as why:
        sys.exit(f"error: {why}")
