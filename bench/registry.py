"""MLflow's API: batches logged against the reference server, searches over a million runs, a plot of a million points."""
import http.client
import json
import math
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from factory import Factory
from mlflow_venv import python_with
from others import Missing
import lineage
import sign
from run import progress, row

RUNS, POINTS = 1_000_000, 1_000_000
CONNECTIONS, SECONDS = 8, 10
LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"

# What a training loop says to MLflow's client; the bodies it sends are what is replayed.
LOOP = """
import time
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
client = MlflowClient()
keys = ["loss", "accuracy", "lr", "grad_norm", "throughput", "val_loss", "val_accuracy", "val_f1", "gpu_util", "epoch"]
for step in range(64):
    metrics = [Metric(key, 1.0 / (step + 1 + i), int(time.time() * 1000), 770000 + step) for i, key in enumerate(keys)]
    params = [Param(f"p{i}", str(i)) for i in range(10)] if step == 0 else []
    tags = [RunTag("stage", "train")] if step % 16 == 0 else []
    client.log_batch("0" * 32, metrics=metrics, params=params, tags=tags)
"""

# As people ask: a metric above something, a parameter that is something, a tag, ordered by a metric or by time.
QUERIES = [
    {"filter": "metrics.accuracy > 0.9 AND params.optimizer = 'adam' AND tags.team = 'team-7'", "order_by": ["metrics.loss ASC"]},
    {"filter": "metrics.val_loss < 0.2 AND params.layers = '8' AND tags.stage = 'candidate'", "order_by": ["metrics.val_accuracy DESC"]},
    {"filter": "metrics.loss <= 0.5 AND params.batch != '64' AND tags.stage = 'experiment'", "order_by": ["metrics.accuracy DESC"]},
    {"filter": "metrics.accuracy >= 0.1 AND params.lr = '0.003' AND tags.host = 'node-12'", "order_by": ["start_time DESC"]},
    {"filter": "metrics.accuracy > 0.5 AND params.optimizer LIKE 'ad%' AND tags.team != 'team-1'", "order_by": ["metrics.val_loss ASC", "params.lr DESC"]},
    {"filter": "metrics.lr != 0.5 AND tags.team ILIKE 'TEAM-3%' AND params.seed = '77'", "order_by": []},
]


def record(python, scratch):
    """The bodies of log-batch as the unmodified client sends them, with a place for the run and the step."""
    bodies = []

    class Recorder(BaseHTTPRequestHandler):
        def answer(self, text="{}"):
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size).decode()
            if self.path == LOG_BATCH:
                bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{server.server_port}", GIT_PYTHON_REFRESH="quiet")
    subprocess.run([str(python), "-c", LOOP], env=env, check=True, capture_output=True, timeout=120)
    server.shutdown()
    out = scratch / "bodies"
    lines = []
    for body in bodies:
        value = json.loads(body)
        for metric in value["metrics"]:
            metric["step"] = "STEP"
        lines.append(json.dumps(value).replace('"STEP"', "STEP").replace("0" * 32, "RUN_ID"))
    out.write_text("\n".join(lines) + "\n")
    return out, len(bodies)


def replay(build, port, path, bodies, runs, scratch, seconds, *tls):
    names = scratch / f"runs-{port}"
    names.write_text("\n".join(runs) + "\n")
    argv = [str(build / "ingot-replay"), "--port", str(port), "--path", path, "--bodies", str(bodies), "--runs", str(names),
            "--connections", str(CONNECTIONS), "--seconds", str(seconds), *tls]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 120)
    if result.returncode:
        raise SystemExit(f"{' '.join(argv)}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def create_runs(connection, base, count):
    runs = []
    for _ in range(count):
        connection.request("POST", base + "/api/2.0/mlflow/runs/create", json.dumps({"experiment_id": "0"}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"runs/create: {answer.status} {text[:200]}")
        runs.append(json.loads(text)["run"]["info"]["run_id"])
    return runs


def reference(build, python, bodies, scratch):
    """The same against MLflow's own server on SQLite, as `mlflow server` starts it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = open(scratch / "mlflow.log", "w")
    env = dict(os.environ, PATH=f"{python.parent}:{os.environ['PATH']}", GIT_PYTHON_REFRESH="quiet")
    server = subprocess.Popen([str(python.parent / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
                               "--backend-store-uri", f"sqlite:///{scratch}/mlflow.db",
                               "--artifacts-destination", str(scratch / "artifacts")],
                              stdout=log, stderr=log, env=env, cwd=scratch, start_new_session=True)
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/health")
                if connection.getresponse().read():
                    break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit("the reference server did not start: " + (scratch / "mlflow.log").read_text()[-500:])
                time.sleep(0.5)
        runs = create_runs(connection, "", CONNECTIONS)
        replay(build, port, LOG_BATCH, bodies, runs, scratch, 3)  # it warms up
        return replay(build, port, LOG_BATCH, bodies, runs, scratch, SECONDS)
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def connect(factory, tenant):
    ca, cert, key = factory.credentials(tenant)
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    return http.client.HTTPSConnection("127.0.0.1", factory.port, context=context, timeout=600), (ca, cert, key)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def log_batches(build, factory, scratch):
    without = None  # why there is no reference server
    try:
        python = python_with(build, "mlflow")
    except Missing as why:
        without = why
        try:
            python = python_with(build, "mlflow-skinny")
        except Missing:
            progress(f"log_batch_ratio: skipped, MLflow cannot be installed here ({without})")
            return
    bodies, count = record(python, scratch)
    factory.run("tenant", "create", "batches")
    connection, (ca, cert, key) = connect(factory, "batches")
    base = "/clusters/batches/mlflow"
    runs = create_runs(connection, base, CONNECTIONS)
    tls = ("--ca", ca, "--cert", cert, "--key", key)
    replay(build, factory.port, base + LOG_BATCH, bodies, runs, scratch, 3, *tls)
    ours = replay(build, factory.port, base + LOG_BATCH, bodies, runs, scratch, SECONDS, *tls)
    note = (f"{ours['per_s']:.0f} batches of 10 metrics a second over HTTPS, p99 {ours['p99_ms']} ms, {ours['errors']} errors; "
            f"{count} bodies recorded from MLflow's client")
    if without:
        progress(f"log_batch_ratio: no reference server here ({without}); ours alone: {note}")
        return
    theirs = reference(build, python, bodies, scratch)
    ratio = round(ours["per_s"] / max(theirs["per_s"], 0.1), 1)
    yield row("log_batch_ratio", "log-batch, 8 connections ÷ MLflow's server on SQLite", ratio, "×", "≥ 20",
              ratio >= 20 and ours["errors"] == 0, f"{theirs['per_s']:.0f}/s, p99 {theirs['p99_ms']} ms", note)


def searches(build, factory):
    factory.run("tenant", "create", "many")
    client = factory.client()
    tenant = json.loads(client.call("GET", "/apis/factory.ingot.dev/v1alpha1/tenants/many")[1])
    file = factory.data / "tracking" / f"{tenant['status']['cluster']}.db"
    progress(f"filling {RUNS:,} runs and {POINTS:,} points")
    filled = json.loads(subprocess.run([str(build / "ingot-tracking-fill"), str(file), str(RUNS), str(POINTS)], check=True,
                                       capture_output=True, text=True).stdout)
    connection, _ = connect(factory, "many")
    base = "/clusters/many/mlflow/api/2.0/mlflow/"

    def ask(method, path, body=None):
        started = time.monotonic()
        connection.request(method, base + path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {text[:300]}")
        return (time.monotonic() - started) * 1000, text

    opening, _ = ask("GET", "experiments/get?experiment_id=0")
    progress(f"file opened in {opening / 1000:.1f} s")
    first = [ask("POST", "runs/search", dict(query, experiment_ids=["0"], max_results=100))[0] for query in QUERIES]
    times, found = [], 0
    for i in range(300):
        took, text = ask("POST", "runs/search", dict(QUERIES[i % len(QUERIES)], experiment_ids=["0"], max_results=100))
        times.append(took)
        found += len(json.loads(text)["runs"])
    p99 = round(percentile(times, 0.99), 1)
    yield row("search_p99_ms", f"run search over {RUNS:,} runs, p99", p99, "ms", "≤ 50 ms", p99 <= 50, "#2730: 15 minutes at 30,000",
              f"over HTTPS, 100 runs a page, {found / len(times):.0f} found on average; median {percentile(times, 0.5):.1f} ms; the first "
              f"search of each kind, which makes its columns, took up to {max(first):.0f} ms; the file opens in {opening / 1000:.1f} s; "
              f"{filled['memory_bytes'] / filled['runs']:.0f} bytes of memory a run")
    path = f"metrics/get-history-bulk-interval?run_ids={filled['run']}&metric_key=loss&max_results=320"
    times = [ask("GET", path)[0] for _ in range(30)]
    points = len(json.loads(ask("GET", path)[1])["metrics"])
    worst = round(percentile(times, 0.99), 1)
    yield row("history_ms", f"{POINTS:,} points of one metric, thinned out to {points}", worst, "ms", "≤ 100 ms", worst <= 100,
              note=f"over HTTPS, read from the file each time; median {percentile(times, 0.5):.1f} ms, the first {times[0]:.1f} ms")


def verdicts(build):
    """A verdict on a pod among a thousand gates: gate_bench gathers what gates see of it, and asks them."""
    ran = subprocess.run([str(build / "gate_bench"), "1000"], check=True, capture_output=True, text=True)
    figure = json.loads(ran.stdout)
    return row("gate_us", "verdict on a pod, 1,000 gates, p99", figure["p99"], "µs", "≤ 200 µs", figure["p99"] <= 200,
               "Kyverno: +15 to 500 ms a request", f"{figure['asked']:.0f} gates asked of each, p50 {figure['p50']:.0f} µs")


def measure(build):
    scratch = Path(tempfile.mkdtemp(prefix="ingot-mlflow-", dir="/var/tmp"))
    try:
        with Factory(build, "--gpus", "none") as factory:
            yield from log_batches(build, factory, scratch)
        with Factory(build, "--gpus", "none") as factory:
            yield from searches(build, factory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    yield from lineage.lineage_ms(build)
    yield from sign.sign_ratio(build)
    yield verdicts(build)
