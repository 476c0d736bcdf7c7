"""./dev bench control-plane: tenants, memory, restart, durable creates against etcd, GET latency."""
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from factory import Factory, tree_pss_kib
from run import progress, row

TENANTS = 10_000
TENANT_PATH = "/apis/factory.ingot.dev/v1alpha1/tenants"


def tenant(name):
    return {"apiVersion": "factory.ingot.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}


def create_tenant(client, name):
    """Milliseconds from the request to the first answer from inside the new cluster."""
    started = time.monotonic()
    code, body = client.call("POST", "/clusters/root" + TENANT_PATH, tenant(name))
    if code != 201:
        raise SystemExit(f"tenant {name}: {code} {body[:300]}")
    code, body = client.call("GET", f"/clusters/{name}/api/v1/namespaces/default")
    if code != 200:
        raise SystemExit(f"first request in {name}: {code} {body[:300]}")
    return (time.monotonic() - started) * 1000


def tenants(factory):
    client = factory.client()
    times = []
    for i in range(TENANTS):
        times.append(create_tenant(client, f"t{i:05}"))
        if (i + 1) % 2500 == 0:
            progress(f"  {i + 1} of {TENANTS} tenants")
    median = statistics.median(times)
    yield row("tenant_create_ms", "tenant created to first successful request in it, median", round(median, 2), "ms",
              "≤ 5", median <= 5, note=f"{TENANTS} tenants one after another on one connection; "
              f"p99 {sorted(times)[int(len(times) * .99)]:.2f} ms")
    time.sleep(2)  # idle, as the figure says: the last creates' controllers have run
    kib = tree_pss_kib(factory.pid()) / TENANTS
    yield row("tenant_idle_kib", f"memory per idle tenant, {TENANTS} tenants, process tree", round(kib, 1), "KiB", "≤ 64",
              kib <= 64, note="proportional set size of the whole tree divided by tenants, the program itself included")
    factory.run("down")
    seconds = factory.up()
    code, _ = factory.client().call("GET", f"/clusters/t{TENANTS - 1:05}/api/v1/namespaces/default")
    yield row("restart_10k_s", f"restart with {TENANTS} tenants until /readyz answers", round(seconds, 2), "s", "≤ 5",
              seconds <= 5 and code == 200)


def etcd_puts_per_s():
    """Debian's etcd-server under etcdctl check perf --load=l (etcd.io/docs: benchmark)."""
    data = tempfile.mkdtemp(prefix="ingot-bench-etcd-")
    ports = []
    for _ in range(2):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            ports.append(s.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{p}" for p in ports)
    server = subprocess.Popen(["etcd", "--data-dir", data, "--listen-client-urls", client, "--advertise-client-urls",
                               client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                               "--initial-cluster", f"default={peer}"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        env = {"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}
        for _ in range(100):
            if subprocess.run(["etcdctl", "--endpoints", client, "endpoint", "health"], env=env,
                              capture_output=True).returncode == 0:
                break
        out = subprocess.run(["etcdctl", "--endpoints", client, "check", "perf", "--load=l"], env=env,
                             capture_output=True, text=True)
        found = re.search(r"[Tt]hroughput(?: is|:| too low:)? *(\d+) writes/s", out.stdout + out.stderr)
        if not found:
            raise SystemExit(f"etcdctl check perf said nothing usable: {out.stdout}{out.stderr}")
        return int(found[1])
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(data, ignore_errors=True)


def throughput(factory):
    client = factory.client()
    create_tenant(client, "bench")
    progress("  etcd: check perf --load=l (60 s)")
    puts = etcd_puts_per_s()
    progress("  creates, 64 connections (20 s)")
    creates = factory.load("/clusters/bench", 20, "create:64:0")[0]
    ratio = creates["per_s"] / puts
    failed = f"; {creates['errors']} failed with {creates['first_error']}" if creates["errors"] else ""
    yield row("create_vs_etcd", "durable 1 KiB ConfigMap creates/s ÷ etcd puts/s", round(ratio, 2), "×", "≥ 2.5",
              ratio >= 2.5 and not creates["errors"], peer=f"etcd {puts} puts/s",
              note=f"{creates['per_s']:.0f} creates/s over HTTPS, 64 connections, the load on the same machine{failed}")
    half = int(creates["per_s"] / 2)
    progress(f"  GETs at {half}/s (15 s)")
    gets = factory.load("/clusters/bench", 15, f"get:32:{half}")[0]
    mixed = factory.load("/clusters/bench", 15, f"create:64:{half // 2}", f"get:32:{half // 2}")[1]
    yield row("get_p99_ms", "GET p99 at half that load", round(gets["p99_ms"], 2), "ms", "≤ 2",
              gets["p99_ms"] <= 2 and not gets["errors"],
              note=f"{half} GETs/s due on time whatever the answers; {mixed['p99_ms']:.2f} ms when half of them are creates")


def measure(build):
    with Factory(build, "--gpus", "none") as factory:
        rows = list(throughput(factory))
    with Factory(build, "--gpus", "none") as factory:
        rows = list(tenants(factory)) + rows
    return rows
