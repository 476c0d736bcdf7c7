"""What workflows cost: steps, many small ones, one large one. On hollow nodes, whose pods end at once."""
import json
import statistics
import threading
import time

from factory import Factory, tree_pss_kib
from run import progress, row

WORKFLOWS, NODES, CHAIN = 5_000, 50_000, 20
NODES_OF = "/clusters/root/api/v1/nodes"
PATH = "/clusters/bench/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
PODS = "/clusters/bench/api/v1/namespaces/default/pods"
ENDS = {"metadata": {"annotations": {"ingot.dev/hollow": '{"runSeconds": 0}'}}, "container": {"image": "none"}}


def workflow(name, spec):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}


def expect(answer, code):
    if answer[0] != code:
        raise SystemExit(f"{answer[0]}: {answer[1][:300]}")
    return json.loads(answer[1])


def finished(factory, wanted):
    """Seconds on the clock when that many Workflows had ended, by their watch."""
    client = factory.client()
    client.connection.timeout = 600
    client.connection.request("GET", f"{PATH}?watch=true", headers={"Accept": "application/json;as=PartialObjectMetadata;"
                                                                              "v=v1;g=meta.k8s.io"})
    ended = set()
    for line in client.connection.getresponse():
        metadata = json.loads(line)["object"]["metadata"]
        if metadata.get("labels", {}).get("workflows.argoproj.io/completed") == "true":
            ended.add(metadata["name"])
            if len(ended) == wanted:
                return time.monotonic()
    raise SystemExit("the watch ended")


def await_nodes(client, wanted):
    while len(expect(client.call("GET", NODES_OF), 200)["items"]) < wanted:
        time.sleep(0.1)


def cordon(client, on):
    for node in expect(client.call("GET", NODES_OF), 200)["items"]:
        client.connection.request("PATCH", f"{NODES_OF}/{node['metadata']['name']}",
                                  json.dumps({"spec": {"unschedulable": on}}),
                                  {"Content-Type": "application/merge-patch+json"})
        client.connection.getresponse().read()


def overhead(factory):
    """A step after another, less what a pod of its own takes from its creation to its end."""
    client, bare = factory.client(), []
    for i in range(CHAIN):
        watch = factory.client()
        watch.connection.timeout = 60
        watch.connection.request("GET", f"{PODS}?watch=true&fieldSelector=metadata.name=bare-{i}")
        stream = watch.connection.getresponse()
        began = time.monotonic()
        expect(client.call("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {**ENDS["metadata"], "name": f"bare-{i}"},
                                          "spec": {"restartPolicy": "Never",
                                                   "containers": [{"name": "main", "image": "none"}]}}), 201)
        next(l for l in stream if json.loads(l)["object"]["status"].get("phase") == "Succeeded")
        bare.append(time.monotonic() - began)
    steps = [[{"name": f"s{i}", "template": "one"}] for i in range(CHAIN)]
    began = time.monotonic()
    expect(client.call("POST", PATH, workflow("chain", {"entrypoint": "main", "templates": [
        {"name": "main", "steps": steps}, {"name": "one", **ENDS}]})), 201)
    step = (finished(factory, 1) - began) / CHAIN
    alone = statistics.median(bare)
    over = max(0.0, 1000 * (step - alone))
    return row("step_over_ms", "overhead of a step above its pod's own start", round(over, 1), "ms", "≤ 150", over <= 150,
               peer="Argo: seconds", note=f"{CHAIN} steps one after another, {1000 * step:.1f} ms each; a pod alone "
               f"{1000 * alone:.1f} ms from created to ended")


def many(factory):
    client = factory.client()
    await_nodes(client, 200)
    cordon(client, True)
    before = tree_pss_kib(factory.pid())
    spec = {"entrypoint": "one", "templates": [{"name": "one", **ENDS}]}

    def create(own, share):
        for i in share:
            expect(own.call("POST", PATH, workflow(f"w{i}", spec)), 201)

    progress(f"  {WORKFLOWS} workflows, queued")
    threads = [threading.Thread(target=create, args=(factory.client(), range(t, WORKFLOWS, 8))) for t in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    while len(expect(client.call("GET", f"{PODS}?fieldSelector=status.phase=Pending&limit={WORKFLOWS + 1}"), 200)["items"]) < WORKFLOWS:
        time.sleep(0.2)
    kib = (tree_pss_kib(factory.pid()) - before) / WORKFLOWS
    began = time.monotonic()
    cordon(client, False)
    rate = WORKFLOWS / (finished(factory, WORKFLOWS + 1) - began)
    yield row("workflows_per_s", f"{WORKFLOWS:,} queued one-step workflows: finished per second", round(rate), "/s", "≥ 500",
              rate >= 500, peer="Argo 270–810 a minute", note="from the nodes' uncordoning to the last one's end")
    yield row("workflow_kib", "memory of one while it is queued, its pod with it", round(kib, 1), "KiB", "≤ 20", kib <= 20)


def kept(factory):
    """Bytes that the process has, without the history of changes, which is bounded by itself."""
    connection = factory.client().connection
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    history = next(line.split()[1] for line in page.splitlines() if line.startswith("ingot_store_history_bytes"))
    return 1024 * tree_pss_kib(factory.pid()) - float(history)


def large(build):
    with Factory(build, "--gpus", "none", "--hollow", "100x8xH100-80GB") as factory:
        factory.run("tenant", "create", "bench")
        client = factory.client()
        await_nodes(client, 100)
        before = kept(factory)
        progress(f"  one dag of {NODES} nodes")
        began = time.monotonic()
        expect(client.call("POST", PATH, workflow("large", {
            "entrypoint": "main", "podGC": {"strategy": "OnPodCompletion"}, "templates": [
                {"name": "main", "dag": {"tasks": [{"name": "t", "template": "one",
                                                    "withSequence": {"count": str(NODES)}}]}},
                {"name": "one", **ENDS}]})), 201)
        seconds = finished(factory, 1) - began
        nodes = expect(factory.client().call("GET", f"{PATH}/large"), 200)["status"]  # the other one was idle for long
        factory.run("down")
        factory.up()  # what it holds, and not what it once needed
        await_nodes(factory.client(), 100)
        size = max(0, kept(factory) - before) / NODES
        good = nodes["phase"] == "Succeeded" and len(nodes["nodes"]) == NODES + 2
        yield row("dag50k_s", f"one dag of {NODES:,} nodes", round(seconds, 1), "s", "≤ 120", good and seconds <= 120,
                  peer="Argo stops near 1 MB of status", note=f"{nodes['phase']}, {len(nodes['nodes']):,} nodes shown")
        yield row("dag_node_bytes", "what the process keeps of a node, pods collected", round(size), "B", "≤ 1,024",
                  size <= 1024, note="after a restart, without the history of changes")


def measure(build):
    with Factory(build, "--gpus", "none", "--hollow", "200x8xH100-80GB") as factory:
        factory.run("tenant", "create", "bench")
        yield overhead(factory)
        yield from many(factory)
    yield from large(build)
