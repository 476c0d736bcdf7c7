"""End to end: pods of several tenants created over HTTPS until each has its node, on hollow nodes."""
import json
import subprocess
import time

from factory import Factory
from run import progress, row

NODES, GPUS, PODS = 5_000, 8, 10_000
CREATORS, READERS = 8, 4
GETS_PER_S = 1_000


def ready_nodes(factory):
    code, body = factory.client().call("GET", "/clusters/root/api/v1/nodes")
    if code != 200:
        raise SystemExit(f"nodes: {code} {body[:300]}")
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))
               for node in json.loads(body)["items"])


def wait_for_nodes(factory):
    started = time.monotonic()
    while (ready := ready_nodes(factory)) < NODES:
        if time.monotonic() - started > 300:
            raise SystemExit(f"{ready} of {NODES} hollow nodes are ready after 300 s")
        time.sleep(1)
    progress(f"  {NODES} hollow nodes ready after {time.monotonic() - started:.0f} s")


def tenants(factory, kind, count):
    for i in range(count):
        name = f"{kind}-{i}"
        factory.run("tenant", "create", name)
        _, cert, key = factory.credentials(name)
        yield from (f"--{kind}", f"{name}:{cert}:{key}")


def bind(build):
    with Factory(build, "--gpus", "none", "--hollow", f"{NODES}x{GPUS}xH100-80GB") as factory:
        argv = [str(build / "ingot-bind"), "--port", str(factory.port), "--ca", factory.credentials()[0], "--pods",
                str(PODS), "--get-rate", str(GETS_PER_S)]
        argv += [*tenants(factory, "creator", CREATORS), *tenants(factory, "reader", READERS)]
        wait_for_nodes(factory)
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"ingot-bind: {done.returncode} {done.stdout}{done.stderr}")
        return json.loads(done.stdout)


def measure(build):
    progress(f"  {PODS} pods onto {NODES} hollow nodes through the API")
    got = bind(build)
    note = (f"{got['pods']} one-GPU pods of {CREATORS} tenants onto {NODES} hollow nodes of {GPUS} GPUs over HTTPS, "
            f"the load on the same machine; all created after {got['create_s']:.2f} s, bound after {got['seconds']:.2f} s")
    yield row("bind_per_s", "pods created → bound through the API", got["per_s"], "/s", "≥ 5,000", got["per_s"] >= 5_000,
              "kube-scheduler 680/s", note)
    yield row("get_p99_busy_ms", "GET p99 of other tenants meanwhile", got["get_p99_ms"], "ms", "≤ 5",
              got["get_p99_ms"] <= 5, note=f"{got['gets']} GETs, {GETS_PER_S}/s due on time whatever the answers; "
              f"median {got['get_p50_ms']:.2f} ms, longest {got['get_max_ms']:.1f} ms")
