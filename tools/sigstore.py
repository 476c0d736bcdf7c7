#!/usr/bin/env python3
"""Other people's verifiers, for tests that check what the factory signs: model_signing from PyPI in a virtual environment of its
own, and cosign from its Go module; both below build/sigstore, made once. Run by itself it makes them and prints where they lie.

cosign's first build takes some ten minutes of two cores. INGOT_COSIGN=off: none is built; INGOT_COSIGN=PATH: that one."""
import functools
import os
import sys
from pathlib import Path

from others import Missing, built_with_go, once, ran

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/sigstore"
MODEL_SIGNING = "1.1.1"
COSIGN = "v3.1.3"


@functools.cache
def model_signing():
    """The program's path; Missing says why there is none."""
    home = FOLDER / f"model-signing-{MODEL_SIGNING}"

    def make():
        ran([sys.executable, "-m", "venv", str(home)])
        ran([str(home / "bin/pip"), "install", "-q", f"model-signing=={MODEL_SIGNING}", "pyOpenSSL"])

    return once(home / "bin/model_signing", make)


@functools.cache
def cosign():
    target = FOLDER / f"cosign-{COSIGN}"

    def make():
        folder = FOLDER / "building"
        ran(["go", "install", f"github.com/sigstore/cosign/v3/cmd/cosign@{COSIGN}"],
            env={**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOBIN": str(folder)})
        (folder / "cosign").replace(target)

    return built_with_go("cosign", target, make)


if __name__ == "__main__":
    for find in (model_signing, cosign):
        try:
            print(find())
        except Missing as why:
            print(f"{find.__name__}: {why}", file=sys.stderr)
