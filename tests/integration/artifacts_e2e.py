"""Artifacts of steps and data sets in pods, with real containers: what comes from where, and what never does."""
import base64
import hashlib
import hmac
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from containers import NEEDED, Tenant
from e2e import BUILD, FACTORY, MERGE, ROOT_API, follow, run_tests, skip_all, why_not
from factory import Factory
from listener import Listener, reply
import oci

SECONDS = 120
IMAGE = "tools:latest"


def sh(source, **more):
    return {"script": {"image": IMAGE, "command": ["sh"], "source": source}, **more}


class Workflows:
    def __init__(self, factory, tenant):
        self.factory, self.tenant, self.number = factory, tenant, 0
        self.path = f"/clusters/{tenant}/apis/argoproj.io/v1alpha1/namespaces/default/workflows"

    def run(self, *templates, **spec):
        """The Workflow when it is over; its entrypoint is the first of the templates, main."""
        self.number += 1
        name = f"run-{self.number}"
        code, body = self.factory.client().call("POST", self.path, {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
            "spec": {"entrypoint": "main", "templates": [{"name": "main", **templates[0]}, *templates[1:]], **spec}})
        assert code == 201, body
        return self.ended(name)

    def ended(self, name):
        return follow(self.factory, f"{self.path}?fieldSelector=metadata.name={name}", lambda o: o.get("status", {}).get("finishedAt"), SECONDS)

    def one(self, source, **more):
        """A workflow of one step: its node."""
        seen = self.run(sh(source, **more))
        return next(iter(seen["status"]["nodes"].values()))


def blob(factory, tenant, data):
    """Keeps bytes in the tenant's own store; their key."""
    digest = hashlib.sha256(data).hexdigest()
    client = factory.client()
    client.connection.request("PUT", f"/clusters/{tenant}/blobs/sha256:{digest}", body=data)
    answer = client.connection.getresponse()
    assert answer.status == 201, (answer.status, answer.read())
    return f"sha256/{digest}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def brought(artifact, path="/in", **more):
    return {"inputs": {"artifacts": [{"name": "given", "path": path, **artifact}]}, **more}


def result(vision, node):
    """What a step that went well wrote."""
    assert node["phase"] == "Succeeded", node
    number = node["id"].rpartition("-")[2]
    workflow = node["name"].partition("[")[0]
    return vision.log(workflow if node["name"] == workflow else f"{workflow}-{node['templateName']}-{number}").rstrip("\n")


def a_directory_goes_from_step_to_step(factory, vision):
    seen = vision.workflows.run(
        {"steps": [[{"name": "make", "template": "make"}],
                   [{"name": "use", "template": "use", "arguments": {"artifacts": [
                       {"name": "given", "from": "{{steps.make.outputs.artifacts.folder}}"}]}}]]},
        {"name": "make", **sh("/bin/busybox mkdir -p /out/sub; echo pear > /out/a; echo fig > /out/sub/b; "
                              "/bin/busybox ln -s a /out/link; /bin/busybox mkfifo /out/pipe; "
                              "/bin/busybox chmod 751 /out/a"),
         "outputs": {"artifacts": [{"name": "folder", "path": "/out"}]}},
        {"name": "use", **sh("cd {{inputs.artifacts.given.path}}; cat a sub/b link; "
                             "/bin/busybox stat -c %a a; /bin/busybox ls | /bin/busybox tr '\\n' ' '; echo more > new"),
         **brought({}), "outputs": {"artifacts": [{"name": "changed", "path": "/in"}]}})
    nodes = {n["displayName"]: n for n in seen["status"]["nodes"].values()}
    assert result(vision, nodes["use"]).split("\n") == ["pear", "fig", "pear", "751", "a link sub "], nodes["use"]
    left, given = nodes["make"]["outputs"]["artifacts"][0], nodes["use"]["inputs"]["artifacts"][0]
    assert left["s3"] == given["s3"] and left["s3"]["key"].startswith("sha256/") and left["size"] > 0, (left, given)
    assert nodes["use"]["outputs"]["artifacts"][0]["s3"] != left["s3"]


def files_of_the_image_and_of_volumes_too(factory, vision):
    template = sh("echo mine > /work/mine", volumes=[{"name": "work", "emptyDir": {}}], outputs={"artifacts": [
        {"name": "image", "path": "/bin/busybox", "archive": {"none": {}}}, {"name": "volume", "path": "/work"}]})
    template["script"]["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    node = next(iter(vision.workflows.run(template)["status"]["nodes"].values()))
    digest = hashlib.sha256(Path("/bin/busybox").read_bytes()).hexdigest()
    kept = {a["name"]: a for a in node["outputs"]["artifacts"]}
    assert kept["image"]["s3"]["key"] == f"sha256/{digest}", node
    assert kept["volume"]["size"] > 0


def links_lead_nowhere_outside(factory, vision):
    node = vision.workflows.one("/bin/busybox ln -s /proc/1/root/etc/shadow /out; /bin/busybox ln -s ../../../../etc/shadow /up",
                                outputs={"artifacts": [{"name": "a", "path": "/out", "optional": True},
                                                       {"name": "b", "path": "/up", "optional": True}]})
    assert node["phase"] == "Succeeded" and "artifacts" not in node.get("outputs", {}), node


def what_is_missing_is_said(factory, vision):
    node = vision.workflows.one("true", outputs={"artifacts": [{"name": "model", "path": "/model"}]})
    assert node["phase"] == "Error", node
    assert node["message"] == "cannot save artifact model from /model: no such file or directory", node


def raw_text_as_the_user_of_the_step(factory, vision):
    template = sh("cat /in; /bin/busybox stat -c '%a %u' /in", **brought({"raw": {"data": "a few words\n"}, "mode": 0o400}))
    template["script"]["securityContext"] = {"runAsUser": 1234}
    node = next(iter(vision.workflows.run(template)["status"]["nodes"].values()))
    assert result(vision, node) == "a few words\n400 1234", node


def another_tenants_digest_is_not_found(factory, vision):
    key = blob(factory, "speech", b"theirs")
    node = vision.workflows.one("cat /in", **brought({"s3": {"key": key}}))
    assert node["phase"] == "Error" and "not found" in node["message"], node
    assert result(vision, vision.workflows.one("cat /in", **brought({"s3": {"key": blob(factory, "vision", b"mine")}}))) == "mine"


def archive_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                tar.addfile(info)
    return out.getvalue()


def hostile_archives_are_refused(factory, vision):
    bombs = io.BytesIO()
    with tarfile.open(fileobj=bombs, mode="w:gz") as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 400 << 20
        tar.addfile(info, open("/dev/zero", "rb"))
    for data, why in [
            (archive_of([("../evil", tarfile.REGTYPE, b"x")]), "its path leads out of it"),
            (archive_of([("/etc/evil", tarfile.REGTYPE, b"x")]), "an absolute path"),
            (archive_of([("evil", tarfile.SYMTYPE, "/etc")]), "a link that leads out of it"),
            (archive_of([("evil", tarfile.LNKTYPE, "../../etc/shadow")]), "its path leads out of it"),
            (archive_of([("evil", tarfile.CHRTYPE, "")]), "a device"),
            (bombs.getvalue(), "the archive is a bomb"),
            (archive_of([("a", tarfile.REGTYPE, os.urandom(100_000))])[:50_000], "the archive is broken")]:
        node = vision.workflows.one("cat /in", **brought({"s3": {"key": blob(factory, "vision", data)}}))
        assert node["phase"] == "Error" and why in node["message"], (why, node)
    assert not list(Path(factory.data).rglob("evil"))


def serving(vision, name, command):
    """A pod that serves; its address."""
    vision.create(name, command)
    return vision.phase(name, "Running")["status"]["podIP"]


def what_the_pod_reaches_is_fetched_and_nothing_else(factory, vision):
    address = serving(vision, "web", "/bin/busybox mkdir /www; echo from afar > /www/words; "
                                     "exec /bin/busybox httpd -f -p 8080 -h /www")
    assert result(vision, vision.workflows.one("cat /in", **brought({"http": {"url": f"http://{address}:8080/words"}}))) == "from afar"
    node = vision.workflows.one("cat /in", **brought({"http": {"url": f"http://{address}:8080/none"}}))
    assert node["phase"] == "Error" and "404" in node["message"], node
    node = vision.workflows.one("[ -e /in ] || echo none", **brought({"http": {"url": f"http://{address}:8080/none"}, "optional": True}))
    assert result(vision, node) == "none", node
    # A server of the machine itself, and of another tenant.
    server = Listener(lambda request: reply(request, 200, b"of the machine"), address="0.0.0.0")
    theirs = serving(vision.other, "web", "exec /bin/busybox httpd -f -p 8080 -h /bin")
    machine = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()[:1] or ["127.0.0.1"]
    for url in (f"http://127.0.0.1:{server.port}/", f"http://{machine[0]}:{server.port}/", f"http://{theirs}:8080/sh"):
        node = vision.workflows.one("cat /in", **brought({"http": {"url": url}}))
        assert node["phase"] == "Error", (url, node)
    server.close()


def a_bucket_is_asked_with_a_signature(factory, vision):
    vision.call("POST", "/clusters/vision/api/v1/namespaces/default/secrets", {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"id": b64("AKIDEXAMPLE"), "key": b64("wJalr/secret")}})
    address = serving(vision, "bucket", "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nbucket' | "
                                        "/bin/busybox nc -l -p 9000 > /tmp/asked; cat /tmp/asked; sleep 600")
    node = vision.workflows.one("cat /in", **brought({"s3": {
        "endpoint": f"{address}:9000", "insecure": True, "bucket": "models", "key": "digits/a b.bin", "region": "eu-west-1",
        "accessKeySecret": {"name": "keys", "key": "id"}, "secretKeySecret": {"name": "keys", "key": "key"}}}))
    assert result(vision, node) == "bucket", node
    lines = vision.log("bucket").replace("\r", "").split("\n")
    method, path, _ = lines[0].split()
    headers = {k.lower(): v.strip() for k, _, v in (l.partition(":") for l in lines[1:] if ":" in l)}
    said = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", headers["authorization"]))
    day = headers["x-amz-date"][:8]
    scope = f"{day}/eu-west-1/s3/aws4_request"
    assert said["Credential"] == f"AKIDEXAMPLE/{scope}" and path == "/models/digits/a%20b.bin", lines
    signed = said["SignedHeaders"].split(";")
    payload = headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
    canonical = "\n".join([method, path, "", *[f"{h}:{headers[h]}" for h in signed], "", said["SignedHeaders"], payload])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4wJalr/secret"
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert key.hex() == said["Signature"], (canonical, said)
    assert "x-amz-content-sha256" in headers, headers


def a_request_is_made_from_within_the_pods_network(factory, vision):
    def ask(http, outputs=None, **more):
        template = {"http": {"timeoutSeconds": 10, **http}, **({"outputs": outputs} if outputs else {}), **more}
        return next(iter(vision.workflows.run(template)["status"]["nodes"].values()))
    address = serving(vision, "api", "/bin/busybox mkdir /www; printf '{\"id\": 7}' > /www/job; "
                                     "exec /bin/busybox httpd -f -p 8080 -h /www")
    node = ask({"url": f"http://{address}:8080/job", "successCondition": "fromJSON(response.body).id == 7"},
               {"parameters": [{"name": "length", "valueFrom": {"expression": "response.headers['Content-Length'][0]"}}]})
    assert node["phase"] == "Succeeded" and node["type"] == "HTTP", node
    assert node["outputs"]["result"] == '{"id": 7}', node
    assert node["outputs"]["parameters"] == [{"name": "length", "value": "9"}], node
    node = ask({"url": f"http://{address}:8080/none"})
    assert (node["phase"], node["message"]) == ("Failed", "received non-2xx response code: 404"), node
    # What the pod may not reach, its request does not: the machine, its metadata service, another tenant.
    server = Listener(lambda request: reply(request, 200, b"of the machine"), address="0.0.0.0")
    theirs = serving(vision.other, "api", "exec /bin/busybox httpd -f -p 8080 -h /bin")
    machine = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()[:1] or ["127.0.0.1"]
    for url in (f"http://127.0.0.1:{server.port}/", f"http://{machine[0]}:{server.port}/",
                f"http://127.0.0.1:{factory.port}/", f"http://{theirs}:8080/sh"):
        node = ask({"url": url, "timeoutSeconds": 3})
        assert node["phase"] == "Failed" and "outputs" not in node, (url, node)
    server.close()
    # What is sent, with a header from a Secret; the node that made it has a pod, which ended with it.
    vision.call("POST", "/clusters/vision/api/v1/namespaces/default/secrets", {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api"}, "data": {"token": b64("Bearer pear\n")}})
    address = serving(vision, "echo", "(/bin/busybox sleep 1; printf 'HTTP/1.1 201 Created\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok') | "
                                      "/bin/busybox nc -l -p 9000 > /tmp/asked; cat /tmp/asked; echo; sleep 600")
    node = ask({"url": f"http://{address}:9000/jobs?a=b", "method": "POST", "body": "{{=1+1}} pears", "headers": [
        {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}]})
    assert node["phase"] == "Succeeded" and node["outputs"]["result"] == "ok", node
    lines = vision.log("echo").replace("\r", "").split("\n")
    assert lines[0] == "POST /jobs?a=b HTTP/1.1" and "Authorization: Bearer pear" in lines and "2 pears" in lines, lines
    # One that hangs ends in its time; one that is stopped ends at once.
    address = serving(vision, "silent", "exec /bin/busybox nc -l -p 9000 -e /bin/busybox sleep 600")
    node = ask({"url": f"http://{address}:9000/", "timeoutSeconds": 2})
    assert node["phase"] == "Failed" and "Timeout" in node["message"], node


def git_in_a_pod(vision, name):
    """A pod that serves a repository over smart HTTP; its URL."""
    script = ("#!/bin/sh\nexport GIT_PROJECT_ROOT=/srv GIT_HTTP_EXPORT_ALL=1 HOME=/ PATH=/bin:/usr/lib/git-core "
              "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'\nexec /usr/lib/git-core/git-http-backend\n")
    setup = ("export HOME=/ PATH=/bin:/usr/lib/git-core GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a "
             "GIT_COMMITTER_EMAIL=a; B='/bin/busybox'; $B mkdir -p /srv /www/cgi-bin; printf '%s' \"$SCRIPT\" > /www/cgi-bin/git; "
             "$B chmod 755 /www/cgi-bin/git; git init -q -b main /srv/digits && cd /srv/digits && "
             "$B mkdir -p src && echo one > src/train.py && git add . && git commit -qm one && git tag v1 && "
             "echo two > src/train.py && git commit -qam two && git checkout -qb other && echo three > src/train.py && "
             "git commit -qam three && git checkout -q main; git rev-parse main; cd /; "
             "exec /bin/busybox httpd -f -p 8080 -h /www")
    vision.call("POST", vision.pods, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
            {"name": "main", "image": "git:latest", "command": ["sh", "-c", setup], "env": [{"name": "SCRIPT", "value": script}]}]}})
    return f"http://{vision.phase(name, 'Running')['status']['podIP']}:8080/cgi-bin/git/digits"


def a_commit_is_fetched_from_within_the_pods_network(factory, vision):
    url = git_in_a_pod(vision, "git")
    look = "/bin/busybox find /src | /bin/busybox sort | /bin/busybox tr '\\n' ' '; cat /src/src/train.py"

    def files(git, **more):
        return vision.workflows.one(look, **brought({"git": {"repo": url, **git}}, "/src", **more))
    for _ in range(20):  # its repository is being made
        node = files({})
        if node["phase"] == "Succeeded":
            break
    assert result(vision, node) == "/src /src/src /src/src/train.py two", node
    assert result(vision, files({"revision": "v1", "depth": 1})).endswith(" one")
    assert result(vision, files({"revision": "other", "singleBranch": True, "branch": "other"})).endswith(" three")
    commit = vision.log("git").strip().split("\n")[-1]
    assert result(vision, files({"revision": commit})).endswith(" two")
    node = files({"revision": "nowhere"})
    assert node["phase"] == "Error" and 'has no "nowhere"' in node["message"], node
    theirs = git_in_a_pod(vision.other, "git")
    node = vision.workflows.one(look, **brought({"git": {"repo": theirs}}, "/src"))
    assert node["phase"] == "Error" and "cannot connect" in node["message"], node


def a_data_set_is_mounted_read_only(factory, vision):
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "train").mkdir()
        (Path(scratch) / "train/a.csv").write_text("1,2\n")
        (Path(scratch) / "readme").write_text("first\n")
        factory.run("dataset", "add", "digits", scratch, "--tenant", "vision")
        (Path(scratch) / "readme").write_text("second\n")
        factory.run("dataset", "add", "digits", scratch, "--tenant", "vision")
    mounted = lambda version: {"volumes": [{"name": "d", "csi": {"driver": "datasets.ingot.dev", "readOnly": True, "volumeAttributes": {
        "dataset": "digits", **({"version": version} if version else {})}}}]}

    def step(version, source):
        template = sh(source, **mounted(version))
        template["script"]["volumeMounts"] = [{"name": "d", "mountPath": "/data"}]
        return next(iter(vision.workflows.run(template)["status"]["nodes"].values()))
    look = "cat /data/readme /data/train/a.csv; echo x 2>/dev/null > /data/train/a.csv || echo read-only"
    assert result(vision, step("1", look)) == "first\n1,2\nread-only"
    node = step("", look)
    assert result(vision, node) == "second\n1,2\nread-only"
    pods = json.loads(vision.client.call("GET", vision.pods)[1])["items"]
    pinned = [v["csi"]["volumeAttributes"]["version"] for p in pods for v in p["spec"]["volumes"] if "csi" in v]
    assert sorted(pinned) == ["1", "2"], pinned
    # What both versions share lies there once.
    shared = [p for p in Path(factory.data, "datasets").rglob("a.csv")]
    assert len(shared) == 2 and shared[0].stat().st_ino == shared[1].stat().st_ino and shared[0].stat().st_nlink == 3
    vision.client.call("POST", vision.pods, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lost"}, "spec": {**mounted("7"), "containers": [
            {"name": "main", "image": IMAGE, "command": ["sh"], "volumeMounts": [{"name": "d", "mountPath": "/data"}]}]}})
    waiting = vision.wait("lost", lambda pod: "FailedMount" in json.dumps(pod) or "MountVolume" in json.dumps(pod["status"]))
    assert 'data set \\"digits\\" has no version 7' in json.dumps(waiting["status"]), waiting["status"]


def what_a_run_left_becomes_a_data_set(factory, vision):
    vision.workflows.run(sh("/bin/busybox mkdir /out; echo made > /out/made.txt",
                            outputs={"artifacts": [{"name": "digits", "path": "/out"}]}))
    name = f"run-{vision.workflows.number}"
    said = factory.run("dataset", "add", "made", "--from-run", f"{name}:digits", "--tenant", "vision")
    assert said.startswith("made v1: 1 file"), said
    code, body = vision.client.call("GET", f"/clusters/vision{FACTORY}/namespaces/default/datasetversions/made-v1")
    assert json.loads(body)["spec"]["source"] == f"run:{name}:digits", body


def a_new_version_starts_its_pipeline(factory, vision):
    base = "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default"
    template = sh("echo {{workflow.parameters.dataset}} {{workflow.parameters.version}}; cat /data/words",
                  volumes=[{"name": "d", "csi": {"driver": "datasets.ingot.dev", "volumeAttributes": {
                      "dataset": "{{workflow.parameters.dataset}}", "version": "{{workflow.parameters.version}}"}}}])
    template["script"]["volumeMounts"] = [{"name": "d", "mountPath": "/data"}]
    vision.call("POST", f"{base}/workflowtemplates", {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "train"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", **template}]}})
    vision.call("POST", f"/clusters/vision{FACTORY}/namespaces/default/datasets", {
        "apiVersion": "factory.ingot.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "words"},
        "spec": {"pipelines": [{"workflowTemplateRef": {"name": "train"}}]}})
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "words").write_text("one two\n")
        factory.run("dataset", "add", "words", scratch, "--tenant", "vision")
    seen = vision.workflows.ended("words-v1-train")
    assert result(vision, next(iter(seen["status"]["nodes"].values()))) == "words 1\none two", seen["status"]


def a_full_store_is_an_error_and_loses_nothing(factory, vision):
    key = blob(factory, "vision", b"kept before")
    tenant = f"{ROOT_API}/tenants/vision"
    vision.call("PATCH", tenant, {"spec": {"storage": {"limit": "12Mi"}}}, content=MERGE)
    make = "/bin/busybox dd if=/dev/urandom of=/big bs=1M count=20 2>/dev/null"
    node = vision.workflows.one(make, outputs={"artifacts": [{"name": "big", "path": "/big"}]})
    assert node["phase"] == "Error" and "cannot save artifact big from /big" in node["message"], node
    assert "storage.limit" in node["message"], node
    assert result(vision, vision.workflows.one("cat /in", **brought({"s3": {"key": key}}))) == "kept before"
    vision.call("PATCH", tenant, {"spec": {"storage": None}}, content=MERGE)
    node = vision.workflows.one(make, outputs={"artifacts": [{"name": "big", "path": "/big"}]})
    assert node["phase"] == "Succeeded", node


def a_full_disk_is_an_error_and_loses_nothing(factory, vision):
    """The store of blobs on a disk of 64 MiB that is really full."""
    key = blob(factory, "vision", b"kept before the disk was full")
    factory.run("down")
    blobs, aside = Path(factory.data) / "blobs", Path(factory.data) / "blobs-aside"
    blobs.rename(aside)
    blobs.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", blobs], check=True)
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(blobs)], check=True)
        vision.up_again()
        make = "/bin/busybox dd if=/dev/urandom of=/big bs=1M count=100 2>/dev/null"
        big = {"outputs": {"artifacts": [{"name": "big", "path": "/big", "archive": {"none": {}}}]}}
        node = vision.workflows.one(make, **big)
        assert node["phase"] == "Error" and "cannot save artifact big from /big" in node["message"], node
        assert "full" in node["message"] or "No space left" in node["message"], node
        retried = vision.workflows.run({**sh(make), **big, "retryStrategy": {"limit": 1, "retryPolicy": "OnError"}})
        assert retried["status"]["phase"] == "Error", retried["status"]
        assert sum(n["type"] == "Pod" for n in retried["status"]["nodes"].values()) == 2, retried["status"]
        # Nothing of it stays, and all that was there is.
        assert result(vision, vision.workflows.one("cat /in", **brought({"s3": {"key": key}}))) == "kept before the disk was full"
        small = "/bin/busybox dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null"
        node = vision.workflows.one(small, **big)
        assert node["phase"] == "Succeeded", node
        kept = node["outputs"]["artifacts"][0]["s3"]["key"]
        assert result(vision, vision.workflows.one("/bin/busybox wc -c < /in", **brought({"s3": {"key": kept}}))) == str(8 << 20)
    finally:
        factory.run("down", check=False)
        subprocess.run(["cp", "-a", f"{blobs}/.", str(aside)], check=False)
        subprocess.run(["umount", blobs], check=True)
        blobs.rmdir()
        aside.rename(blobs)
        vision.up_again()


def a_crash_in_the_middle_keeps_them(factory, vision):
    vision.call("POST", vision.workflows.path, {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "crash"},
        "spec": {"entrypoint": "main", "templates": [
            {"name": "main", **sh("cat /in > /out; echo going; /bin/busybox sleep 5"), **brought({"raw": {"data": "words"}}),
             "outputs": {"artifacts": [{"name": "o", "path": "/out", "archive": {"none": {}}}]}}]}})
    vision.phase("crash", "Running")
    factory.kill()
    vision.up_again()
    seen = vision.workflows.ended("crash")
    node = next(iter(seen["status"]["nodes"].values()))
    assert node["outputs"]["artifacts"][0]["s3"]["key"] == "sha256/" + hashlib.sha256(b"words").hexdigest(), node


def main():
    tests = [a_directory_goes_from_step_to_step, files_of_the_image_and_of_volumes_too, links_lead_nowhere_outside,
             what_is_missing_is_said, raw_text_as_the_user_of_the_step, another_tenants_digest_is_not_found,
             hostile_archives_are_refused, what_the_pod_reaches_is_fetched_and_nothing_else,
             a_bucket_is_asked_with_a_signature,
             a_request_is_made_from_within_the_pods_network, a_commit_is_fetched_from_within_the_pods_network, a_data_set_is_mounted_read_only, what_a_run_left_becomes_a_data_set,
             a_new_version_starts_its_pipeline, a_full_store_is_an_error_and_loses_nothing,
             a_full_disk_is_an_error_and_loses_nothing, a_crash_in_the_middle_keeps_them]
    if why := why_not(NEEDED):
        return skip_all(tests, why)
    with Factory(BUILD, "--gpus", "simulated:1x1xA30") as factory, tempfile.TemporaryDirectory() as scratch:
        oci.write_archive(Path(scratch) / "tools.tar", IMAGE, {"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)},
                          {f"bin/{t}": "busybox" for t in ("sh", "cat", "echo")}, ["sh"])
        core = Path("/usr/lib/git-core")
        tools = [core / "git", core / "git-http-backend"]
        needs = {Path(w) for t in tools for w in subprocess.run(["ldd", t], capture_output=True, text=True).stdout.split()
                 if w.startswith("/")}
        oci.write_archive(Path(scratch) / "git.tar", "git:latest",
                          {"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755),
                           **{str(f).lstrip("/"): (f.read_bytes(), 0o755) for f in [*tools, *sorted(needs)]}},
                          {**{f"bin/{t}": "busybox" for t in ("sh", "cat", "echo")},
                           **{f"usr/lib/git-core/git-{t}": "git" for t in ("upload-pack", "commit", "init")}}, ["sh"])
        for name in ("vision", "speech"):
            factory.run("tenant", "create", name)
            factory.run("image", "load", str(Path(scratch) / "git.tar"), "--tenant", name)
            factory.run("image", "load", str(Path(scratch) / "tools.tar"), "--tenant", name)
        vision = Tenant(factory, "vision")
        vision.workflows, vision.other = Workflows(factory, "vision"), Tenant(factory, "speech")

        def given():
            for tenant in (vision, vision.other):
                tenant.client = factory.client()  # one that was idle for long is closed
            return factory, vision
        return run_tests(tests, given)


if __name__ == "__main__":
    sys.exit(main())
