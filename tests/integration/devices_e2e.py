"""GPUs between tenants on a factory with simulated boards and real containers: what a pod sees of a board that is cut,
what a crash leaves, what a hung or unclean board stops."""
import fcntl
import json
import re
import sys
import tempfile
from pathlib import Path

from containers import NEEDED, Tenant, allocations, write_tools_image
from e2e import BUILD, follow, run_tests, skip_all, why_not
from factory import Factory

SLICE = "/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com"


class Boards:
    """The state of the simulated boards: what the driver and the boards would know."""

    def __init__(self, factory):
        self.path = factory.data / "nodes/node-0/gpus"

    def text(self):
        return self.path.read_text()

    def change(self, change):
        with open(f"{self.path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            next_path = Path(f"{self.path}.test")
            next_path.write_text(change(self.text()))
            next_path.rename(self.path)

    def add(self, *lines):
        self.change(lambda text: text + "".join(f"{line}\n" for line in lines))

    def drop(self, pattern):
        self.change(lambda text: "".join(l for l in text.splitlines(True) if not re.search(pattern, l)))

    def instances(self):
        return re.findall(r"^instance (\d) (\S+) start=(\d) id=\d+ uuid=(MIG-\S+)$", self.text(), re.M)


def create(tenant, name, command, resource, count=1):
    return tenant.create(name, command, count, resource=resource)


def end(factory, tenant, name):
    """Deletes the pod and waits until its Allocation is gone: its devices are anybody's again."""
    uid = tenant.get(name)["metadata"]["uid"]
    tenant.client.call("DELETE", f"{tenant.pods}/{name}?gracePeriodSeconds=0")
    for _ in range(20_000):  # each request is a turn of its own: the agent works meanwhile
        if uid not in allocations(factory):
            return
    raise AssertionError(f"the Allocation of {name} is never released")


def devices(factory):
    code, body = factory.client().call("GET", SLICE)
    return json.loads(body)


def wait_devices(factory, done, seconds=120):
    """Follows the node's ResourceSlice until done(its devices' attributes)."""
    return follow(factory, SLICE.rsplit("/", 1)[0], lambda item: SLICE.endswith(item["metadata"]["name"]) and done(
        [d["attributes"] for d in item["spec"]["devices"]]), seconds)


def a_pod_sees_exactly_its_instance(factory, boards, vision, speech):
    create(vision, "one", "nvml-probe && echo visible $NVIDIA_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES", "nvidia.com/mig-1g.10gb")
    vision.phase("one", "Succeeded", "Failed")
    log = vision.log("one")
    seen = re.findall(r"^  (MIG-\S+) profile=1g.10gb .* memory_mib=9984$", log, re.M)
    visible = re.search(r"^visible (\S+) (\S+)$", log, re.M)
    assert len(seen) == 1 and visible and visible.groups() == (seen[0], seen[0]), log
    assert len(re.findall(r"^\d+ GPU-\S+ .* mig=on", log, re.M)) == 1, log
    assert len(re.findall(r"MIG-", log)) == 3, log
    end(factory, vision, "one")
    assert not boards.instances(), boards.text()


def instances_come_and_go_beside_one_that_runs(factory, boards, vision, speech):
    create(vision, "stays", "sleep 600", "nvidia.com/mig-1g.10gb")
    vision.phase("stays", "Running")
    first = boards.instances()
    assert len(first) == 1, boards.text()
    for profile in ("3g.40gb", "2g.20gb", "1g.20gb"):
        create(speech, "passes", "nvml-probe", f"nvidia.com/mig-{profile}")
        speech.phase("passes", "Succeeded", "Failed")
        assert f"profile={profile}" in speech.log("passes"), speech.log("passes")
        assert first[0][3] not in speech.log("passes"), "another tenant's instance is visible"
        end(factory, speech, "passes")
    assert boards.instances() == first, boards.text()
    assert vision.get("stays")["status"]["phase"] == "Running"


def a_crash_loses_no_instance_and_leaves_none(factory, boards, vision, speech):
    before = vision.get("stays")["status"]["containerStatuses"][0]["containerID"]
    kept = boards.instances()
    create(vision, "caught", "sleep 600", "nvidia.com/mig-1g.10gb")
    factory.kill()  # somewhere between placing it and its container
    taken = {int(start) for board, _, start, _ in boards.instances() if board == kept[0][0]}
    free = next(s for s in (0, 2, 4) if not {s, s + 1} & taken)
    boards.add(f"instance {kept[0][0]} 1g.20gb start={free} id=99 uuid=MIG-left-over")
    factory.up()
    vision.client, speech.client = factory.client(), factory.client()
    vision.phase("caught", "Running")
    after = vision.get("stays")["status"]["containerStatuses"][0]["containerID"]
    assert before == after, "the running pod was touched"
    for _ in range(20_000):  # each request is a turn of its own: the agent works meanwhile
        if "MIG-left-over" not in boards.text():
            break
        allocations(factory)
    assert kept[0] in boards.instances() and len(boards.instances()) == 2, boards.text()
    for name in ("caught", "stays"):
        end(factory, vision, name)
    assert not boards.instances(), boards.text()


def what_a_tenant_left_is_gone_before_the_next(factory, boards, vision, speech):
    for name in ("a", "b"):
        create(vision, name, "sleep 600", "nvidia.com/gpu")
    for name in ("a", "b"):
        vision.phase(name, "Running")
    boards.add("memory 0 start_mib=1000 mib=4000 byte=171", "memory 1 start_mib=0 mib=81559 byte=172")
    for name in ("a", "b"):
        end(factory, vision, name)
    create(vision, "again", "sleep 600", "nvidia.com/gpu")
    vision.phase("again", "Running")
    assert len(re.findall("^memory", boards.text(), re.M)) == 2, "its own tenant's data is nobody's business"
    end(factory, vision, "again")
    create(speech, "next", "sleep 600", "nvidia.com/gpu", 2)
    speech.phase("next", "Running")
    assert "memory" not in boards.text(), boards.text()
    scrubs = json.loads(devices(factory)["metadata"]["annotations"]["factory.ingot.dev/last-scrubs"])
    assert len([s for s in scrubs.values() if s["for"].startswith("speech") and "vision" in s["before"]]) >= 2, scrubs
    code, body = factory.client().call("GET", "/clusters/root/api/v1/namespaces/default/events")
    assert "DeviceScrubbed" in body.decode()
    end(factory, speech, "next")


def a_board_that_cannot_be_cleared_is_given_to_nobody(factory, boards, vision, speech):
    boards.add("fault 0 clear", "fault 1 clear")
    create(vision, "unclean", "sleep 600", "nvidia.com/gpu")
    pod = vision.phase("unclean", "Failed", "Running")
    assert pod["status"]["reason"] == "DeviceUnavailable" and "cleared" in pod["status"]["message"], pod["status"]
    assert "speech" not in json.dumps(pod["status"]), "another tenant is named"
    assert not pod["status"]["containerStatuses"][0].get("containerID"), "it was started"
    sick = [d for d in devices(factory)["spec"]["devices"] if not d["attributes"]["healthy"]["bool"]]
    assert len(sick) == 1 and sick[0]["attributes"]["unhealthyReason"]["string"].startswith("scrub failed"), sick
    end(factory, vision, "unclean")
    boards.drop("^fault . clear$")
    wait_devices(factory, lambda ds: all(d["healthy"]["bool"] for d in ds))
    create(vision, "clean", "echo ran", "nvidia.com/gpu", 2)
    vision.phase("clean", "Succeeded")
    end(factory, vision, "clean")


def a_board_that_hangs_stops_nothing_else(factory, boards, vision, speech):
    boards.add("fault 0 hang")
    for name in ("left", "right"):
        create(speech, name, "sleep 600", "nvidia.com/gpu")
    create(vision, "plain", "echo ran", "cpu")
    vision.phase("plain", "Succeeded")
    phases = {}
    for name in ("left", "right"):
        phases[name] = speech.phase(name, "Running", "Failed")["status"]
    told = sorted(s["phase"] for s in phases.values())
    assert told == ["Failed", "Running"], phases
    failed = next(s for s in phases.values() if s["phase"] == "Failed")
    assert "gave no answer" in failed["message"], failed
    boards.drop("^fault 0 hang$")
    wait_devices(factory, lambda ds: all(d["healthy"]["bool"] for d in ds))


def pods_of_one_claim_see_the_same_devices(factory, boards, vision, speech):
    claims = "/clusters/vision/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
    code, body = vision.client.call("POST", claims, {
        "metadata": {"name": "kit"}, "spec": {"devices": {"requests": [
            {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}},
            {"name": "slice", "exactly": {"deviceClassName": "mig.nvidia.com"}}]}}})
    assert code == 201, body
    uids = []
    for pod in ("editor", "viewer"):
        code, body = vision.client.call("POST", vision.pods, {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                     "resourceClaims": [{"name": "kit", "resourceClaimName": "kit"}],
                     "containers": [{"name": "main", "image": "tools:latest",
                                     "command": ["sh", "-c", "echo visible $NVIDIA_VISIBLE_DEVICES && sleep 600"],
                                     "resources": {"claims": [{"name": "kit"}]}}]}})
        assert code == 201, body
        uids.append(json.loads(body)["metadata"]["uid"])
        vision.phase(pod, "Running")
    seen = [re.search(r"^visible (GPU-\S+),(MIG-\S+)$", vision.log(pod), re.M) for pod in ("editor", "viewer")]
    assert all(seen) and seen[0].groups() == seen[1].groups(), [vision.log(p) for p in ("editor", "viewer")]
    charged = lambda uid: [d.get("charged", True) for d in allocations(factory)[uid]["devices"]]
    assert charged(uids[0]) == [True, True] and charged(uids[1]) == [False, False], allocations(factory)
    instances = boards.instances()
    end(factory, vision, "editor")
    assert charged(uids[1]) == [True, True], allocations(factory)
    assert boards.instances() == instances and len(instances) == 1, boards.text()
    assert vision.get("viewer")["status"]["phase"] == "Running"
    end(factory, vision, "viewer")
    assert not boards.instances(), boards.text()
    vision.client.call("DELETE", f"{claims}/kit")


def main():
    tests = [a_pod_sees_exactly_its_instance, pods_of_one_claim_see_the_same_devices, instances_come_and_go_beside_one_that_runs,
             a_crash_loses_no_instance_and_leaves_none, what_a_tenant_left_is_gone_before_the_next,
             a_board_that_cannot_be_cleared_is_given_to_nobody, a_board_that_hangs_stops_nothing_else]
    if why := why_not(NEEDED):
        return skip_all(tests, why)
    with Factory(BUILD, "--gpus", "simulated:1x2xH100-80GB") as factory, tempfile.TemporaryDirectory() as scratch:
        write_tools_image(Path(scratch) / "tools.tar")
        for name in ("vision", "speech"):
            factory.run("tenant", "create", name, "--gpus", "2")
            factory.run("image", "load", str(Path(scratch) / "tools.tar"), "--tenant", name)
        boards, vision, speech = Boards(factory), Tenant(factory, "vision"), Tenant(factory, "speech")
        return run_tests(tests, lambda: (factory, boards, vision, speech))


if __name__ == "__main__":
    sys.exit(main())
