"""./dev bench node: from bound to started, above what containerd itself takes for the same calls."""
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import oci
from factory import Factory
from run import progress, row

PODS = 15


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                {"name": "main", "image": "busybox:latest", "command": ["sleep", "600"]}]}}


def wait_until(client, path, name, done, since=""):
    """Follows a watch until done(event): waiting costs the machine nothing."""
    client.connection.request("GET", f"{path}?watch=true&fieldSelector=metadata.name={name}&resourceVersion={since}")
    response = client.connection.getresponse()
    for line in response:
        event = json.loads(line)
        if done(event):
            break
    client.connection.close()


def started_us(log):
    return [int(us) for us in re.findall(r"node\.container\.started .*since_bound_us=(\d+)", log.read_text())]


def start_pods(factory):
    """Milliseconds from bound to started, one pod after another."""
    client, log = factory.client(), factory.data / "ingot.log"
    pods = "/clusters/bench/api/v1/namespaces/default/pods"
    for i in range(PODS):
        code, body = client.call("POST", pods, pod(f"p{i}"))
        if code != 201:
            raise SystemExit(f"pod: {code} {body[:300]}")
        wait_until(client, pods, f"p{i}", lambda e: e["object"].get("status", {}).get("phase") == "Running")
        since = json.loads(client.call("GET", f"{pods}/p{i}")[1])["metadata"]["resourceVersion"]
        client.call("DELETE", f"{pods}/p{i}")
        wait_until(client, pods, f"p{i}", lambda e: e["type"] == "DELETED", since)
    return [us / 1000 for us in started_us(log)]


def measure(build):
    with Factory(build, "--gpus", "simulated:1x1xH100-80GB") as factory, tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "busybox.tar"
        oci.write_busybox(archive)
        factory.run("tenant", "create", "bench")
        factory.run("image", "load", str(archive), "--tenant", "bench")
        code, body = factory.client().call("GET", "/clusters/root/apis/factory.ingot.dev/v1alpha1/images")
        digest = json.loads(body)["items"][0]["spec"]["digest"]
        identity = json.loads((factory.data / "factory.json").read_text())["id"]
        start_pods(factory)  # warm: page cache, snapshots
        progress(f"  {PODS} pods through the factory, {PODS} through containerd alone")
        before = len(started_us(factory.data / "ingot.log"))
        ours = start_pods(factory)[before:]
        direct = subprocess.run(
            [str(build / "ingot-cri-start"), "--socket", str(factory.data / "containerd/containerd.sock"), "--id", identity,
             "--image", digest, "--logs", scratch, "--count", str(PODS)], check=True, capture_output=True, text=True)
        alone = [sum(one.values()) for one in json.loads(direct.stdout)]
    over = statistics.median(ours) - statistics.median(alone)
    return [row("pod_start_over_ms", "pod bound to container started, above containerd's own time", round(over, 1), "ms",
                "≤ 100", over <= 100 and len(ours) == PODS, peer=f"containerd alone {statistics.median(alone):.0f} ms",
                note=f"medians of {PODS}: {statistics.median(ours):.0f} ms through the factory; simulated GPU node, real containerd")]


if __name__ == "__main__":
    print(measure(Path(sys.argv[1])))
