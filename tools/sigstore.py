#!/usr/bin/env python3
"""Other people's verifiers, for tests that check what the factory signs: model_signing from PyPI in a virtual environment of its
own, and cosign from its Go module; both below build/sigstore, made once. Run by itself it makes them and prints where they lie.

cosign's first build takes some ten minutes of two cores. INGOT_COSIGN=off: none is built; INGOT_COSIGN=PATH: that one."""
import fcntl
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/sigstore"
MODEL_SIGNING = "1.1.1"
COSIGN = "v3.1.3"
SECONDS = 20 * 60


class Missing(Exception):
    """Why there is none."""


def ran(argv, **more):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, **more)
    except OSError as error:
        raise Missing(f"{argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{argv[0]} took longer than {SECONDS // 60} minutes") from late
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines() or ["it ended without a word"]
        raise Missing(f"{Path(argv[0]).name} {argv[1]}: {said[-1]}")


def once(target, make):
    """`target`, made by `make` if it is not there; who comes second finds it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f"{target.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            make()
    return str(target)


@functools.cache
def model_signing():
    """The program's path; Missing says why there is none."""
    home = FOLDER / f"model-signing-{MODEL_SIGNING}"

    def make():
        shutil.rmtree(home, ignore_errors=True)
        ran([sys.executable, "-m", "venv", str(home)])
        ran([str(home / "bin/pip"), "install", "-q", f"model-signing=={MODEL_SIGNING}", "pyOpenSSL"])

    return once(home / "bin/model_signing", make)


@functools.cache
def cosign():
    wish = os.environ.get("INGOT_COSIGN", "")
    if wish and wish != "off":
        return wish
    target = FOLDER / f"cosign-{COSIGN}"
    if target.is_file():
        return str(target)
    if on_path := shutil.which("cosign"):
        return on_path
    if wish == "off":
        raise Missing("INGOT_COSIGN=off, and this machine has no cosign")
    if not shutil.which("go"):
        raise Missing("this machine has neither cosign nor Go to build it")

    def make():
        folder = FOLDER / "building"
        ran(["go", "install", f"github.com/sigstore/cosign/v3/cmd/cosign@{COSIGN}"],
            env={**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOBIN": str(folder)})
        (folder / "cosign").replace(target)

    return once(target, make)


if __name__ == "__main__":
    for find in (model_signing, cosign):
        try:
            print(find())
        except Missing as why:
            print(f"{find.__name__}: {why}", file=sys.stderr)
