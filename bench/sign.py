"""A 4 GiB model: signed, and verified offline, against sha256sum over the same files."""
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from run import progress, row

GIB = 1 << 30
FILES = {"MLmodel": 2_000, "model-00001-of-00002.safetensors": 2 * GIB, "model-00002-of-00002.safetensors": 2 * GIB - 2_000}
BAR, ROUNDS = 1.2, 3


def write(folder):
    block = os.urandom(1 << 20)
    for name, size in FILES.items():
        with open(folder / name, "wb") as file:
            while size > 0:
                file.write(block[:size])
                size -= len(block)


def seconds(*argv, **more):
    started = time.monotonic()
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, **more)
    return time.monotonic() - started


def sign_ratio(build):
    scratch = Path(tempfile.mkdtemp(prefix="ingot-sign-", dir="/var/tmp"))
    try:
        folder, key, pub = scratch / "model", scratch / "key.pem", scratch / "key.pub"
        folder.mkdir()
        if shutil.disk_usage(scratch).free < 6 * GIB:
            raise SystemExit(f"bench sign needs 6 GiB free in {scratch.parent}")
        progress("sign: writing 4 GiB")
        write(folder)
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)],
                       check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(pub)], check=True)
        ways = {
            "sha256sum": lambda: seconds("sha256sum", *sorted(folder.iterdir())),
            "sign": lambda: seconds(build / "ingot", "model", "sign", folder, "--key", key),
            "verify": lambda: seconds(build / "ingot", "model", "verify", folder, "--key", pub),
        }
        took = {name: [] for name in ways}
        for number in range(ROUNDS):
            for name, way in ways.items():
                took[name].append(way())
                progress(f"sign: {name} {number + 1} of {ROUNDS}: {took[name][-1]:.1f} s")
        middle = {name: statistics.median(times) for name, times in took.items()}
        for name in ("sign", "verify"):
            ratio = middle[name] / middle["sha256sum"]
            yield row(f"sign_ratio.{name}", f"{name} a model of 4 GiB ÷ sha256sum of it", f"{ratio:.2f}", "×", f"≤ {BAR}",
                      ratio <= BAR, f"sha256sum {middle['sha256sum']:.1f} s",
                      f"median of {ROUNDS}: {middle[name]:.1f} s; two files beside each other, in the page cache where it holds them")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def measure(build):
    return list(sign_ratio(build))
