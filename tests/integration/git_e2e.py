"""Repositories: pushes that start pipelines, by file and by HTTP, with webhooks and without; and everything a remote or a
sender of webhooks may do wrong."""
import base64
import io
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from e2e import BUILD, FACTORY, SECONDS, Desk, Skip, follow, run_tests, scratch_folder
from factory import Factory
from git_remote import Remote, Webhook, pushed, signed_as_github
from listener import Listener, certificate, reply

SECRET = "a secret of webhooks"
PIPELINE = """apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: digits-}
spec:
  entrypoint: main
  arguments: {parameters: [{name: commit}]}
  templates:
  - name: main
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 0}'}}
    container: {image: busybox, command: [echo, "{{workflow.parameters.commit}} {{workflow.parameters.branch}}"]}
"""


class Tenant(Desk):
    def __init__(self, factory, name, root):
        super().__init__(factory)
        self.name, self.root = name, root
        self.api = f"/clusters/{name}{FACTORY}/namespaces/default/repositories"
        self.runs = f"/clusters/{name}/apis/argoproj.io/v1alpha1/namespaces/default/workflows"

    def secret(self, name, **entries):
        data = {key.replace("__", "-"): base64.b64encode(value.encode()).decode() for key, value in entries.items()}
        self.call("POST", f"/clusters/{self.name}/api/v1/namespaces/default/secrets",
                  {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})

    def add(self, name, url, code=201, **spec):
        return self.call("POST", self.api, {"apiVersion": "factory.ingot.dev/v1alpha1", "kind": "Repository",
                                            "metadata": {"name": name}, "spec": {"url": url, "interval": "1h", **spec}}, (code,))

    def watch(self, path, name, wanted):
        """The object, once `wanted` of it is true."""
        return follow(self.factory, f"{path}?fieldSelector=metadata.name={name}", wanted)

    def until(self, name, wanted):
        return self.watch(self.api, name, wanted)

    def ready(self, name):
        return self.until(name, lambda o: condition(o, "Ready").get("status") == "True")

    def unready(self, name, reason):
        seen = self.until(name, lambda o: condition(o, "Ready").get("reason") == reason)
        return condition(seen, "Ready")["message"]

    def at(self, name, commit, branch="main"):
        """The branch in the status, once it is at that commit."""
        seen = self.until(name, lambda o: branch_of(o, branch).get("commit") == commit)
        return branch_of(seen, branch)

    def started(self, repository):
        items = self.call("GET", f"{self.runs}?labelSelector=factory.ingot.dev/repository={repository}")["items"]
        return sorted(items, key=lambda i: i["metadata"]["creationTimestamp"])

    def sync(self, name):
        return self.factory.run("repo", "sync", name, "--tenant", self.name, check=False)


def condition(repository, kind):
    return next((c for c in repository.get("status", {}).get("conditions", []) if c["type"] == kind), {})


def branch_of(repository, name):
    return next((b for b in repository.get("status", {}).get("branches", []) if b["name"] == name), {})


def parameter(workflow, name):
    return next(p["value"] for p in workflow["spec"]["arguments"]["parameters"] if p["name"] == name)


def a_push_starts_a_run_by_webhook(tenant, name="by-hook"):
    remote = Remote(tenant.root, name)
    tenant.secret(f"{name}-hook", secret=SECRET)
    tenant.add(name, remote.url, webhook={"provider": "github", "secretRef": {"name": f"{name}-hook"}})
    tenant.ready(name)
    commit = remote.commit({".ingot/pipeline.yaml": PIPELINE, "a/b.py": "pass"})
    remote.push()
    hook = Webhook(tenant.factory, tenant.name, name, SECRET)
    assert hook.send(pushed(commit))[0] == 202
    branch = tenant.at(name, commit)
    run = tenant.watch(tenant.runs, branch["workflow"], lambda o: o.get("status", {}).get("phase") == "Succeeded")
    assert parameter(run, "commit") == commit and parameter(run, "branch") == "main", run["spec"]["arguments"]
    assert json.loads(parameter(run, "changed-paths")) == [".ingot/pipeline.yaml", "a/b.py"]
    assert run["metadata"]["labels"]["factory.ingot.dev/commit"] == commit
    pod = next(iter(run["status"]["nodes"].values()))
    assert pod["phase"] == "Succeeded"
    assert branch["workflow"] in tenant.factory.run("repo", "runs", name, "--tenant", tenant.name)
    assert branch["workflow"] in tenant.factory.run("repo", "list", "--tenant", tenant.name)
    return remote, hook, commit


def webhooks_that_are_not_signed_tell_nothing(tenant):
    remote, hook, commit = a_push_starts_a_run_by_webhook(tenant, "guarded")
    body = pushed("1" * 40)
    wrong = [hook.send(body, signed_as_github("another", body)), hook.send(body, {"X-GitHub-Event": "push"}),
             hook.send(body + b" ", signed_as_github(SECRET, body)), hook.send(b"[" * 1000, {"X-GitHub-Event": "push"})]
    for absent in (Webhook(tenant.factory, tenant.name, "nothing", SECRET), Webhook(tenant.factory, "nobody", "guarded", SECRET),
                   Webhook(tenant.factory, "speech", "guarded", SECRET),
                   Webhook(tenant.factory, tenant.name, "guarded", SECRET, "kube-system")):
        wrong.append(absent.send(body))
    assert len(set(wrong)) == 1 and wrong[0][0] == 404, set(wrong)
    assert hook.send(b"no JSON")[0] == 400
    assert hook.send(pushed(commit), signed_as_github(SECRET, pushed(commit), event="ping"))[1] == '{"result":"pong"}'
    big = b" " * (1 << 20) + b"{}"
    assert hook.send(big)[0] == 413


def a_replayed_webhook_starts_nothing(tenant):
    remote, hook, first = a_push_starts_a_run_by_webhook(tenant, "replayed")
    old = pushed(first)
    headers = signed_as_github(SECRET, old)
    commit = remote.commit({"x": "2"})
    remote.push()
    body = pushed(commit, before=first)
    news = signed_as_github(SECRET, body)
    assert hook.send(body, news)[0] == 202
    tenant.at("replayed", commit)
    for _ in range(3):
        assert hook.send(body, news) == (200, '{"result":"known already"}')
    hook.send(old, headers)  # of a commit that the branch has left: looked at, and nothing new is there
    tenant.sync("replayed")
    assert len(tenant.started("replayed")) == 2


def a_push_between_a_kill_and_the_next_start_is_seen(tenant):
    remote, hook, first = a_push_starts_a_run_by_webhook(tenant, "killed")
    commits = []
    for i in range(3):
        commits.append(remote.commit({"x": str(i)}))
        remote.push()
        hook.send(pushed(commits[-1]))
        if i == 1:
            tenant.factory.kill()
            tenant.up_again()
            hook = Webhook(tenant.factory, tenant.name, "killed", SECRET)
    tenant.at("killed", commits[-1])
    ran = [parameter(r, "commit") for r in tenant.started("killed")]
    assert len(ran) == len(set(ran)) and set(ran) <= {first, *commits} and commits[-1] in ran, ran


def history_may_move(tenant):
    remote, hook, first = a_push_starts_a_run_by_webhook(tenant, "moved")
    remote.git("checkout", "--quiet", "--orphan", "fresh")
    commit = remote.commit({"fresh": "start"})
    remote.push("--force")
    hook.send(pushed(commit))
    name = tenant.at("moved", commit)["workflow"]
    run = next(r for r in tenant.started("moved") if r["metadata"]["name"] == name)
    assert json.loads(parameter(run, "changed-paths")) == ["fresh"] and parameter(run, "before") == first


def branches_and_paths_are_chosen(tenant):
    remote = Remote(tenant.root, "chosen")
    remote.commit({".ingot/pipeline.yaml": PIPELINE})
    remote.push()
    tenant.add("chosen", remote.url, branches=["main", "release/*"], paths=["src/**", "!src/docs/**"])
    tenant.ready("chosen")
    for branch in ("main", "release/1", "wip"):
        commit = remote.commit({"src/docs/a.md": branch})
        remote.push(branch=branch)
        if branch != "wip":
            tenant.sync("chosen")
            told = tenant.at("chosen", commit, branch)
            assert "spec.paths" in told["message"] or branch != "main", told
    commit = remote.commit({"src/a.py": "1"})
    remote.push(branch="release/1")
    tenant.sync("chosen")
    assert tenant.at("chosen", commit, "release/1")["workflow"]
    assert branch_of(tenant.call("GET", f"{tenant.api}/chosen"), "wip") == {}


def the_first_look_runs_the_remotes_own_branch_alone(tenant):
    remote = Remote(tenant.root, "first")
    commit = remote.commit({".ingot/pipeline.yaml": PIPELINE})
    remote.push()
    remote.push(branch="old")
    out = tenant.factory.run("repo", "add", "first", remote.url, "--tenant", tenant.name)
    assert commit[:12] in out, out
    runs = tenant.started("first")
    assert [parameter(r, "branch") for r in runs] == ["main"], runs


def what_is_wrong_with_a_pipeline_is_said(tenant):
    remote = Remote(tenant.root, "wrong")
    tenant.add("wrong", remote.url)
    tenant.ready("wrong")
    cases = [({"README": "x"}, "there is no .ingot/pipeline.yaml"),
             ({".ingot/pipeline.yaml": "a: [b"}, ".ingot/pipeline.yaml"),
             ({".ingot/pipeline.yaml": PIPELINE.replace("entrypoint: main", "entrypoint: other")}, "other"),
             ({".ingot/pipeline.yaml": PIPELINE.replace("kind: Workflow", "kind: Job")}, "kind"),
             ({".ingot/pipeline.yaml": PIPELINE.replace("  entrypoint", "  serviceAccountName: admin\n  entrypoint")},
              "spec.serviceAccountName"),
             ({".ingot/pipeline.yaml": PIPELINE.replace("  entrypoint", "  entrypont: x\n  entrypoint")}, "entrypont"),
             ({".ingot/pipeline.yaml": "x" * 300_000}, "256 KiB")]
    for files, words in cases:
        commit = remote.commit(files)
        remote.push()
        tenant.sync("wrong")
        told = tenant.at("wrong", commit)
        assert words in told.get("message", "") and "workflow" not in told, (words, told)
        seen = condition(tenant.call("GET", f"{tenant.api}/wrong"), "Started")
        assert seen["status"] == "False" and words in seen["message"], seen
    assert "256 KiB" in tenant.factory.run("repo", "list", "--tenant", tenant.name)
    assert tenant.started("wrong") == []
    commit = remote.commit({".ingot/pipeline.yaml": PIPELINE})
    remote.push()
    tenant.sync("wrong")
    assert tenant.at("wrong", commit)["workflow"]


def only_signed_commits_run_where_that_is_asked(tenant):
    if not shutil.which("ssh-keygen"):
        raise Skip("this machine has no ssh-keygen")
    remote = Remote(tenant.root, "signed")
    keys = {}
    for who, kind in (("ada", "ed25519"), ("eve", "ed25519"), ("bob", "ecdsa"), ("rsa", "rsa")):
        keys[who] = remote.clone.parent / f"key-{who}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", who, "-f", str(keys[who])], check=True)
    public = [Path(f"{keys[who]}.pub").read_text().strip() for who in ("ada", "bob", "rsa")]
    tenant.add("signed", remote.url, requireSignedCommits=True, allowedSigners=public)
    tenant.ready("signed")

    def push(who):
        options = () if who is None else (f"-S{keys[who]}",)
        remote.git("config", "gpg.format", "ssh")
        commit = remote.commit({".ingot/pipeline.yaml": PIPELINE, "who": str(who)}, "signed", *options)
        remote.push()
        tenant.sync("signed")
        return tenant.at("signed", commit)

    assert "not signed" in push(None)["message"]
    assert "allowedSigners" in push("eve")["message"]
    for who in ("ada", "bob", "rsa"):
        assert push(who).get("workflow"), who
    tenant.add("unsigned", remote.url, 422, requireSignedCommits=True)
    tenant.add("pgp", remote.url, 422, allowedSigners=["-----BEGIN PGP PUBLIC KEY BLOCK-----"])


def remotes_that_nobody_allowed_are_refused(tenant):
    outside = Path(tempfile.mkdtemp(prefix="outside-", dir="/var/tmp"))
    try:
        subprocess.run(["git", "init", "--quiet", "--bare", str(outside)], check=True)
        (tenant.root / "link").symlink_to(outside)
        (tenant.root / "up").symlink_to("..")
        for i, (url, words) in enumerate([
                (f"file://{outside}", "not beneath"), (f"file://{tenant.root}/link", "leads out"),
                (f"file://{tenant.root}/up/{tenant.root.name}", "leads out"), (f"file://{tenant.root}/../x", "leads out"),
                ("https://169.254.169.254/latest", "not public"), ("https://127.0.0.3:1/x", "not public"),
                ("https://[::1]:1/x", "not public"), ("https://[::ffff:127.0.0.2]:1/x", "not public"),
                ("https://10.0.0.1/x", "not public"), ("ssh://git@127.0.0.2/x", "not public"),
                ("http://127.0.0.2/x", "without encryption")]):
            tenant.add(f"refused-{i}", url)
            assert words in tenant.unready(f"refused-{i}", "RemoteRefused"), url
    finally:
        shutil.rmtree(outside)
    for url in ("", "ftp://x/y", "https://user:secret@x/y", "/etc", "https://x/y?z", "ext::sh -c id", "-oProxyCommand=x:y"):
        tenant.add("never", url, 422)
    tenant.add("credential", "https://git.example/x", secretRef={"name": "absent"})
    assert "absent" in tenant.unready("credential", "SecretMissing")


class GitHost(Listener):
    """`git http-backend` behind basic auth, and what a Git host is told of commits; with `tls`, for localhost."""

    def __init__(self, root, credential, tls=None):
        self.root, self.told = root, queue.Queue()
        self.wanted = "Basic " + base64.b64encode(credential.encode()).decode()
        super().__init__(self.take, tls=tls)
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"

    def take(self, request):
        given = request.headers.get("Authorization")
        if request.path.startswith("/api/v1/"):
            said = json.loads(request.body)
            self.told.put((request.path, given, said["state"], said["context"]))
            reply(request, 201)
        elif request.path.startswith("/elsewhere"):
            reply(request, 302, Location="http://127.0.0.3:1/x/info/refs?service=git-upload-pack")
        elif given != self.wanted:
            reply(request, 401, WWW_Authenticate='Basic realm="x"')
        else:
            self.serve(request)

    def serve(self, request):
        path, _, query = request.path.partition("?")
        done = subprocess.run(["git", "http-backend"], input=request.body, capture_output=True, env={
            **os.environ, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": request.command, "REMOTE_USER": "x",
            "CONTENT_TYPE": request.headers.get("Content-Type", ""), "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"})
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        reply(request, 200, rest, **dict(line.split(": ", 1) for line in head.decode().split("\r\n")))


def a_remote_over_http_wants_its_credential(tenant):
    server = GitHost(tenant.root, "git:hunter2")
    remote = Remote(tenant.root, "over-http")
    commit = remote.commit({".ingot/pipeline.yaml": PIPELINE})
    remote.push()
    tenant.secret("right", password="hunter2")
    tenant.secret("false", password="hunter3")
    tenant.add("over-http", f"{server.url}/over-http.git", secretRef={"name": "right"})
    assert tenant.at("over-http", commit)["workflow"]
    next_one = remote.commit({"x": "1"})
    remote.push()
    tenant.sync("over-http")
    assert tenant.at("over-http", next_one)["workflow"]
    tenant.add("http-no-one", f"{server.url}/over-http.git")
    assert "secretRef" in tenant.unready("http-no-one", "AuthenticationFailed")
    tenant.add("http-false", f"{server.url}/over-http.git", secretRef={"name": "false"})
    assert "secretRef" in tenant.unready("http-false", "AuthenticationFailed")
    tenant.add("http-away", f"{server.url}/elsewhere", secretRef={"name": "right"})
    assert "operator allowed" in tenant.unready("http-away", "RemoteRefused")


def a_host_that_nobody_vouches_for_is_refused(tenant):
    server = GitHost(tenant.root, "git:hunter2", certificate(tenant.root.parent, "tls", "DNS:localhost"))
    tenant.secret("tls", token="hunter2")
    tenant.add("tls", f"{server.url}/over-http.git", secretRef={"name": "tls"})
    assert "certificate" in tenant.unready("tls", "RemoteRefused")


def a_template_of_the_tenants_may_be_the_pipeline(tenant):
    template = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "digits"}, "spec": {
        "entrypoint": "main", "templates": [{"name": "main", "container": {"image": "busybox"},
                                             "metadata": {"annotations": {"ingot.dev/hollow": '{"runSeconds": 0}'}}}]}}
    tenant.call("POST", f"/clusters/{tenant.name}/apis/argoproj.io/v1alpha1/namespaces/default/workflowtemplates", template)
    remote = Remote(tenant.root, "templated")
    commit = remote.commit({"ci.yaml": "kind: Workflow\nspec: {workflowTemplateRef: {name: digits}}\n"})
    remote.push()
    tenant.add("templated", remote.url, pipeline="ci.yaml")
    run = tenant.at("templated", commit)["workflow"]
    tenant.watch(tenant.runs, run, lambda o: o.get("status", {}).get("phase") == "Succeeded")


def a_run_gets_the_files_of_its_commit(tenant):
    remote = Remote(tenant.root, "sourced")
    commit = remote.commit({".ingot/pipeline.yaml": PIPELINE.replace(
        "  - name: main\n", "  - name: main\n    inputs: {artifacts: [{name: source, path: /src}]}\n"), "src/a.py": "print(1)"})
    remote.push()
    tenant.add("sourced", remote.url)
    name = tenant.at("sourced", commit).get("workflow")
    assert name, tenant.at("sourced", commit)
    run = tenant.watch(tenant.runs, name, lambda o: o.get("status", {}).get("finishedAt"))
    assert run["status"]["phase"] == "Succeeded", run["status"]
    source = next(a for a in run["spec"]["arguments"]["artifacts"] if a["name"] == "source")
    tenant.client.connection.request("GET", f"/clusters/{tenant.name}/blobs/{source['s3']['key'].replace('/', ':')}")
    with tarfile.open(fileobj=io.BytesIO(tenant.client.connection.getresponse().read())) as archive:
        assert archive.getnames() == [".ingot", ".ingot/pipeline.yaml", "src", "src/a.py"], archive.getnames()
        assert archive.extractfile("src/a.py").read() == b"print(1)"
    outside = remote.clone / "link"
    outside.symlink_to("/etc/passwd")
    commit = remote.commit({})
    remote.push()
    tenant.sync("sourced")
    assert "leads out" in tenant.at("sourced", commit)["message"]


def a_remote_over_ssh_is_known_by_its_key(tenant):
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd and os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as its service does
    if not sshd or not Path("/run/sshd").is_dir():
        raise Skip("this machine has no sshd")
    work = tenant.root.parent
    for key in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / key)], check=True)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (work / "sshd.conf").write_text(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {work}/host
AuthorizedKeysFile {work}/user.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
""")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(work / "sshd.conf")], stderr=subprocess.PIPE, text=True)
    try:
        while "listening" not in server.stderr.readline():
            assert server.poll() is None, "sshd ended"
        remote = Remote(tenant.root, "over-ssh")
        commit = remote.commit({".ingot/pipeline.yaml": PIPELINE})
        remote.push()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        url, private = f"ssh://{user}@127.0.0.1:{port}{remote.bare}", (work / "user").read_text()

        def line(key):
            return f"[127.0.0.1]:{port} " + (work / f"{key}.pub").read_text()

        tenant.secret("ssh", ssh__privatekey=private, known_hosts=line("host"))
        tenant.add("over-ssh", url, secretRef={"name": "ssh"})
        assert tenant.at("over-ssh", commit)["workflow"]
        for name, reason, entries in (
                ("ssh-unknown", "RemoteRefused", {"ssh__privatekey": private}),
                ("ssh-other", "RemoteRefused", {"ssh__privatekey": private, "known_hosts": line("other")}),
                ("ssh-no-key", "AuthenticationFailed", {"known_hosts": line("host")}),
                ("ssh-false", "AuthenticationFailed", {"ssh__privatekey": (work / "other").read_text(),
                                                       "known_hosts": line("host")})):
            tenant.secret(name, **entries)
            tenant.add(name, url, secretRef={"name": name})
            tenant.unready(name, reason)
    finally:
        server.kill()
        server.wait()


def the_host_is_told_how_a_run_goes(tenant):
    server = GitHost(tenant.root, "git:hunter2")
    (tenant.root / "acme").mkdir()
    remote = Remote(tenant.root / "acme", "told")
    tenant.secret("told", token="hunter2")
    tenant.secret("told-status", token="t0ken")
    tenant.add("told", f"{server.url}/acme/told.git", secretRef={"name": "told"}, statusTokenRef={"name": "told-status"},
               webhook={"provider": "gitea", "secretRef": {"name": "absent"}})
    tenant.ready("told")
    # Who writes a commit's label speaks for none, else the host would be told of it among those below.
    for name, labels in (("forged", {"factory.ingot.dev/repository": "told", "factory.ingot.dev/commit": "1" * 40}),
                         ("odd", {"factory.ingot.dev/repository": ""})):
        workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {
            "name": name, "labels": labels}, "spec": {"entrypoint": "main", "templates": [{
                "name": "main", "metadata": {"annotations": {"ingot.dev/hollow": '{"runSeconds": 0}'}},
                "container": {"image": "busybox"}}]}}
        made = tenant.call("POST", tenant.runs, workflow)
        assert not made["metadata"].get("labels"), made
        tenant.watch(tenant.runs, name, lambda o: o.get("status", {}).get("phase") == "Succeeded")
    for pipeline, last in ((PIPELINE, "success"), (PIPELINE.replace('"runSeconds": 0', '"runSeconds": 0, "exitCode": 3'), "failure")):
        commit = remote.commit({".ingot/pipeline.yaml": pipeline})
        remote.push()
        tenant.sync("told")
        state = None
        while state != last:
            path, token, state, context = server.told.get(timeout=SECONDS)
            assert path == f"/api/v1/repos/acme/told/statuses/{commit}" and token == "token t0ken" and context == "ingot/told"
            assert state in ("pending", last), state
        tenant.watch(tenant.runs, tenant.at("told", commit)["workflow"],
                     lambda o: o["metadata"]["annotations"].get("factory.ingot.dev/reported") == last)
    tenant.add("told-file", remote.url, 422, statusTokenRef={"name": "x"})


def garbage_is_told_and_nobody_else_waits(tenant):
    garbage = Listener(lambda request: reply(request, 200, os.urandom(100_000),
                                             Content_Type="application/x-git-upload-pack-advertisement"))
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(8)
    tenant.add("garbage", f"http://127.0.0.1:{garbage.port}/x")
    hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
    for i in range(2):
        tenant.add(f"hangs-{i}", hanging)
    with tempfile.TemporaryDirectory(dir=tenant.root) as broken:
        os.chmod(broken, 0o755)
        (Path(broken) / "HEAD").write_text("garbage")
        tenant.add("broken", f"file://{broken}")
        reason = condition(tenant.until("broken", lambda o: condition(o, "Ready").get("status") == "False"), "Ready")
        assert reason["reason"] in ("NotUnderstood", "Unreachable"), reason
    reason = condition(tenant.until("garbage", lambda o: condition(o, "Ready").get("status") == "False"), "Ready")
    assert reason["reason"] in ("NotUnderstood", "Unreachable"), reason
    other = Tenant(tenant.factory, "speech", tenant.root)  # while two of this tenant's still hang
    a_push_starts_a_run_by_webhook(other, "unhindered")
    for i in range(2):
        assert tenant.unready(f"hangs-{i}", "TimedOut")
    silent.close()


def tenants_see_their_own_alone(tenant):
    kubeconfig = tenant.factory.run("tenant", "kubeconfig", "speech").strip()
    out = subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "get", "repositories", "-A", "-o", "name"],
                         capture_output=True, text=True)
    assert "by-hook" not in out.stdout and out.returncode == 0, out


def main():
    with scratch_folder("git") as scratch:
        root = scratch / "git"
        flags = ("--gpus", "none", "--hollow", "2x8xH100-80GB", "--git-root", str(root), "--git-allow", "127.0.0.1/32")
        with Factory(BUILD, *flags) as factory:
            for name in ("vision", "speech"):
                factory.run("tenant", "create", name)
            tenant = Tenant(factory, "vision", root)
            return run_tests([
                a_push_starts_a_run_by_webhook, webhooks_that_are_not_signed_tell_nothing, a_replayed_webhook_starts_nothing,
                the_first_look_runs_the_remotes_own_branch_alone, branches_and_paths_are_chosen, history_may_move,
                what_is_wrong_with_a_pipeline_is_said, only_signed_commits_run_where_that_is_asked,
                remotes_that_nobody_allowed_are_refused, a_remote_over_http_wants_its_credential,
                a_host_that_nobody_vouches_for_is_refused, a_template_of_the_tenants_may_be_the_pipeline,
                a_run_gets_the_files_of_its_commit, a_remote_over_ssh_is_known_by_its_key, the_host_is_told_how_a_run_goes,
                garbage_is_told_and_nobody_else_waits, tenants_see_their_own_alone,
                a_push_between_a_kill_and_the_next_start_is_seen], lambda: (tenant,))


if __name__ == "__main__":
    sys.exit(main())
