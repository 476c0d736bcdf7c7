"""Gates on a real factory with hollow nodes: each rule holds, says why and the way out, and lets go by what it names."""
import datetime
import hashlib
import json
import sys
import time

from e2e import BUILD, FACTORY, MERGE, ROOT_API, Desk, run_tests, scratch_folder, until
from factory import Factory

VISION, PODS = "/clusters/vision", "/clusters/vision/api/v1/namespaces/default/pods"
WORKFLOWS = f"{VISION}/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
DIGEST = "sha256:" + hashlib.sha256(b"train").hexdigest()


def pod(name, image="train:1", seconds=600, volumes=(), **spec):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "annotations": {"ingot.dev/hollow": json.dumps({"runSeconds": seconds})}},
            "spec": {"restartPolicy": "Never", "volumes": list(volumes), "containers": [
                {"name": "main", "image": image, "resources": {"limits": {"nvidia.com/gpu": 1}}}], **spec}}


def workflow(name, image="train:1", seconds=1):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": {
        "entrypoint": "main", "templates": [
            {"name": "main", "metadata": {"annotations": {"ingot.dev/hollow": json.dumps({"runSeconds": seconds})}},
             "container": {"image": image, "command": ["train"], "resources": {"limits": {"nvidia.com/gpu": 1}}}}]}}


def trivy(image=DIGEST, at=None, **findings):
    at = at or datetime.datetime.now(datetime.timezone.utc)
    return {"SchemaVersion": 2, "Trivy": {"Version": "0.58.1"}, "CreatedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ArtifactName": "train.tar", "ArtifactType": "container_image", "Metadata": {"ImageID": image},
            "Results": [{"Target": "debian 12", "Vulnerabilities": [
                {"VulnerabilityID": f"CVE-2026-{i}", "PkgName": "zlib1g", "Severity": severity.upper()}
                for severity, count in findings.items() for i in range(count)]}]}


class Gates(Desk):
    def gate(self, name, rules, enforcement="Enforce", **match):
        self.call("POST", f"{ROOT_API}/gates", {"metadata": {"name": name}, "spec": {
            "match": match or {"tenants": ["vision"]}, "enforcement": enforcement, "rules": rules}})

    def no_gate(self, name):
        self.call("DELETE", f"{ROOT_API}/gates/{name}")

    def make(self, what):
        return self.call("POST", PODS if what["kind"] == "Pod" else WORKFLOWS, what)

    def pod(self, name):
        return self.call("GET", f"{PODS}/{name}")

    def held(self, name, *words):
        """Waits until a gate's reason is the pod's, and is told the same way by `ingot explain`."""
        def ask():
            found = self.pod(name)
            assert not found["spec"].get("nodeName"), f"{name} was placed: {found['status']}"
            told = next((c["message"] for c in found["status"].get("conditions", [])
                         if c["type"] == "PodScheduled" and c["message"].startswith("gate ")), "")
            return told if told and all(word in told for word in words) else None
        told = until(f"{name} is held by {words}", ask)
        assert told.split("; ")[0] in self.ingot("explain", f"vision/default/{name}").replace("\n", " "), told
        return told

    def placed(self, name):
        return until(f"{name} is placed", lambda: self.pod(name)["spec"].get("nodeName"))

    def gone(self, *names):
        for name in names:
            self.call("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0", wanted=(200, 404))

    def verdicts(self, name):
        return [one["verdict"] for one in json.loads(self.ingot("gate", "verdicts", "--tenant", "vision", "-o", "json"))
                if one["verdict"]["name"] == name]

    def run_of(self, name):
        return self.call("GET", f"{WORKFLOWS}/{name}")


def a_tag_is_held_and_a_digest_is_not(desk):
    desk.gate("pinned", [{"name": "images", "security": {"imagesByDigest": True}}])
    desk.make(pod("tagged"))
    told = desk.held("tagged", "gate pinned, rule images", 'image "train:1" of container main', "ask an operator for an exception")
    pinned = told.split("name it by its digest: ")[1].split(",")[0]
    assert pinned == f"docker.io/library/train@{DIGEST}", told
    desk.make(pod("pinned", pinned))
    desk.placed("pinned")
    # While the gate is there, what was judged is what runs.
    code, text = desk.client.call("PATCH", f"{PODS}/pinned", {"spec": {"containers": [{"name": "main", "image": "evil:1"}]}},
                                  "application/strategic-merge-patch+json")
    assert code == 403 and b"gate pinned judged its images before it was placed" in text, text
    checked = desk.ingot("gate", "check", "-f", desk.file("pod.yaml", pod("next")), "--tenant", "vision", check=False)
    assert "held   gate pinned, rule images" in checked and "would be held" in checked, checked
    assert "may go on" in desk.ingot("gate", "check", "-f", desk.file("pod.yaml", pod("next", pinned)), "--tenant", "vision")
    (failed,) = desk.verdicts("tagged")
    statement = failed["statement"]
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["predicate"]["verificationResult"] == "FAILED"
    assert [v["result"] for v in desk.verdicts("pinned")] == ["PASSED"]
    desk.no_gate("pinned")
    desk.placed("tagged")
    desk.gone("tagged", "pinned")


def an_exception_lets_its_target_go_and_is_named(desk):
    desk.gate("own", [{"name": "registries", "security": {"registries": ["registry.example/*"]}}])
    desk.make(pod("train-a"))
    desk.make(pod("other"))
    desk.held("train-a", "gate own, rule registries", "only images of registry.example/* may run")
    refused = desk.ingot("gate", "except", "own", "--rule", "registers", "--tenant", "vision", "--pod", "train-*",
                         "--reason", "it is late", "--for", "1h", check=False)
    assert 'spec.rule: Not found: "registers"' in refused, refused
    told = desk.ingot("gate", "except", "own", "--rule", "registries", "--tenant", "vision", "--pod", "train-*",
                      "--reason", "it is late", "--for", "1h")
    assert "rule registries of gate own does not hold vision pod train-* until" in told, told
    desk.placed("train-a")
    desk.held("other", "gate own")
    (exception,) = desk.call("GET", f"{ROOT_API}/gateexceptions")["items"]
    name = exception["metadata"]["name"]
    finding = desk.verdicts("train-a")[-1]["statement"]["predicate"]["ingot_findings"][0]
    assert finding["exception"] == name and finding["approver"] == exception["spec"]["approver"], finding
    assert name in desk.ingot("gate", "show", "own")
    listed = desk.ingot("gate", "list")
    assert "own" in listed and "registries (security)" in listed and "tenants vision" in listed, listed
    desk.call("DELETE", f"{ROOT_API}/gateexceptions/{name}")
    desk.make(pod("train-b"))
    desk.held("train-b", "gate own")
    desk.gone("train-a", "train-b", "other")
    desk.no_gate("own")


def a_scan_lets_an_image_go(desk):
    desk.gate("scanned", [{"name": "scan", "security": {"scan": {"maxAge": "24h", "maxSeverity": "medium"}}}])
    desk.make(pod("scan-a"))
    desk.held("scan-a", "has no scan report", "ingot image scan add REPORT.json --image train:1")
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)
    desk.ingot("image", "scan", "add", desk.file("old.json", trivy(at=old)))
    desk.held("scan-a", "gate scanned", "older than")
    told = desk.ingot("image", "scan", "add", desk.file("bad.json", trivy(high=2, low=1)), "--image", "train:1")
    assert "0 critical, 2 high, 0 medium, 1 low" in told and "CVE-2026-0 in zlib1g" in told, told
    desk.held("scan-a", "gate scanned", "2 findings of severity high")
    wrong = desk.ingot("image", "scan", "add", desk.file("wrong.json", trivy(image="sha256:" + "0" * 64)), "--image", "train:1", check=False)
    assert "the report is of train.tar (sha256:000" in wrong and "scan the image that was loaded" in wrong, wrong
    assert "neither Trivy's JSON" in desk.ingot("image", "scan", "add", desk.file("no.json", {"a": 1}), check=False)
    time.sleep(1.1)  # a scan counts by the second in which it was made
    desk.ingot("image", "scan", "add", desk.file("good.json", trivy(low=1)), "--image", "train:1")
    desk.placed("scan-a")
    inputs = desk.verdicts("scan-a")[-1]["statement"]["predicate"]["inputAttestations"]
    good = "sha256:" + hashlib.sha256((desk.scratch / "good.json").read_bytes()).hexdigest()
    assert inputs[0]["digest"]["sha256"] == good[7:], inputs
    listed = desk.ingot("image", "scan", "list")
    assert listed.count("train:1") == 3 and "trivy 0.58.1" in listed, listed
    desk.gone("scan-a")
    desk.no_gate("scanned")


def pod_security_is_the_gates(desk):
    desk.gate("strict", [{"name": "level", "security": {"podSecurity": "restricted"}}])
    desk.make(pod("loose"))
    desk.held("loose", 'violates Pod Security level "restricted"', "allowPrivilegeEscalation")
    strict = pod("strict", securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}})
    strict["spec"]["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    desk.make(strict)
    desk.placed("strict")
    desk.gone("loose", "strict")
    desk.no_gate("strict")


def data_stay_within_clearance_and_region(desk):
    volumes = [{"name": "d", "csi": {"driver": "datasets.ingot.dev", "readOnly": True, "volumeAttributes": {"dataset": "faces"}}}]
    folder = desk.scratch / "faces"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    desk.ingot("dataset", "add", "faces", folder, "--tenant", "vision", "--class", "restricted", "--region", "eu")
    desk.gate("data", [{"name": "eu", "privacy": {"regions": ["eu"]}}])
    desk.make(pod("faces-a", volumes=volumes))
    desk.held("faces-a", 'data set "faces" is restricted, and tenant vision may use data up to internal',
              "an operator raises spec.clearance of tenant vision")
    desk.call("PATCH", f"{ROOT_API}/tenants/vision", {"spec": {"clearance": "restricted"}}, content=MERGE)
    # No node is in the region yet: that is the scheduler's reason, and no gate's.
    until("the gate lets it go", lambda: not any(
        c.get("message", "").startswith("gate") for c in desk.pod("faces-a")["status"]["conditions"]))
    assert not desk.pod("faces-a")["spec"].get("nodeName")
    desk.call("PATCH", "/clusters/root/api/v1/nodes/hollow-1", {"metadata": {"labels": {"topology.kubernetes.io/region": "eu"}}}, content=MERGE)
    assert desk.placed("faces-a") == "hollow-1"
    assert desk.verdicts("faces-a")[-1]["statement"]["predicate"]["ingot_region"] == "eu"
    desk.gone("faces-a")
    desk.no_gate("data")


def a_gate_that_warns_lets_through(desk):
    desk.gate("soft", [{"name": "images", "security": {"imagesByDigest": True}}], enforcement="Warn")
    desk.make(pod("warned"))
    desk.placed("warned")
    event = until("an Event", lambda: next(
        (e for e in desk.call("GET", f"{VISION}/api/v1/namespaces/default/events")["items"] if e["reason"] == "GateWarning"), None))
    assert event["message"].startswith("gate soft, rule images: "), event
    desk.gone("warned")
    desk.no_gate("soft")


def a_run_is_held_as_a_whole(desk):
    desk.gate("pinned", [{"name": "images", "security": {"imagesByDigest": True}}])
    desk.make(workflow("held"))
    status = until("it is held", lambda: desk.run_of("held").get("status"))
    assert status["phase"] == "Pending" and status["message"].startswith("gate pinned, rule images: "), status
    assert status["conditions"][0]["type"] == "Gated", status
    # Its own tenant says otherwise, and is not heard.
    desk.call("PATCH", f"{WORKFLOWS}/held", {"status": {"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"}}, content=MERGE)
    until("it is held again", lambda: desk.run_of("held")["status"]["phase"] == "Pending")
    assert not [p for p in desk.call("GET", PODS)["items"] if p["metadata"]["name"].startswith("held")]
    desk.make(workflow("exact", f"train@{DIGEST}"))
    until("it ends", lambda: desk.run_of("exact")["status"].get("phase") == "Succeeded")
    desk.ingot("gate", "except", "pinned", "--rule", "images", "--tenant", "vision", "--workflow", "held", "--reason", "old", "--for", "10m")
    until("it ends", lambda: desk.run_of("held")["status"].get("phase") == "Succeeded")
    results = [(v["kind"], v["result"]) for v in desk.verdicts("held")]
    assert results[0] == ("Workflow", "FAILED") and ("Workflow", "PASSED") in results, results
    desk.no_gate("pinned")


def what_others_may_not(desk):
    """A tenant has no gates of its own, sees its own verdicts alone, and forges no owner."""
    theirs = desk.factory.client("vision")

    def ask(method, path, body=None):
        code, text = theirs.call(method, path, body)
        return code, json.loads(text or b"{}")

    mine = {"metadata": {"name": "mine"}, "spec": {"gate": "pinned", "target": {"tenant": "vision"}, "reason": "please",
                                                   "expires": "2099-01-01T00:00:00Z"}}
    for code, method, path, body in ((401, "GET", f"{ROOT_API}/gates", None), (404, "GET", f"{VISION}{FACTORY}/gates", None),
                                     (404, "POST", f"{VISION}{FACTORY}/gateexceptions", mine)):
        answered = ask(method, path, body)
        assert answered[0] == code, f"{method} {path}: {answered}"
    code, own = ask("GET", f"{VISION}{FACTORY}/gateverdicts")
    assert code == 200 and own["items"] and all(one["verdict"]["tenant"] == "vision" for one in own["items"]), own
    code, speech = ask("GET", f"{VISION}{FACTORY}/gateverdicts?tenant=speech")
    assert code == 200 and speech == own, "a tenant's question is of itself, whatever it says"
    desk.gate("pinned", [{"name": "images", "security": {"imagesByDigest": True}}])
    desk.ingot("gate", "except", "pinned", "--rule", "images", "--tenant", "vision", "--workflow", "exact", "--reason", "x", "--for", "10m")
    run = desk.run_of("exact")
    forged = pod("forged")
    forged["metadata"]["annotations"]["factory.ingot.dev/run-node"] = f"{run['metadata']['uid']}/exact"
    forged["metadata"]["ownerReferences"] = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "exact",
                                              "uid": run["metadata"]["uid"], "controller": True}]
    code, made = ask("POST", PODS, forged)
    assert code == 201 and "factory.ingot.dev/run-node" not in made["metadata"]["annotations"], made
    desk.held("forged", "gate pinned")
    desk.gone("forged")
    desk.no_gate("pinned")


def registered(desk, accuracy):
    """A version of model digits, from a run that logged this accuracy, once it is signed."""
    api = f"{VISION}/mlflow/api/2.0"
    run = desk.call("POST", f"{api}/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    desk.call("POST", f"{api}/mlflow/runs/log-metric", {"run_id": run, "key": "accuracy", "value": accuracy, "timestamp": 1, "step": 0})
    desk.client.connection.request("PUT", f"{api}/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel", f"accuracy: {accuracy}",
                                   {"Content-Type": "application/octet-stream"})
    assert desk.client.connection.getresponse().read() == b"{}"
    desk.client.call("POST", f"{api}/mlflow/registered-models/create", {"name": "digits"})
    made = desk.call("POST", f"{api}/mlflow/model-versions/create", {"name": "digits", "source": f"runs:/{run}/model", "run_id": run})
    number = made["model_version"]["version"]
    path = f"{VISION}{FACTORY}/modelversions/digits-v{number}"
    until("it is signed", lambda: desk.call("GET", path)["status"]["phase"] == "Ready")
    return f"vision/digits@{number}"


def a_worse_model_is_not_promoted(desk):
    first, worse, better = (registered(desk, accuracy) for accuracy in (0.96, 0.951, 0.97))
    desk.gate("good", [{"name": "accuracy", "quality": {"metrics": [
        {"name": "accuracy", "min": "0.95", "noWorseThan": "production", "tolerance": "0.005"}]}}], tenants=["vision"], models=["digits"])
    desk.ingot("model", "promote", first)
    refused = desk.ingot("model", "promote", worse, check=False)
    assert "alias production stays where it is: gate good, rule accuracy: accuracy of digits-v2 is 0.951" in refused, refused
    assert "production has 0.96, tolerance 0.005" in refused and "train a better version" in refused, refused
    desk.ingot("model", "promote", better)
    desk.ingot("gate", "except", "good", "--tenant", "vision", "--model", "digits", "--reason", "a trial", "--for", "10m")
    desk.ingot("model", "promote", worse)
    desk.ingot("model", "rollback", "vision/digits")
    assert [v["result"] for v in desk.verdicts("digits-v2")] == ["FAILED", "PASSED"]
    desk.no_gate("good")


def main():
    with scratch_folder("gates") as scratch, Factory(BUILD, "--gpus", "none", "--hollow", "2x4xH100-80GB") as factory:
        desk = Gates(factory, scratch)
        for tenant in ("vision", "speech"):
            desk.ingot("tenant", "create", tenant, "--gpus", "4")
        desk.call("POST", f"{ROOT_API}/images", {
            "metadata": {"name": "shared.0123456789abcdef"},
            "spec": {"tenant": "", "reference": "docker.io/library/train:1", "digest": DIGEST}})

        def without_gates():
            for gate in desk.call("GET", f"{ROOT_API}/gates")["items"]:
                desk.no_gate(gate["metadata"]["name"])
            return (desk,)
        return run_tests([a_tag_is_held_and_a_digest_is_not, an_exception_lets_its_target_go_and_is_named, a_scan_lets_an_image_go,
                          pod_security_is_the_gates, data_stay_within_clearance_and_region, a_gate_that_warns_lets_through,
                          a_run_is_held_as_a_whole, what_others_may_not, a_worse_model_is_not_promoted], without_gates)


if __name__ == "__main__":
    sys.exit(main())
