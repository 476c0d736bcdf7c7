"""What was acknowledged is there after kill -9, and an acknowledgement waits for fdatasync.

A kill does not empty the page cache, so the first test shows that the program recovers and forgets nothing it said,
and the second, which counts fdatasync per acknowledged write, that what it said was on disk.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from factory import Factory  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "build/release")).resolve()
ROUNDS, WRITERS, SEED = 6, 4, 7
MAPS = "/clusters/vision/api/v1/namespaces/default/configmaps"


class Writer(threading.Thread):
    """Creates, updates and deletes until told to stop; remembers what was acknowledged and what is in doubt."""

    def __init__(self, factory, name, seed):
        super().__init__()
        self.client, self.name_, self.random = factory.client(), name, random.Random(seed)
        self.known = {}     # name → value acknowledged, None = deletion acknowledged
        self.doubt = set()  # names whose last write was not answered
        self.acks = 0
        self.stop = False

    def run(self):
        serial = 0
        while not self.stop:
            serial += 1
            alive = [n for n, v in self.known.items() if v is not None and n not in self.doubt]
            choice = self.random.random()
            if choice < 0.5 or not alive:
                name, value, method, path = f"{self.name_}-{serial}", str(serial), "POST", MAPS
            else:
                name = self.random.choice(alive)
                path = f"{MAPS}/{name}"
                method, value = ("PUT", str(serial)) if choice < 0.8 else ("DELETE", None)
            body = None if method == "DELETE" else {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                                                    "data": {"value": value}}
            self.doubt.add(name)
            try:
                code, data = self.client.call(method, path, body)
            except OSError:
                return
            except Exception:  # an answer cut in the middle: http.client has many names for it
                return
            if code >= 300:
                print(f"fail a writer's {method} {name} was answered {code}: {data[:200]}")
                return
            self.known[name] = value
            self.doubt.discard(name)
            self.acks += 1


def check(factory, writers):
    code, data = factory.client().call("GET", MAPS)
    there = {o["metadata"]["name"]: o.get("data", {}).get("value") for o in json.loads(data)["items"]}
    wrong = []
    for w in writers:
        for name, value in w.known.items():
            if name not in w.doubt and there.get(name) != value:
                wrong.append(f"{name}: acknowledged {value!r}, found {there.get(name)!r}")
    return wrong


def kill_loop():
    rng = random.Random(SEED)
    acks, wrong, everything = 0, [], []
    with Factory(BUILD, "--gpus", "none") as factory:
        factory.run("tenant", "create", "vision")
        for round_ in range(ROUNDS):
            writers = [Writer(factory, f"r{round_}w{i}", rng.random()) for i in range(WRITERS)]
            for w in writers:
                w.start()
            target = rng.randint(200, 600)
            while sum(w.acks for w in writers) < target and any(w.is_alive() for w in writers):
                writers[0].join(0.01)
            factory.kill()
            for w in writers:
                w.stop = True
                w.join()
            factory.up()
            everything += writers
            acks += sum(w.acks for w in writers)
            wrong += check(factory, everything)
    print(f"  {ROUNDS} kills, {acks} acknowledged writes, {sum(len(w.doubt) for w in everything)} in doubt")
    for line in wrong[:10]:
        print(f"  {line}")
    print(f"{'fail' if wrong or acks < ROUNDS * 100 else 'ok'} nothing acknowledged is lost by kill -9 under write load")


def sync_count():
    name = "every acknowledged write waits for an fdatasync"
    if not shutil.which("strace"):
        print(f"skip {name}: no strace on this machine")
        return
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        print(f"skip {name}: this machine does not let strace trace")
        return
    trace = Path(f"/var/tmp/ingot-strace-{os.getpid()}")
    wrapper = ["strace", "-D", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-o", str(trace)]
    writes = 100
    try:
        with Factory(BUILD, "--gpus", "none", wrapper=wrapper) as factory:
            factory.run("tenant", "create", "vision")
            client = factory.client()
            before = len(re.findall(r"f(?:data)?sync\(", trace.read_text()))
            for i in range(writes):
                code, data = client.call("POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap",
                                                        "metadata": {"name": f"s{i}"}})
                assert code == 201, data
            syncs = len(re.findall(r"f(?:data)?sync\(", trace.read_text())) - before
        print(f"  {writes} writes one after another, {syncs} syncs")
        print(f"{'ok' if syncs >= writes else 'fail'} {name}")
    finally:
        trace.unlink(missing_ok=True)


if __name__ == "__main__":
    kill_loop()
    sync_count()
