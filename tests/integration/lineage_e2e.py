"""Lineage on a real factory: a pipeline that reads a data set and registers a model, asked both ways, also when all of it is deleted."""
import hashlib
import http.client
import json
import ssl
import sys
import xml.etree.ElementTree as xml

from e2e import BUILD, FACTORY, Desk, run_tests, scratch_folder, until
from factory import Factory
from git_remote import Remote

API, WORKFLOWS = "/clusters/vision", "/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
IMAGE = "sha256:" + hashlib.sha256(b"train").hexdigest()


def pipeline(name, seconds=4, data="digits"):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name} if name else {"generateName": "x-"},
            "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "epochs", "value": "3"}]},
                     "volumes": [{"name": "data", "csi": {"driver": "datasets.ingot.dev", "readOnly": True,
                                                          "volumeAttributes": {"dataset": data}}}] if data else [],
                     "templates": [{"name": "main", "metadata": {"annotations": {"ingot.dev/hollow": json.dumps({"runSeconds": seconds})}},
                                    "container": {"image": f"train@{IMAGE}", "command": ["train"],
                                                  "resources": {"limits": {"nvidia.com/gpu": 1}}}}]}}


class Archive(Desk):
    def lineage(self, of, **query):
        more = "".join(f"&{k}={v}" for k, v in query.items())
        return self.call("GET", f"{API}{FACTORY}/lineage?of={of}{more}")

    def known(self, of, kind, **query):
        """The answer, once it has a node of a kind."""
        def ask():
            code, text = self.client.call("GET", f"{API}{FACTORY}/lineage?of={of}" + "".join(f"&{k}={v}" for k, v in query.items()))
            assert code in (200, 404), text
            answer = json.loads(text)
            return answer if code == 200 and nodes(answer, kind) else None
        return until(f"lineage of {of} with a {kind}", ask)

    def whole(self, of):
        """The answer, once all that its run left is written down: the run's end, and what it cost."""
        def ask():
            answer = self.known(of, "run")
            run = nodes(answer, "run")[0]
            return answer if run.get("finished") and run.get("cost") else None
        return until(f"the end of the run of {of}", ask)

    def pod_of(self, workflow):
        path = f"{API}/api/v1/namespaces/default/pods?labelSelector=workflows.argoproj.io/workflow={workflow}"
        return until(f"pod of {workflow}", lambda: next(
            (p for p in self.call("GET", path)["items"] if p["spec"].get("nodeName")), None))

    def pushed(self, **more):
        """A commit, and the run that the factory starts of it."""
        if not hasattr(self, "remote"):
            self.remote = Remote(self.scratch / "git", "digits")
        commit = self.remote.commit({".ingot/pipeline.yaml": json.dumps(pipeline("", **more))})
        self.remote.push()
        if "digits" not in self.ingot("repo", "list", "--tenant", "vision"):
            self.ingot("repo", "add", "digits", self.remote.url, "--tenant", "vision", "--interval", "1h")
        self.ingot("repo", "sync", "digits", "--tenant", "vision")
        selector = f"factory.ingot.dev/commit={commit}"
        run = until(f"run of {commit}", lambda: self.call("GET", f"{API}{WORKFLOWS}?labelSelector={selector}")["items"])[0]
        return commit, run["metadata"]["name"]

    def as_user(self, cluster, user, path, *group):
        groups = [argument for g in group for argument in ("--group", g)]
        return self.factory.client(cluster, "--user", user, *groups).call("GET", path)[0]

    def ended(self, workflow):
        return until(f"end of {workflow}", lambda: self.call("GET", f"{API}{WORKFLOWS}/{workflow}").get("status", {}).get("finishedAt"))


class Inside:
    """Whoever has the token of a pod, as its container has: MLflow's API, as its client speaks it."""

    def __init__(self, desk, pod):
        self.token = desk.token_of(pod)
        ca, _, _ = desk.factory.credentials("vision")
        self.connection = http.client.HTTPSConnection("127.0.0.1", desk.factory.port, context=ssl.create_default_context(cafile=ca))

    def send(self, method, path, body):
        data = body if isinstance(body, bytes) else json.dumps(body)
        self.connection.request(method, f"/mlflow/api/2.0/{path}", data,
                                {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200 or b"RESOURCE_ALREADY_EXISTS" in text, f"{path}: {answer.status} {text[:500]}"
        return json.loads(text or b"{}")

    def register(self, model, note):
        run = self.send("POST", "mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
        self.send("POST", "mlflow/runs/log-batch", {"run_id": run["run_id"], "params": [{"key": "hidden", "value": "64"}],
                                                    "metrics": [{"key": "accuracy", "value": 0.978, "timestamp": 1, "step": 0}]})
        self.send("PUT", f"mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/model/MLmodel", note.encode())
        self.send("POST", "mlflow/registered-models/create", {"name": model})
        return self.send("POST", "mlflow/model-versions/create", {
            "name": model, "source": f"runs:/{run['run_id']}/model", "run_id": run["run_id"]})["model_version"]["version"]


def nodes(answer, kind):
    return [n for n in answer["nodes"] if n["kind"] == kind]


def trained(desk, **more):
    """A run of a commit that has ended: the commit, its name, and the version that it registered."""
    commit, run = desk.pushed(**more)
    version = Inside(desk, desk.pod_of(run)).register("digits", run)
    desk.ended(run)
    return commit, run, f"digits@{version}"


def a_model_tells_all_that_made_it(desk):
    commit, name, of = trained(desk)
    desk.ingot("model", "promote", f"vision/{of}")
    answer = desk.whole(f"model/{of}")
    version, run, data = (nodes(answer, kind)[0] for kind in ("version", "run", "data"))
    assert version["metrics"] == {"accuracy": "0.978"} and version["parameters"] == {"hidden": "64"}, version
    assert version["phase"] == "Ready" and version["keyId"], version
    assert [(a["alias"], a["event"], a["by"]) for a in version["aliases"]] == [("production", "promoted", "operator")], version
    assert run["name"] == name and run["phase"] == "Succeeded" and run["parameters"]["epochs"] == "3", run
    assert run["commit"] == commit and run["repository"] == "digits", run
    pod = run["pods"][0]
    assert pod["node"] == "hollow-0" and pod["gpus"][0]["model"] == "H100-80GB" and float(pod["cost"]) > 0, pod
    assert nodes(answer, "commit")[0]["id"] == f"commit/{commit}" and nodes(answer, "commit")[0]["url"] == desk.remote.url, answer
    assert nodes(answer, "image")[0]["id"] == f"image/{IMAGE}", answer
    assert data["names"] == ["default/digits-v1"] and data["classification"] == "internal", data
    assert "cut" not in answer, answer


def data_commits_images_and_runs_tell_what_came_of_them(desk):
    commit, run, of = trained(desk)
    digest = nodes(desk.whole(f"model/{of}"), "data")[0]["manifest"]
    for start in ("data/default/digits-v1", f"data/{digest}", f"commit/{commit}", f"commit/{commit[:7]}", f"image/{IMAGE}", f"run/default/{run}"):
        answer = until(start, lambda: [a for a in [desk.known(start, "run", way="down")]
                                            if f"version/{of}" in [n["id"] for n in a["nodes"]]])[0]
        assert run in [n["name"] for n in nodes(answer, "run")], answer


def runs_without_a_model_are_known_too(desk):
    desk.call("POST", f"{API}{WORKFLOWS}", pipeline("barren", seconds=1))
    desk.ended("barren")
    until("the run", lambda: "barren" in [n["name"] for n in nodes(desk.known("data/default/digits-v1", "run", way="down"), "run")])
    commit, run = desk.pushed(seconds=1, data="")
    desk.ended(run)
    until("the run", lambda: run in [n["name"] for n in nodes(desk.known(f"commit/{commit}", "run", way="down"), "run")])


def a_deleted_pod_has_seen_the_data(desk):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "peek"}, "spec": {
        "containers": [{"name": "c", "image": "train:1"}],
        "volumes": pipeline("x")["spec"]["volumes"]}}
    desk.call("POST", f"{API}/api/v1/namespaces/default/pods", pod)
    until("its node", lambda: desk.call("GET", f"{API}/api/v1/namespaces/default/pods/peek")["spec"].get("nodeName"))
    desk.call("DELETE", f"{API}/api/v1/namespaces/default/pods/peek?gracePeriodSeconds=0")
    found = until("the run", lambda: [n for n in nodes(desk.known("data/default/digits-v1", "run", way="down"), "run")
                                           if n["name"] == "peek"])
    assert found[0]["phase"] == "Deleted" and found[0]["gone"], found


def deletion_leaves_tombstones(desk):
    commit, run, of = trained(desk)
    before = desk.whole(f"model/{of}")
    desk.call("DELETE", f"{API}{WORKFLOWS}/{run}")
    desk.ingot("model", "delete", f"vision/{of}")
    until("it is gone", lambda: nodes(desk.lineage(f"model/{of}"), "version")[0].get("deleted"))
    desk.factory.run("down")
    desk.up_again()
    answer = until("its run is gone", lambda: [a for a in [desk.lineage(f"model/{of}")] if nodes(a, "run")[0].get("gone")])[0]
    assert {n["id"] for n in answer["nodes"]} == {n["id"] for n in before["nodes"]}, (answer, before)
    version = nodes(answer, "version")[0]
    assert version["gone"] and version["deleted"] and version["metrics"] == {"accuracy": "0.978"}, version
    told = desk.ingot("model", "lineage", f"vision/{of}")
    assert "deleted" in told and f"commit    {commit[:12]}" in told, told


def its_forms_are_whole(desk):
    commit, run, of = trained(desk)
    desk.whole(f"model/{of}")
    told = desk.ingot("model", "lineage", f"vision/{of}")
    for part in ("digits v", "signed ", "accuracy=0.978", f"run       {run}   Workflow Succeeded", f"commit    {commit[:12]}   digits",
                 "digits-v1", "hidden=64", "epochs=3", "on hollow-0", "image     train   sha256:"):
        assert part in told, (part, told)
    drawn = xml.fromstring(desk.ingot("model", "lineage", f"vision/{of}", "-o", "svg"))
    assert drawn.tag.endswith("svg") and len(drawn.findall(".//{*}g")) >= 5, drawn
    events = [json.loads(line) for line in desk.ingot("model", "lineage", f"vision/{of}", "-o", "openlineage").splitlines()]
    assert [e["eventType"] for e in events] == ["START", "COMPLETE"], events
    end = events[1]
    assert end["job"]["name"] == "default/digits" and end["inputs"][0]["name"] == "datasets/default/digits", end
    assert end["job"]["facets"]["sourceCodeLocation"]["version"] == commit, end
    assert end["outputs"][0]["name"] == "models/digits" and end["schemaURL"].endswith("2-0-2/OpenLineage.json#/$defs/RunEvent"), end
    answer = json.loads(desk.ingot("lineage", "dataset/digits@1", "--tenant", "vision", "-o", "json"))
    assert answer["of"].startswith("data/sha256:"), answer
    assert "led to" in desk.ingot("lineage", "dataset/digits", "--tenant", "vision", "--way", "down")
    desk.ingot("model", "rename", "vision/digits", "digits by hand")
    assert "digits by hand v" in desk.ingot("lineage", f"model/digits by hand@{of.split('@')[1]}", "--tenant", "vision")
    desk.ingot("model", "rename", "vision/digits by hand", "digits")
    assert "write model/NAME" in desk.ingot("lineage", "cat/digits", "--tenant", "vision", check=False)
    assert "nothing is written down" in desk.ingot("lineage", "commit/1234567", "--tenant", "vision", check=False)


def another_tenant_learns_nothing(desk):
    commit, run, of = trained(desk)
    digest = nodes(desk.whole(f"model/{of}"), "data")[0]["manifest"]
    for start in (f"model/{of}", f"commit/{commit}", f"data/{digest}", f"run/default/{run}", f"image/{IMAGE}"):
        desk.call("GET", f"/clusters/speech{FACTORY}/lineage?of={start}", wanted=(404,))

    path = f"{FACTORY}/lineage?of=model/{of}"
    assert desk.as_user("vision", "admin", path) == 200
    assert desk.as_user("speech", "admin", "/clusters/vision" + path) == 401
    assert desk.as_user("vision", "guest", path, "guests") == 403
    # Who may look at one namespace sees no more of the cluster by this.
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "guests"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
               "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "guests"}]}
    desk.call("POST", f"{API}/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
    assert desk.as_user("vision", "guest", path, "guests") == 403
    assert desk.as_user("vision", "guest", path.replace("/lineage", "/namespaces/default/lineage"), "guests") in (403, 404)


def who_did_what_is_told(desk):
    files = desk.scratch / "audited"
    files.mkdir()
    (files / "weights").write_text("w")
    desk.ingot("model", "import", "vision/audited", str(files))
    desk.ingot("model", "promote", "vision/audited@1")
    desk.ingot("model", "delete", "vision/audited@1")
    rows = json.loads(desk.ingot("audit", "--tenant", "vision", "--changes", "--since", "10m", "-o", "json"))
    done = [(r["user"], r["verb"], r["resource"], r.get("subresource"), r.get("name")) for r in rows]
    assert ("operator", "patch", "models", "aliases", "audited") in done and ("operator", "delete", "modelversions", None, "audited-v1") in done, done
    told = desk.ingot("audit", "--tenant", "vision", "--verb", "delete", "--name", "audited-v1")
    assert told.count("modelversions audited-v1") == 1, told
    assert desk.ingot("audit", "--user", "nobody", "--since", "10m").count("\n") == 1
    path = f"{FACTORY}/audit?sinceSeconds=600"
    assert desk.as_user("vision", "admin", path) == 200
    assert desk.as_user("vision", "reader", path, "readers") == 403
    assert desk.as_user("speech", "admin", "/clusters/vision" + path) == 401
    refused = json.loads(desk.ingot("audit", "--tenant", "vision", "--denied", "--user", "reader", "-o", "json"))
    assert [r["resource"] for r in refused] == ["audit"], refused


def main():
    with scratch_folder("lineage") as scratch, Factory(BUILD, "--gpus", "none", "--hollow", "1x4xH100-80GB",
                                                       "--git-root", str(scratch / "git")) as factory:
        for tenant in ("vision", "speech"):
            factory.run("tenant", "create", tenant)
        desk = Archive(factory, scratch)
        files = scratch / "digits"
        files.mkdir()
        (files / "one.csv").write_text("1,2,3\n")
        desk.ingot("dataset", "add", "digits", files, "--tenant", "vision")
        return run_tests([a_model_tells_all_that_made_it, data_commits_images_and_runs_tell_what_came_of_them,
                          runs_without_a_model_are_known_too, a_deleted_pod_has_seen_the_data, deletion_leaves_tombstones,
                          its_forms_are_whole, another_tenant_learns_nothing, who_did_what_is_told], lambda: (desk,))


if __name__ == "__main__":
    sys.exit(main())
