"""The scheduler alone, on one core: what scheduler_bench and mig_bench print, against the bars. Times are those of its thread, so
that what else the machine does counts little. OPENB may name a folder with a trace; see scheduler_bench.cc. Then through the API
(bind.py)."""
import json
import subprocess

import bind
from run import row

# id: (what it is, unit, bar, whether a value meets it, what others reach)
BARS = {
    "place_per_s": ("placements/s on one core: 5,000 nodes of 8 GPUs, 10,000 one-GPU pods", "/s", ">= 50000",
                    lambda v: v >= 50_000, "kube-scheduler 680 /s"),
    "place_mixed_per_s": ("placements/s on one core: 1,213 mixed nodes and pods", "/s", ">= 10000",
                          lambda v: v >= 10_000, "kube-scheduler 680 /s"),
    "place_p99_ms": ("one decision at 10,000 mixed nodes, p99", "ms", "<= 1", lambda v: v <= 1, None),
    "gang512_ms": ("512-pod gang with rack topology on 500 nodes", "ms", "<= 50", lambda v: v <= 50, "KAI 48,700 ms"),
    "reclaim250_ms": ("reclaim for a 250-pod gang on a full 500-node cluster", "ms", "<= 100", lambda v: v <= 100,
                      "KAI 102,000 ms"),
    "mig_illegal": ("illegal layouts in a million steps of random requests and releases", "", "0", lambda v: v == 0, None),
    "mig_admit_pct": ("MIG requests admitted, against the best static layout with hindsight", "%", ">= 98",
                      lambda v: v >= 98, None),
}


def measure(build):
    for program in ("scheduler_bench", "mig_bench"):
        done = subprocess.run([build / program], check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            figure = json.loads(line)
            what, unit, bar, met, peer = BARS[figure["id"]]
            yield row(figure["id"], what, figure["value"], unit, bar, met(figure["value"]), peer, figure["note"])
    yield from bind.measure(build)
