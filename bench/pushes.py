"""How soon a push starts its pipeline: from the end of `git push`, a webhook as GitHub sends it, to the first pod's node."""
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from factory import Factory
from git_remote import Remote, Webhook, pushed
from run import progress, row
from workflows import ENDS, PODS, expect

PUSHES = 15
SECRET = "bench"
REPOSITORIES = "/clusters/bench/apis/factory.ingot.dev/v1alpha1/namespaces/default/repositories"
SECRETS = "/clusters/bench/api/v1/namespaces/default/secrets"
PIPELINE = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": "x-"},
            "spec": {"entrypoint": "main", "templates": [{"name": "main", **ENDS}]}}


def watch_events(factory, path):
    client = factory.client()
    client.connection.timeout = 60
    client.connection.request("GET", f"{path}?watch=true")
    return (json.loads(line)["object"] for line in client.connection.getresponse())


def push_to_pod(factory, root):
    client = factory.client()
    remote = Remote(root, "digits")
    # A repository of some size, so that a push is a small part of it.
    remote.commit({f"src/{i // 50}/{i}.py": f"print({i})\n" * 40 for i in range(1_000)})
    remote.push()
    expect(client.call("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"},
                                         "stringData": {"secret": SECRET}}), 201)
    expect(client.call("POST", REPOSITORIES, {
        "apiVersion": "factory.ingot.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "digits"},
        "spec": {"url": remote.url, "interval": "24h", "webhook": {"provider": "github", "secretRef": {"name": "hook"}}}}), 201)
    next(o for o in watch_events(factory, REPOSITORIES) if o.get("status", {}).get("lastSync"))
    hook = Webhook(factory, "bench", "digits", SECRET)
    pods = watch_events(factory, PODS)
    times = []
    for i in range(PUSHES):
        progress(f"  a push ({i + 1} of {PUSHES})")
        commit = remote.commit({".ingot/pipeline.yaml": json.dumps(PIPELINE), "src/0/0.py": f"print({i})\n"})
        remote.push()
        began = time.monotonic()
        code, text = hook.send(pushed(commit))
        if code != 202:
            raise SystemExit(f"{code}: {text}")
        next(o for o in pods if commit[:12] in o["metadata"]["name"] and o["spec"].get("nodeName"))
        times.append(1000 * (time.monotonic() - began))
    return times


def measure(build):
    work = Path(tempfile.mkdtemp(prefix="ingot-bench-git-", dir="/var/tmp"))
    os.chmod(work, 0o755)
    root = work / "root"
    root.mkdir()
    try:
        with Factory(build, "--gpus", "none", "--hollow", "4x8xH100-80GB", "--git-root", str(root)) as factory:
            factory.run("tenant", "create", "bench")
            times = push_to_pod(factory, root)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    middle = statistics.median(times)
    yield row("push_to_pod_ms", "a push's webhook to its first pod placed, median", round(middle), "ms", "≤ 500", middle <= 500,
              note=f"{PUSHES} pushes to a bare repository beside the factory, a fetch each; slowest {max(times):.0f} ms")
