"""./dev bench pipelines: what workflows cost, how soon a push starts one, and what steps pay for their artifacts."""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import pushes
import workflows
from run import progress, row

FILES, FILE_MIB = 32, 32  # 1 GiB
ROUNDS = 3


def timed(argv):
    started = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def store_put(build):
    """Each round writes to fresh directories of the same disk, from files that are in memory, once the disk is quiet."""
    work = Path(tempfile.mkdtemp(prefix="ingot-bench-store-", dir="/var/tmp"))
    try:
        files = []
        for i in range(FILES):
            files.append(str(work / f"artifact-{i}"))
            with open(files[-1], "wb") as file:
                file.write(os.urandom(FILE_MIB << 20))
        ratios, ours, peers = [], [], []
        for i in range(ROUNDS):
            progress(f"  1 GiB into the store, and sha256sum and cp of it ({i + 1} of {ROUNDS})")
            (work / "copy").mkdir()
            os.sync()
            peer = timed(["sha256sum", *files]) + timed(["cp", *files, str(work / "copy")])
            os.sync()
            out = subprocess.run([build / "store_put", work / "blobs", *files], check=True, capture_output=True, text=True)
            own = json.loads(out.stdout)["seconds"]
            ratios.append(own / peer)
            ours.append(own)
            peers.append(peer)
            shutil.rmtree(work / "copy")
            shutil.rmtree(work / "blobs")
        ratio = statistics.median(ratios)
        yield row("store_put_ratio", "1 GiB of artifacts into the store ÷ sha256sum plus cp of them", round(ratio, 2), "×",
                  "≤ 1.3", ratio <= 1.3, peer=f"sha256sum + cp {statistics.median(peers):.2f} s",
                  note=f"{statistics.median(ours):.2f} s for {FILES} files, each hashed, synced and named; cp syncs nothing; "
                  f"rounds {', '.join(f'{r:.2f}' for r in ratios)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(build):
    yield from workflows.measure(build)
    yield from pushes.measure(build)
    yield from store_put(build)
