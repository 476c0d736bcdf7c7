"""The scheduler alone, on one core: what scheduler_bench prints, against the bars."""
import json
import subprocess

from run import row

# id: (what it is, unit, bar, whether a value meets it, what others reach)
BARS = {
    "gang512_ms": ("512-pod gang with rack topology on 500 nodes", "ms", "<= 50", lambda v: v <= 50, "KAI 48,700 ms"),
}


def measure(build):
    done = subprocess.run([build / "scheduler_bench"], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        what, unit, bar, met, peer = BARS[figure["id"]]
        yield row(figure["id"], what, figure["value"], unit, bar, met(figure["value"]), peer, figure["note"])
