"""A factory with simulated GPUs and real containers, from the outside: what a pod sees, what a tenant cannot do, and
what crashes leave behind."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from containers import NEEDED, Tenant, allocations, write_tools_image
from e2e import BUILD, follow, run_tests, skip_all, why_not
from factory import Factory
import oci


def a_pod_sees_exactly_its_gpus(factory, vision, _):
    uid = vision.create("probe", "nvml-probe && echo visible $NVIDIA_VISIBLE_DEVICES && sleep 600", gpus=2)
    vision.phase("probe", "Running", "Failed")
    granted = sorted(d["uuid"] for d in allocations(factory)[uid]["devices"])
    follow = subprocess.Popen(["kubectl", "--kubeconfig", vision.kubeconfig, "logs", "-f", "probe"],
                              stdout=subprocess.PIPE, text=True)
    for line in follow.stdout:
        if line.startswith("visible"):
            assert sorted(line.split()[1].split(",")) == granted, line
            break
    follow.kill()
    seen = sorted(re.findall(r"^\d+ (GPU-\S+)", vision.log("probe"), re.M))
    assert len(granted) == 2 and seen == granted, (granted, vision.log("probe"))


def a_pod_without_gpus_sees_none(factory, vision, _):
    vision.create("none", "nvml-probe || echo refused; echo [$NVIDIA_VISIBLE_DEVICES]")
    vision.phase("none", "Succeeded")
    assert "GPU-" not in vision.log("none"), vision.log("none")


def a_pod_reaches_its_own_control_plane(factory, vision, speech):
    ask = ("T=/var/run/secrets/kubernetes.io/serviceaccount; "
           "curl -sS --cacert $T/ca.crt -H \"Authorization: Bearer $(cat $T/token)\" "
           "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT")
    who = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    vision.create("inside", f"{ask}/apis/authentication.k8s.io/v1/selfsubjectreviews -X POST "
                  f"-H 'Content-Type: application/json' -d '{who}'; {ask}/clusters/speech/api/v1/pods; "
                  f"{ask}/clusters/root/api/v1/nodes")
    vision.phase("inside", "Succeeded", "Failed")
    log = vision.log("inside")
    assert "system:serviceaccount:default:default" in log, log
    assert log.count('"code":401') + log.count('"code":403') + log.count('"code": 401') == 2, log


def a_server_is_ready_once_it_answers(factory, vision, _):
    serve = "/bin/busybox mkdir /www; echo yes > /www/ready; exec /bin/busybox httpd -f -p 8080 -h /www"
    for name, probe in (("http", {"httpGet": {"path": "/ready", "port": 8080}}), ("tcp", {"tcpSocket": {"port": 8080}}),
                        ("wrong", {"httpGet": {"path": "/nothing", "port": 8080}})):
        vision.call("POST", vision.pods, {
            "metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": "tools:latest", "command": ["sh", "-c", serve],
                 "readinessProbe": {**probe, "periodSeconds": 1, "failureThreshold": 1}}]}})
    for name in ("http", "tcp"):
        vision.wait(name, lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("ready"))
    vision.phase("wrong", "Running")
    events = "/clusters/vision/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=wrong,reason=Unhealthy"
    told = follow(factory, events, lambda event: "404" in event["message"])
    assert not vision.get("wrong")["status"]["containerStatuses"][0]["ready"], told
    for name in ("http", "tcp", "wrong"):
        vision.call("DELETE", f"{vision.pods}/{name}?gracePeriodSeconds=0")


def a_forced_deletion_frees_no_gpu_early(factory, vision, _):
    uid = vision.create("forced", "trap '' TERM; sleep 600", gpus=1)
    vision.phase("forced", "Running")
    assert len(allocations(factory)[uid]["devices"]) == 1
    vision.client.call("DELETE", f"{vision.pods}/forced?gracePeriodSeconds=0")
    assert vision.get("forced") is None
    for _ in range(20_000):  # each request is a turn of its own: the agent works meanwhile
        if uid not in allocations(factory):
            break
    else:
        raise AssertionError("the Allocation of a force-deleted pod is never released")
    used = next(t for t in json.loads(factory.run("usage", "--tenant", "vision", "-o", "json"))["tenants"] if t["tenant"] == "vision")
    assert used["gpuSeconds"] > 0, used
    running = subprocess.run(["ctr", "-a", str(factory.data / "containerd/containerd.sock"), "-n", "k8s.io", "c", "ls"],
                             capture_output=True, text=True).stdout
    assert uid not in running, "released while its container was there"


def a_tenant_cannot_take_a_gpu(factory, vision, _):
    uid = vision.create("cheat", "sleep 600", gpus=3)  # 2 of 4 are held by `probe`
    waiting = vision.wait("cheat", lambda pod: any(c.get("reason") == "Unschedulable"
                                                   for c in pod["status"].get("conditions", [])))
    reason = next(c["message"] for c in waiting["status"]["conditions"] if c["type"] == "PodScheduled")
    assert re.search(r"\d of 4 GPUs free in pool default, needs 3|limit", reason), reason
    for args in (["patch", "pod", "cheat", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Running"}}'],
                 ["patch", "pod", "cheat", "--type=merge", "-p", '{"spec":{"nodeName":"node-0"}}']):
        subprocess.run(["kubectl", "--kubeconfig", vision.kubeconfig, *args], capture_output=True)
    assert uid not in allocations(factory)
    assert vision.get("cheat")["status"]["phase"] == "Pending"
    vision.client.call("DELETE", f"{vision.pods}/cheat?gracePeriodSeconds=0")


def an_absent_image_says_so_and_starts_once_loaded(factory, vision, _):
    vision.create("late", "echo here", image="late:latest")
    pod = vision.wait("late", lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("state", {})
                      .get("waiting", {}).get("reason", "").startswith("ImagePull")
                      or "Image" in json.dumps(pod["status"].get("containerStatuses", [])))
    assert "ingot image load" in json.dumps(pod["status"]), pod["status"]
    with tempfile.TemporaryDirectory() as scratch:
        oci.write_busybox(Path(scratch) / "late.tar", "late:latest")
        factory.run("image", "load", str(Path(scratch) / "late.tar"), "--tenant", "vision")
    vision.phase("late", "Succeeded")


def one_tenants_image_is_not_anothers(factory, _, speech):
    speech.create("borrow", "echo mine")
    pod = speech.wait("borrow", lambda pod: "ingot image load" in json.dumps(pod["status"]))
    assert pod["status"]["phase"] == "Pending"
    speech.client.call("DELETE", f"{speech.pods}/borrow?gracePeriodSeconds=0")


def pods_survive_a_crash_of_the_factory(factory, vision, _):
    before = vision.get("probe")["status"]["containerStatuses"][0]
    factory.kill()
    vision.up_again()
    after = vision.phase("probe", "Running")["status"]["containerStatuses"][0]
    assert (before["containerID"], before["restartCount"]) == (after["containerID"], after["restartCount"])


def pods_survive_a_kill_of_containerd(factory, vision, _):
    before = vision.get("probe")["status"]["containerStatuses"][0]["containerID"]
    pid = json.loads((factory.data / "containerd/process.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    vision.create("next", "echo after")
    vision.phase("next", "Succeeded")
    assert vision.get("probe")["status"]["containerStatuses"][0]["containerID"] == before


def an_upgrade_keeps_pods(factory, vision, _):
    before = vision.get("probe")["status"]["containerStatuses"][0]["containerID"]
    factory.run("down", "--keep-pods")
    vision.up_again()
    assert vision.phase("probe", "Running")["status"]["containerStatuses"][0]["containerID"] == before


def two_factories_do_not_meet(factory, vision, _):
    with Factory(BUILD, "--gpus", "simulated:1x1xA30") as other:
        listed = json.loads(other.run("tenant", "list", "-o", "json"))
        assert "vision" not in json.dumps(listed)
    assert vision.get("probe")["status"]["phase"] == "Running"


WORKFLOW = {"entrypoint": "main", "volumes": [{"name": "work", "emptyDir": {}}], "templates": [
    {"name": "main", "steps": [
        [{"name": "make", "template": "make"}],
        [{"name": "use", "template": "use", "withParam": "{{steps.make.outputs.result}}", "arguments": {"parameters": [
            {"name": "text", "value": "{{item}} {{steps.make.outputs.parameters.fruit}} {{steps.make.outputs.parameters.cup}}"
                                      " {{steps.make.outputs.parameters.link}}"}]}}]]},
    {"name": "make", "outputs": {"parameters": [
        {"name": "fruit", "valueFrom": {"path": "/tmp/out/fruit"}}, {"name": "cup", "valueFrom": {"path": "/work/cup"}},
        {"name": "link", "valueFrom": {"path": "/tmp/out/link", "default": "nowhere"}}]},
     "script": {"image": "tools:latest", "command": ["sh"], "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                "source": "/bin/busybox mkdir -p /tmp/out; echo pear > /tmp/out/fruit; echo tea > /work/cup; "
                          "/bin/busybox ln -s /proc/1/root/etc/shadow /tmp/out/link; echo oops >&2; echo '[7, 8]'"}},
    {"name": "use", "inputs": {"parameters": [{"name": "text"}]},
     "container": {"image": "tools:latest", "command": ["echo", "{{inputs.parameters.text}}"]}}]}


def a_step_leaves_files_and_its_output(factory, vision, speech):
    path = "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
    vision.call("POST", path, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "leaves"}, "spec": WORKFLOW})
    ended = follow(factory, f"{path}?fieldSelector=metadata.name=leaves", lambda o: o.get("status", {}).get("finishedAt"), 120)
    status = ended["status"]
    assert status["phase"] == "Succeeded", status
    said = sorted(n["outputs"]["result"] for n in status["nodes"].values() if n["displayName"].startswith("use"))
    assert said == ["7 pear tea nowhere", "8 pear tea nowhere"], status["nodes"]


def traces(factory):
    """What of this factory is on the machine."""
    identity = json.loads((factory.data / "factory.json").read_text())["id"]
    found = [line for line in open("/proc/mounts") if str(factory.data) in line]
    found += [line for line in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.splitlines()
              if f"ingot_{identity}" in line]
    found += [str(p) for p in Path("/sys/class/net").iterdir() if p.name == f"ing{identity}"]
    found += [str(p) for p in Path("/sys/fs/cgroup").glob(f"**/ingot-{identity}")]
    return found


def down_leaves_nothing(factory, vision, _):
    assert traces(factory), "the test looks in the wrong places"
    factory.run("down")
    left = traces(factory)
    assert not left, left


def main():
    tests = [a_pod_sees_exactly_its_gpus, a_pod_without_gpus_sees_none, a_pod_reaches_its_own_control_plane,
             a_server_is_ready_once_it_answers, a_tenant_cannot_take_a_gpu, a_forced_deletion_frees_no_gpu_early,
             a_step_leaves_files_and_its_output, an_absent_image_says_so_and_starts_once_loaded, one_tenants_image_is_not_anothers,
             pods_survive_a_crash_of_the_factory, pods_survive_a_kill_of_containerd, an_upgrade_keeps_pods,
             two_factories_do_not_meet, down_leaves_nothing]
    if why := why_not(NEEDED):
        return skip_all(tests, why)
    with Factory(BUILD, "--gpus", "simulated:1x4xH100-80GB") as factory, tempfile.TemporaryDirectory() as scratch:
        write_tools_image(Path(scratch) / "tools.tar")
        for name in ("vision", "speech"):
            factory.run("tenant", "create", name, "--gpus", "4")
        factory.run("image", "load", str(Path(scratch) / "tools.tar"), "--tenant", "vision")
        vision, speech = Tenant(factory, "vision"), Tenant(factory, "speech")
        vision.kubeconfig = factory.run("tenant", "kubeconfig", "vision", "--user", "ada").strip()
        return run_tests(tests, lambda: (factory, vision, speech))


if __name__ == "__main__":
    sys.exit(main())
