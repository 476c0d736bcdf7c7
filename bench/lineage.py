"""Lineage of models among the history of many runs, asked over HTTPS of a factory that was started with it."""
import http.client
import json
import math
import random
import ssl
import subprocess
import time

from factory import Factory
from run import progress, row

RUNS, QUESTIONS = 100_000, 500


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def asker(factory):
    ca, cert, key = factory.credentials("many")
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    connection = http.client.HTTPSConnection("127.0.0.1", factory.port, context=context, timeout=600)

    def ask(of, way="both", nodes=500):
        started = time.monotonic()
        connection.request("GET", f"/clusters/many/apis/factory.ingot.dev/v1alpha1/lineage?of={of}&way={way}&nodes={nodes}")
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"lineage of {of}: {answer.status} {text[:300]}")
        return (time.monotonic() - started) * 1000, json.loads(text)
    return ask


def memory_mib(pid):
    return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1]) / 1024


def lineage_ms(build):
    with Factory(build, "--gpus", "none") as factory:
        factory.run("tenant", "create", "many")
        tenant = json.loads(factory.client().call("GET", "/apis/factory.ingot.dev/v1alpha1/tenants/many")[1])
        empty = memory_mib(factory.pid())
        factory.run("down")
        progress(f"writing the history of {RUNS:,} runs")
        subprocess.run([str(build / "ingot-lineage-fill"), str(factory.data / "ingot.db"), tenant["status"]["cluster"], str(RUNS)], check=True)
        factory.up()
        ask = asker(factory)
        first, _ = ask("model/model-0@1")  # waits for the index
        progress(f"the first answer after {first / 1000:.1f} s")
        dice, times, sizes = random.Random(7), [], []
        for _ in range(QUESTIONS):
            took, answer = ask(f"model/model-{dice.randrange(20)}@{dice.randrange(RUNS // 200) + 1}")
            times.append(took)
            sizes.append(len(answer["nodes"]))
            kinds = {n["kind"] for n in answer["nodes"]}
            run = next(n for n in answer["nodes"] if n["kind"] == "run")
            if kinds != {"version", "run", "data", "commit", "image"} or run.get("cost") != "0.666666":
                raise SystemExit(f"an answer lacks something: {answer}")
        down, found = ask(f"data/{next(n['id'] for n in answer['nodes'] if n['kind'] == 'data').split('/')[1]}", "down")
        p99 = round(percentile(times, 0.99), 1)
        grown = memory_mib(factory.pid()) - empty
        yield row("lineage_ms", f"lineage of a model among {RUNS:,} runs, p99", p99, "ms", "≤ 20 ms", p99 <= 20,
                  note=f"over HTTPS, {QUESTIONS} of {RUNS // 10:,} versions, {sum(sizes) / len(sizes):.0f} nodes each; median "
                       f"{percentile(times, 0.5):.1f} ms; the first after a start, which waits for the index, {first / 1000:.1f} s; all that "
                       f"came of a data set, cut at {len(found['nodes'])} nodes, {down:.0f} ms; {grown:.0f} MiB of memory")
