"""ingot simulate on public traces, against what others published for them.

The traces are not part of the project: --data DIR, or INGOT_TRACES, names a folder with openb/ (repository
alibaba/clusterdata, cluster-trace-gpu-v2023/csv) and muri/ (repository Rivendile/Muri, simulator/trace-data). What is
missing is said and left out.
"""
import json
import os
import subprocess
from pathlib import Path

from run import progress, row

# Allocation in % at 100, 120 and 130 % arrived: FGD in "Beware of Fragmentation", USENIX ATC 2023, from the results its
# repository (hkust-adsl/kubernetes-scheduler-simulator) publishes.
FGD = {"default": (95.2, 95.4, 95.4), "gpushare40": (94.0, 94.1, 94.2), "gpuspec33": (87.8, 94.5, 94.6),
       "multigpu30": (96.4, 96.4, 96.5)}
MARKS = ("100", "120", "130")
SEEDS = "42-51"
# Average completion times in s on 64 GPUs: Muri, SIGCOMM 2022, and its simulator.
SRTF, SRSF = {"1": 1_370_603, "3": 193_082}, {"1": 980_141, "3": 185_022}
TIRESIAS_L = {"1": 3_330_371, "3": 347_213}
KNOWN_BARS = {"1": 1_000_000, "3": 190_000}
FAIR_GPUS = 64


def simulate(build, *arguments):
    done = subprocess.run([build / "ingot", "simulate", *map(str, arguments), "-o", "json"], capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise SystemExit(f"ingot simulate {arguments[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def folder():
    given = os.environ.get("INGOT_TRACES")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"


def present(*files):
    missing = [str(f) for f in files if not f.is_file()]
    if missing:
        progress("left out, for there is no " + ", ".join(missing) + "; --data DIR names a folder with openb/ and muri/")
    return not missing


def inflation(build, data):
    nodes = data / "openb/openb_node_list_gpu_node.csv"
    pods = {w: data / f"openb/openb_pod_list_{w}.csv" for w in FGD}
    if not present(nodes, *pods.values()):
        return
    gains, distances = {}, {}
    for workload, file in pods.items():
        for policy in ("waste", "fgd"):
            progress(f"{workload}, {policy}, seeds {SEEDS}")
            mean = simulate(build, "inflate", "--nodes", nodes, "--pods", file, "--seeds", SEEDS, "--policy",
                            policy)["mean"]["allocation_pct"]
            for mark, published in zip(MARKS, FGD[workload]):
                where = gains if policy == "waste" else distances
                where[f"{workload} at {mark} %"] = mean[mark] - published
    mean, worst = sum(gains.values()) / len(gains), min(gains, key=gains.get)
    far = max(distances, key=lambda k: abs(distances[k]))
    seeds = f"mean of seeds {SEEDS}"
    yield row("openb_gain_pt", "allocation minus published FGD, mean of twelve", round(mean, 2), "pt", ">= +0.5",
              mean >= 0.5, note=seeds)
    yield row("openb_min_pt", "the smallest of the twelve", round(gains[worst], 2), "pt", ">= 0", gains[worst] >= 0,
              note=worst)
    yield row("fgd_match_pt", "our FGD against the published, largest distance", round(abs(distances[far]), 2), "pt",
              "<= 0.6", abs(distances[far]) <= 0.6, note=far)


def completion(build, data):
    for trace in ("1", "3"):
        file = data / f"muri/trace{trace}.csv"
        if not present(file):
            continue
        progress(f"muri trace{trace} on 64 GPUs")
        base = ("replay", "--trace", file, "--format", "muri", "--gpus", 64)
        known = simulate(build, *base, "--known-runtimes")["avg_jct_s"]
        yield row(f"muri_known_{trace}", f"average completion, trace{trace}, run times known", round(known), "s",
                  f"<= {KNOWN_BARS[trace]:,}", known <= KNOWN_BARS[trace],
                  f"SRTF {SRTF[trace]:,}, SRSF {SRSF[trace]:,}")
        blind = simulate(build, *base, "--and", "policy=las")
        bar = 0.85 * TIRESIAS_L[trace]
        starved = blind["starvation"]
        yield row(f"muri_blind_{trace}", f"average completion, trace{trace}, run times unknown",
                  round(blind["avg_jct_s"]), "s", f"<= {bar:,.0f}, no job past the starvation bound",
                  blind["avg_jct_s"] <= bar and starved["past_bound"] == 0, f"Tiresias-L {TIRESIAS_L[trace]:,}",
                  f"our own Tiresias-L: {blind['changes'][0]['avg_jct_s']:,.0f} s; {starved['past_bound']} of "
                  f"{starved['elders']} elders past the bound, the last to be done took "
                  f"{starved['worst_part_of_bound']:.0%} of it")


def fairness(build, data):
    file = data / "openb/openb_pod_list_default.csv"
    if not present(file):
        return
    progress("four tenants of equal weight")
    tenants = simulate(build, "replay", "--trace", file, "--gpus", FAIR_GPUS, "--tenants", 4)["tenants"]
    worst = min(tenants, key=lambda t: tenants[t]["worst_day_share"])
    share = tenants[worst]["worst_day_share"]
    yield row("fair_share", "four equal tenants: worst day's share / min(demand, fair share)", share, "", ">= 0.9",
              share >= 0.9, note=f"{worst}; openb's arrivals on {FAIR_GPUS} GPUs, each hour's one tenant's")


def measure(build):
    data = folder()
    yield from inflation(build, data)
    yield from completion(build, data)
    yield from fairness(build, data)
