"""Every manifest of tests/workflows on hollow nodes, taken by kubectl; and runs that are stopped, held, tried again and
killed in the middle."""
import json
import os
import subprocess
import sys

from e2e import BUILD, ROOT, follow, run_tests, until
from argo import argo as argo_program
from factory import Factory

SECONDS = 120


class Kubectl:
    def __init__(self, factory, tenant):
        self.environment = {**os.environ, "KUBECONFIG": factory.run("tenant", "kubeconfig", tenant).strip()}

    def __call__(self, *args, text=None):
        return subprocess.run(["kubectl", *args], env=self.environment, capture_output=True, text=True, input=text)

    def get(self, kind, name):
        return json.loads(self("get", kind, name, "-o", "json").stdout)

    def create(self, text):
        made = self("create", "-f", "-", text=text)
        assert made.returncode == 0, made.stderr
        return made.stdout.split()[0].split("/")[1]

    def until(self, name, path="{.status.finishedAt}"):
        waited = self("wait", f"--for=jsonpath={path}", f"workflow/{name}", f"--timeout={SECONDS}s")
        assert waited.returncode == 0, waited.stderr


def node_of(workflow, name):
    whole = workflow["metadata"]["name"] + ("" if name == "." else name)
    nodes = workflow["status"].get("nodes", {})
    return next((n for n in nodes.values() if n["name"] == whole), None)


def pod_of(kubectl, workflow, name):
    node = node_of(workflow, name)
    pods = json.loads(kubectl("get", "pods", "-o", "json", "-l",
                              f"workflows.argoproj.io/workflow={workflow['metadata']['name']}").stdout)["items"]
    return next((p for p in pods if p["metadata"]["annotations"]["workflows.argoproj.io/node-id"] == node["id"]), None)


def artifact_of(node, side, name):
    all = (node or {}).get("inputs" if side == "in" else "outputs", {}).get("artifacts", [])
    return next((a for a in all if a["name"] == name), None)


def judge(kubectl, workflow, line):
    """"": what the line says is so."""
    word, _, rest = line.partition(" ")
    if word == "phase":
        return "" if workflow["status"]["phase"] == rest else f"phase {workflow['status']['phase']}"
    if word == "message":
        said = workflow["status"].get("message", "")
        return "" if said.startswith(rest) else f"message {said}"
    if word == "global":
        shown = workflow["status"].get("outputs", {}).get("artifacts", [])
        return "" if any(a["name"] == rest and a["s3"]["key"].startswith("sha256/") for a in shown) else f"{shown}"
    name, _, rest = rest.partition(" ")
    if word == "label":
        seen = str(workflow["metadata"]["labels"].get(name))
        return "" if seen == rest else f"label {seen}"
    node = node_of(workflow, name)
    if word == "absent":
        return "" if node is None else f"{name} is there"
    if node is None:
        return f"no node {name}"
    if word == "node":
        phase, _, message = rest.partition(" ")
        good = node["phase"] == phase and node.get("message", "").startswith(message)
        return "" if good else f"{node['phase']} {node.get('message', '')}"
    if word == "children":
        nodes = workflow["status"]["nodes"]
        root = workflow["metadata"]["name"]
        seen = sorted(nodes[c]["name"].removeprefix(root) for c in node.get("children", []))
        return "" if seen == sorted(rest.split()) else f"children {seen}"
    if word in ("artifact", "absent-artifact"):
        side, artifact, *path = rest.split()
        found = artifact_of(node, side, artifact)
        if word == "absent-artifact":
            return "" if found is None else f"{artifact} is there"
        located = found and (found.get("s3", {}).get("key", "").startswith("sha256/") or found.keys() & {"raw", "http"})
        return "" if located and path in ([], [found.get("path")]) else f"artifact {json.dumps(found)}"
    if word == "passed":
        left, to, given = rest.split()
        a, b = artifact_of(node, "out", left), artifact_of(node_of(workflow, to), "in", given)
        return "" if a and b and a["s3"] == b["s3"] else f"{json.dumps(a)} is not {json.dumps(b)}"
    if word == "gone":
        return "" if pod_of(kubectl, workflow, name) is None else "its pod is there"
    spec = pod_of(kubectl, workflow, name)["spec"]
    if word == "mounts":
        container, want = rest.split()
        found = next(c for c in spec["containers"] + spec.get("initContainers", []) if c["name"] == container)
        seen = {m["mountPath"] for m in found["volumeMounts"] if not m["mountPath"].startswith("/var/run/secrets")}
        return "" if seen == set(want.split(",")) else f"mounts {seen}"
    main = spec["containers"][0]
    seen = main.get("command") if word == "command" else main.get("resources", {}).get("limits")
    return "" if seen == json.loads(rest) else f"{word} {json.dumps(seen)}"


def manifests(kubectl):
    files = sorted((ROOT / "tests/workflows").glob("*.yaml"))
    texts = {f.stem: f.read_text() for f in files}
    expected = {n: [l[3:] for l in t.splitlines() if l.startswith("#= ")] for n, t in texts.items()}
    made = {name: kubectl("create", "-f", "-", text=text) for name, text in texts.items()}
    for name, lines in expected.items():
        refused = [l.partition(" ")[2] for l in lines if l.startswith("refused ")]
        wrong = []
        if refused:
            if made[name].returncode == 0 or refused[0] not in made[name].stderr:
                wrong = [f"taken: {made[name].stderr.strip() or 'without a word'}"]
        elif made[name].returncode:
            wrong = [made[name].stderr.strip()]
        else:
            try:
                kubectl.until(name)
                workflow = kubectl.get("workflow", name)
                wrong = [f"{l}: {w}" for l in lines if (w := judge(kubectl, workflow, l))]
            except AssertionError as error:
                wrong = [str(error).strip()]
        yield name, wrong


LONG = """apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: long-}
spec:
  entrypoint: main
  onExit: bye
  templates:
  - name: main
    steps:
    - - {name: a, template: quick}
    - - {name: b, template: slow}
    - - {name: ok, template: approve}
    - - {name: c, template: quick}
  - {name: approve, suspend: {}}
  - name: quick
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 0}'}}
    container: {image: busybox}
  - name: slow
    retryStrategy: {limit: 3}
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 1}'}}
    container: {image: busybox}
  - name: bye
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 0}'}}
    container: {image: busybox}
"""


def in_node(factory, workflow, name, phase="Running"):
    """Waits, by the Workflow's watch, until the node has the phase; returns the Workflow."""
    def is_there(seen):
        node = node_of(seen, name) if "status" in seen else None
        return node and node["phase"] == phase
    path = "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
    return follow(factory, f"{path}?fieldSelector=metadata.name={workflow}", is_there, SECONDS)


def a_stopped_run_calls_its_exit_handler(factory, kubectl):
    name = kubectl.create(LONG)
    in_node(factory, name, "[1].b")
    kubectl("patch", "workflow", name, "--type=merge", "-p", '{"spec":{"shutdown":"Stop"}}')
    kubectl.until(name)
    seen = kubectl.get("workflow", name)
    assert seen["status"]["phase"] == "Failed", seen["status"]
    assert node_of(seen, ".onExit")["phase"] == "Succeeded"


def a_terminated_run_does_not(factory, kubectl):
    name = kubectl.create(LONG)
    in_node(factory, name, "[1].b")
    kubectl("patch", "workflow", name, "--type=merge", "-p", '{"spec":{"shutdown":"Terminate"}}')
    kubectl.until(name)
    assert node_of(kubectl.get("workflow", name), ".onExit") is None


def an_edit_of_a_node_answers_what_is_suspended(factory, kubectl):
    name = kubectl.create(LONG)
    seen = in_node(factory, name, "[2].ok")
    node = node_of(seen, "[2].ok")
    node.update(phase="Succeeded", finishedAt=seen["metadata"]["creationTimestamp"])
    put = kubectl("replace", "-f", "-", text=json.dumps(seen))
    assert put.returncode == 0, put.stderr
    kubectl.until(name)
    assert kubectl.get("workflow", name)["status"]["phase"] == "Succeeded"


def what_a_run_runs_stays(factory, kubectl):
    name = kubectl.create(LONG)
    in_node(factory, name, "[1].b")
    refused = kubectl("patch", "workflow", name, "--type=merge", "-p", '{"spec":{"templates":[]}}')
    assert refused.returncode and "spec.templates: field is immutable once the run has begun" in refused.stderr, refused
    refused = kubectl("patch", "workflow", name, "--type=merge", "-p",
                      '{"spec":{"entrypoint":"quick"},"status":{"nodes":null}}')
    assert refused.returncode and "spec.entrypoint" in refused.stderr, refused
    seen = kubectl.get("workflow", name)
    assert node_of(seen, "[0].a")["phase"] == "Succeeded"
    for node in seen["status"]["nodes"].values():
        node.update(boundaryID=node["id"], type="DAG", name="x")
    assert kubectl("replace", "-f", "-", text=json.dumps(seen)).returncode == 0
    in_node(factory, name, "[2].ok")


def a_suspended_run_begins_nothing(factory, kubectl):
    name = kubectl.create(LONG.replace("spec:\n", "spec:\n  suspend: true\n", 1))
    kubectl("patch", "workflow", name, "--type=merge", "-p", '{"metadata":{"labels":{"seen":"yes"}}}')
    assert "nodes" not in kubectl.get("workflow", name).get("status", {})
    kubectl("patch", "workflow", name, "--type=merge", "-p", '{"spec":{"suspend":null}}')
    in_node(factory, name, "[2].ok")


def runs_go_on_after_kill_9(factory, kubectl):
    names = [kubectl.create(LONG) for _ in range(5)]
    factory.kill()
    factory.up()
    for name in names:
        seen = in_node(factory, name, "[2].ok")  # hollow pods die with the factory, and are tried again
        pods = json.loads(kubectl("get", "pods", "-o", "json", "-l", f"workflows.argoproj.io/workflow={name}").stdout)
        ran = [p["metadata"]["annotations"]["workflows.argoproj.io/node-name"] for p in pods["items"]]
        assert len(ran) == len(set(ran)), ran
        assert sorted(n["name"] for n in seen["status"]["nodes"].values() if n["type"] == "Pod") == sorted(ran), ran


def a_deleted_workflow_takes_its_pods_along(factory, kubectl):
    name = kubectl.create(LONG)
    in_node(factory, name, "[1].b")
    kubectl("delete", "workflow", name)
    until("its pods are gone", lambda: not kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={name}", "-o", "name").stdout, SECONDS)


def another_tenant_sees_nothing(factory, kubectl):
    other = Kubectl(factory, "speech")
    assert json.loads(other("get", "workflows", "-A", "-o", "json").stdout)["items"] == []


CRON = """apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: tick}
spec:
  schedules: ["@every 1s", "0 3 * * *"]
  timezone: Europe/Berlin
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 2
  stopStrategy: {expression: "cronworkflow.succeeded >= 4"}
  workflowMetadata: {labels: {of: tick}}
  workflowSpec:
    entrypoint: main
    templates:
    - name: main
      metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 0}'}}
      container: {image: busybox}
"""


def until_cron(kubectl, path):
    waited = kubectl("wait", f"--for=jsonpath={path}", "cronworkflow/tick", f"--timeout={SECONDS}s")
    assert waited.returncode == 0, waited.stderr


def a_schedule_makes_runs_until_it_is_to_stop(factory, kubectl):
    made = kubectl("create", "-f", "-", text=CRON)
    assert made.returncode == 0, made.stderr
    until_cron(kubectl, "{.status.succeeded}=1")
    factory.kill()
    factory.up()
    until_cron(kubectl, "{.status.phase}=Stopped")
    seen = kubectl.get("cronworkflow", "tick")
    assert seen["status"]["succeeded"] == 4 and "failed" not in seen["status"], seen["status"]
    left = json.loads(kubectl("get", "workflows", "-l", "of=tick", "-o", "json").stdout)["items"]
    assert len(left) == 2 and all(w["status"]["phase"] == "Succeeded" for w in left), left
    assert {w["metadata"]["labels"]["workflows.argoproj.io/cron-workflow"] for w in left} == {"tick"}
    assert kubectl("delete", "cronworkflow", "tick").returncode == 0
    waited = kubectl("wait", "--for=delete", "workflows", "-l", "of=tick", f"--timeout={SECONDS}s")
    assert waited.returncode == 0 or "no matching resources" in waited.stderr, waited.stderr


REFERENCE = """apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: by-reference-, namespace: strict}
spec: %s
"""
TEMPLATE = """apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {factory.ingot.dev/workflows-by-reference: "true"}}
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: quick, namespace: strict}
spec:
  entrypoint: main
  arguments: {parameters: [{name: text, value: hi}]}
  templates:
  - name: main
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 0}'}}
    container: {image: busybox, command: [echo, "{{workflow.parameters.text}}"]}
"""


def who_submits_may_set_what_is_on_the_list(factory, kubectl):
    made = kubectl("apply", "-f", "-", text=TEMPLATE)
    assert made.returncode == 0, made.stderr
    ref = "workflowTemplateRef: {name: quick}"
    for spec, field in ((f"{{{ref}, podSpecPatch: '{{}}'}}", "spec.podSpecPatch is"),
                        (f"{{{ref}, templates: [{{name: main, suspend: {{}}}}]}}", "spec.templates is"),
                        ("{entrypoint: a, templates: [{name: a, suspend: {}}]}", "spec.workflowTemplateRef is required")):
        refused = kubectl("create", "-f", "-", text=REFERENCE % spec)
        assert refused.returncode and field in refused.stderr, (spec, refused)
    held = kubectl("create", "-f", "-", text=REFERENCE % f"{{{ref}, suspend: true}}").stdout.split()[0]
    for change, field in (('{"spec":{"hostNetwork":true}}', "spec.hostNetwork is"),
                          ('{"status":{"storedWorkflowTemplateSpec":{"entrypoint":"a"}}}', "status.storedWorkflowTemplateSpec is")):
        refused = kubectl("-n", "strict", "patch", held, "--type=merge", "-p", change)
        assert refused.returncode and field in refused.stderr, (change, refused)
    taken = kubectl("create", "-f", "-", text=REFERENCE % f"{{{ref}, arguments: {{parameters: [{{name: text, value: x}}]}}}}")
    assert taken.returncode == 0, taken.stderr
    name = taken.stdout.split()[0].split("/")[1]
    waited = kubectl("-n", "strict", "wait", "--for=jsonpath={.status.phase}=Succeeded", f"workflow/{name}", f"--timeout={SECONDS}s")
    assert waited.returncode == 0, waited


class Argo:
    """Argo's own command line, where the machine has it or can build it."""

    def __init__(self, kubectl):
        self.environment, self.program = kubectl.environment, argo_program()

    def __call__(self, *args, code=0):
        ran = subprocess.run([self.program, *args], env=self.environment, capture_output=True, text=True, timeout=SECONDS)
        assert ran.returncode == code, f"argo {' '.join(args)}: {ran.returncode} {ran.stdout} {ran.stderr}"
        return ran.stdout


def argo_drives_a_run(factory, kubectl):
    argo = Argo(kubectl)
    file = factory.data / "long.yaml"
    file.write_text(LONG)
    assert "no linting errors" in argo("lint", str(file))
    name = argo("submit", str(file), "-o", "name").strip()
    in_node(factory, name, "[2].ok")
    assert name in argo("list") and "Suspended" in argo("get", name)
    argo("resume", name)
    argo("wait", name)
    assert "Succeeded" in argo("get", name)
    again = argo("resubmit", name, "-o", "name").strip()
    in_node(factory, again, "[2].ok")
    argo("stop", again)
    argo("wait", again, code=1)
    argo("delete", name, again)
    assert argo("list", "-o", "name").find(name) < 0


def argo_tries_again_what_failed(factory, kubectl):
    argo = Argo(kubectl)
    file = factory.data / "failing.yaml"
    file.write_text((ROOT / "tests/workflows/steps-failed.yaml").read_text().replace("name: steps-failed", "name: again"))
    argo("submit", str(file))
    argo("wait", "again", code=1)
    before = {n["name"]: n["startedAt"] for n in kubectl.get("workflow", "again")["status"]["nodes"].values()}
    argo("retry", "again")
    argo("wait", "again", code=1)
    after = kubectl.get("workflow", "again")
    assert node_of(after, "[0].a")["phase"] == "Failed"
    assert node_of(after, "[0].b")["startedAt"] == before["again[0].b"]


def argo_drives_schedules(factory, kubectl):
    argo = Argo(kubectl)
    file = factory.data / "cron.yaml"
    file.write_text(CRON.replace("@every 1s", "0 4 1 1 *"))
    assert "no linting errors" in argo("cron", "lint", str(file))
    argo("cron", "create", str(file))
    assert "tick" in argo("cron", "list")
    seen = argo("cron", "get", "tick")
    assert "Europe/Berlin" in seen and "NextScheduledTime" in seen and "Forbid" in seen, seen
    argo("cron", "suspend", "tick")
    assert kubectl.get("cronworkflow", "tick")["spec"]["suspend"] is True
    argo("cron", "resume", "tick")
    assert not kubectl.get("cronworkflow", "tick")["spec"].get("suspend")
    name = argo("submit", "--from", "cronwf/tick", "-o", "name").strip()
    argo("wait", name)
    until_cron(kubectl, "{.status.succeeded}=1")
    file.write_text(CRON.replace("@every 1s", "0 5 1 1 *"))
    argo("cron", "update", str(file))
    assert "0 5 1 1 *" in argo("cron", "get", "tick")
    argo("cron", "delete", "tick")
    assert "tick" not in argo("cron", "list")
    file.write_text(CRON.replace("0 3 * * *", "0 33 * * *"))
    assert "malformed" in argo("cron", "lint", str(file), code=1)


def main():
    runs = [a_stopped_run_calls_its_exit_handler, a_terminated_run_does_not,
            an_edit_of_a_node_answers_what_is_suspended, what_a_run_runs_stays, a_suspended_run_begins_nothing, runs_go_on_after_kill_9,
            a_deleted_workflow_takes_its_pods_along, a_schedule_makes_runs_until_it_is_to_stop, another_tenant_sees_nothing,
            who_submits_may_set_what_is_on_the_list]
    with Factory(BUILD, "--gpus", "none", "--hollow", "4x8xH100-80GB") as factory:
        for tenant in ("vision", "speech"):
            factory.run("tenant", "create", tenant)
        kubectl = Kubectl(factory, "vision")
        for name, wrong in manifests(kubectl):
            print("".join(f"  {w}\n" for w in wrong) + f"{'fail' if wrong else 'ok'} {name}", flush=True)
        return run_tests([*runs, argo_drives_a_run, argo_tries_again_what_failed, argo_drives_schedules], lambda: (factory, kubectl))


if __name__ == "__main__":
    sys.exit(main())
