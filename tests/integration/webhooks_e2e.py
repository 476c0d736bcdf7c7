"""Webhooks of models: told by MLflow's unmodified client, signed, brought again to who was away, and led nowhere else."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from factory import Factory  # noqa: E402
from mlflow_venv import python_with  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "build/release")).resolve()
SECRET = "a secret of vision's"
SECONDS = 60


class Skip(Exception):
    pass


class Receiver:
    """Answers as the path says, and keeps what it was told: (path, headers, body)."""

    def __init__(self, port=0, tls=None):
        self.told, self.change, self.over, self.busy = [], threading.Condition(), threading.Event(), 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.change:
                    outer.told.append((self.path, self.headers, body))
                    earlier = sum(p == self.path for p, _, _ in outer.told) - 1
                    outer.change.notify_all()
                outer.answer(self, earlier)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler, earlier):
        path = handler.path
        if path.startswith("/hang"):
            self.over.wait()
            return
        if path.startswith("/endless"):
            handler.send_response(200)
            handler.end_headers()
            try:
                while not self.over.is_set():
                    handler.wfile.write(b"x" * 65536)
            except OSError:
                pass
            return
        code = {"/refuse": 400, "/redirect": 302}.get(path, 200)
        if path.startswith("/flaky") and earlier < 2:
            code = 503
        handler.send_response(code)
        if code == 302:
            handler.send_header("Location", f"http://127.0.0.1:{self.port}/stolen")
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"told")

    def wait(self, path, count=1, seconds=SECONDS):
        """The first `count` that came to a path."""
        def there():
            return [t for t in self.told if t[0] == path]
        with self.change:
            assert self.change.wait_for(lambda: len(there()) >= count, seconds), (path, count, [t[0] for t in self.told])
            return there()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def check(told, entity, action, secret=SECRET):
    """That it is the factory's; its data."""
    _, headers, body = told
    text = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == wanted, (headers["X-MLflow-Signature"], wanted)
    assert abs(int(headers["X-MLflow-Timestamp"]) - time.time()) < 300, headers
    said = json.loads(body)
    assert (said["entity"], said["action"]) == (entity, action), said
    return said["data"]


class World:
    def __init__(self, factory, receiver, python, why):
        self.factory, self.receiver, self.python, self.why = factory, receiver, python, why
        self.client = factory.client()
        self.base = "/clusters/vision/mlflow/api/2.0/mlflow/"
        ca, cert, key = factory.credentials("vision")
        both = factory.data / "vision.both.pem"
        both.write_text(Path(cert).read_text() + Path(key).read_text())
        self.env = dict(os.environ, MLFLOW_TRACKING_URI=f"https://127.0.0.1:{factory.port}/clusters/vision/mlflow",
                        MLFLOW_TRACKING_CLIENT_CERT_PATH=str(both), MLFLOW_TRACKING_SERVER_CERT_PATH=ca,
                        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", GIT_PYTHON_REFRESH="quiet")

    def ask(self, method, path, body=None, code=200):
        got, text = self.client.call(method, self.base + path, body)
        assert got == code, (got, text)
        return json.loads(text or b"{}")

    def api(self, method, path, body=None):
        code, text = self.client.call(method, "/clusters/vision/apis/factory.ingot.dev/v1alpha1/" + path, body)
        return code, json.loads(text)

    def webhook(self, path, *events, secret=SECRET, receiver=None, url=None):
        told = [dict(zip(("entity", "action"), e.upper().split("."))) for e in events]
        port = (receiver or self.receiver).port
        made = self.ask("POST", "webhooks", {"name": "hook", "url": url or f"http://127.0.0.1:{port}{path}", "events": told,
                                             "secret": secret})["webhook"]
        assert "secret" not in made, made
        return made["webhook_id"]

    def status(self, webhook):
        return self.api("GET", f"webhooks/{webhook}")[1].get("status", {})

    def until(self, webhook, field, value):
        deadline = time.monotonic() + SECONDS
        while self.status(webhook).get(field) != value:
            assert time.monotonic() < deadline, self.status(webhook)
            time.sleep(0.1)
        return self.status(webhook)

    def mlflow(self, code, *args):
        if not self.python:
            raise Skip(self.why)
        ran = subprocess.run([str(self.python), "-c", code, *args], env=self.env, capture_output=True, text=True, timeout=SECONDS)
        assert ran.returncode == 0, ran.stderr[-2000:]
        return ran.stdout


CLIENT = """
import sys, mlflow
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
url, secret = sys.argv[1:3]
client = MlflowClient()

def refused(code, what, *args, **kwargs):
    try:
        what(*args, **kwargs)
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == code, error
    else:
        raise AssertionError((what, args))

everything = ["registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted",
              "model_version_alias.created", "model_version_alias.deleted"]
hook = client.create_webhook("all-of-it", url + "/all", everything, description="all", secret=secret)
assert hook.name == "all-of-it" and hook.description == "all" and hook.status == WebhookStatus.ACTIVE, hook
assert [str(e) for e in hook.events] == everything and hook.secret is None, hook
other = client.create_webhook("other", url + "/other", ["prompt.created", WebhookEvent("prompt_tag", "set")],
                              secret=secret, status=WebhookStatus.DISABLED)
assert [w.webhook_id for w in client.list_webhooks()] in ([other.webhook_id, hook.webhook_id], [hook.webhook_id, other.webhook_id])
assert len(client.list_webhooks(max_results=1)) == 1
changed = client.update_webhook(other.webhook_id, name="renamed", description="d", status=WebhookStatus.ACTIVE)
assert (changed.name, changed.description, changed.status) == ("renamed", "d", WebhookStatus.ACTIVE), changed
assert changed.url == url + "/other" and [str(e) for e in changed.events] == ["prompt.created", "prompt_tag.set"], changed
assert client.get_webhook(other.webhook_id).last_updated_timestamp >= other.creation_timestamp
result = client.test_webhook(hook.webhook_id)
assert result.success and result.response_status == 200 and result.response_body == "told", result
result = client.test_webhook(hook.webhook_id, "model_version_tag.set")
assert result.success, result
refused("RESOURCE_DOES_NOT_EXIST", client.get_webhook, "webhook-none")
refused("RESOURCE_DOES_NOT_EXIST", client.test_webhook, "webhook-none")
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "Bad Name", url, everything)
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", "ftp://example.com/", everything)
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", url, ["budget_policy.exceeded"])

client.create_registered_model("told", tags={"team": "ocr"}, description="of webhooks")
print(hook.webhook_id, other.webhook_id)
"""


GONE = """
import sys, mlflow
from mlflow import MlflowClient
client = MlflowClient()
for hook in sys.argv[1:]:
    client.delete_webhook(hook)
    try:
        client.get_webhook(hook)
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
    else:
        raise AssertionError(hook)
assert client.list_webhooks() == []
"""


def the_unmodified_client_makes_and_tries_them(world):
    url = f"http://127.0.0.1:{world.receiver.port}"
    hook, other = world.mlflow(CLIENT, url, SECRET).split()[-2:]
    told = world.receiver.wait("/all", 3)
    assert check(told[0], "registered_model", "created")["name"], told[0]
    assert set(check(told[1], "model_version_tag", "set")) == {"name", "version", "key", "value"}
    assert check(told[2], "registered_model", "created") == {"name": "told", "tags": {"team": "ocr"}, "description": "of webhooks"}
    # A prompt is a model with a tag.
    world.ask("POST", "registered-models/create", {"name": "asked", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"},
                                                                             {"key": "kind", "value": "question"}]})
    world.ask("POST", "registered-models/set-tag", {"name": "asked", "key": "lang", "value": "en"})
    asked = world.receiver.wait("/other", 2)
    assert check(asked[0], "prompt", "created")["tags"] == {"kind": "question"}
    assert check(asked[1], "prompt_tag", "set") == {"name": "asked", "key": "lang", "value": "en"}
    code, text = world.client.call("GET", f"/clusters/vision/apis/factory.ingot.dev/v1alpha1/webhooks/{hook}")
    assert code == 200 and SECRET.encode() not in text and b'"signed":true' in text, text
    world.mlflow(GONE, hook, other)


def what_changes_a_model_is_told(world):
    hook = world.webhook("/changes", "model_version.created", "model_version_tag.set", "model_version_tag.deleted",
                         "model_version_alias.created", "model_version_alias.deleted")
    folder = Path(tempfile.mkdtemp(dir=world.factory.data))
    (folder / "weights").write_bytes(b"w" * 100)
    world.factory.run("model", "import", "vision/changed", str(folder))
    world.ask("POST", "model-versions/set-tag", {"name": "changed", "version": "1", "key": "k", "value": "v"})
    world.ask("DELETE", "model-versions/delete-tag", {"name": "changed", "version": "1", "key": "k"})
    world.ask("POST", "registered-models/alias", {"name": "changed", "alias": "best", "version": "1"})
    world.ask("DELETE", "registered-models/alias", {"name": "changed", "alias": "best"})
    told = world.receiver.wait("/changes", 5)
    version = check(told[0], "model_version", "created")
    assert (version["name"], version["version"], version["run_id"]) == ("changed", "1", None), version
    assert check(told[1], "model_version_tag", "set") == {"name": "changed", "version": "1", "key": "k", "value": "v"}
    assert check(told[2], "model_version_tag", "deleted") == {"name": "changed", "version": "1", "key": "k"}
    assert check(told[3], "model_version_alias", "created") == {"name": "changed", "alias": "best", "version": "1"}
    assert check(told[4], "model_version_alias", "deleted") == {"name": "changed", "alias": "best"}
    ids = {t[1]["X-MLflow-Delivery-Id"] for t in told}
    assert len(ids) == 5, ids
    assert world.until(hook, "delivered", 5)["last"]["code"] == 200
    world.ask("DELETE", f"webhooks/{hook}")


def model(world, name):
    world.ask("POST", "registered-models/create", {"name": name})


def who_is_busy_is_told_again(world):
    hook = world.webhook("/flaky", "registered_model.created")
    model(world, "busy")
    told = world.receiver.wait("/flaky", 3)
    assert all(check(t, "registered_model", "created")["name"] == "busy" for t in told)
    assert len({t[1]["X-MLflow-Delivery-Id"] for t in told}) == 1 and len({t[2] for t in told}) == 1
    status = world.until(hook, "delivered", 1)
    assert "failed" not in status, status
    world.ask("DELETE", f"webhooks/{hook}")


def who_refuses_or_sends_elsewhere_is_not(world):
    for path, why in (("/refuse", "answered 400"), ("/redirect", "redirects are not followed")):
        hook = world.webhook(path, "registered_model.created")
        model(world, "refused" + path.replace("/", "-"))
        status = world.until(hook, "failed", 1)
        assert why in status["last"]["message"], status
        world.ask("DELETE", f"webhooks/{hook}")
    assert not [t for t in world.receiver.told if t[0] == "/stolen"]


def who_hangs_holds_up_nobody(world):
    hung, endless = (world.webhook(p, "registered_model.created") for p in ("/hang", "/endless"))
    good = world.webhook("/meanwhile", "registered_model.created")
    model(world, "slow")
    world.receiver.wait("/hang")
    world.receiver.wait("/meanwhile")
    assert "delivered" in world.until(endless, "delivered", 1)
    result = world.ask("POST", f"webhooks/{hung}/test", {})["result"]
    assert "no whole answer" in result.get("error_message", ""), result
    for hook in (hung, endless, good):
        world.ask("DELETE", f"webhooks/{hook}")


def they_lead_nowhere_inside(world):
    inside = ["http://127.0.0.2:{port}/", "https://127.0.0.2:{port}/", "https://[::1]:{port}/", "https://169.254.169.254/latest/meta-data/",
              "https://10.0.0.1/", "https://0.0.0.0:{port}/", "https://[::ffff:127.0.0.2]:{port}/", "https://2130706434:{port}/"]
    before = len(world.receiver.told)
    for url in inside:
        url = url.format(port=world.receiver.port)
        hook = world.webhook("", "registered_model.created", url=url)
        result = world.ask("POST", f"webhooks/{hook}/test", {})["result"]
        assert not result["success"] and "--webhook-allow" in result["error_message"], (url, result)
        world.ask("DELETE", f"webhooks/{hook}")
    assert len(world.receiver.told) == before, world.receiver.told[before:]


def tls_is_verified(world, folder=None):
    folder = Path(tempfile.mkdtemp(dir=world.factory.data))
    pairs = {}
    for name, names in (("good", "IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.example")):
        key, csr, cert = (folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extension = folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={names}\n")
        subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr, "-subj", f"/CN={name}"],
                       check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", csr, "-CA", world.authority / "ca.crt", "-CAkey", world.authority / "ca.key",
                        "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", cert], check=True, capture_output=True)
        pairs[name] = (cert, key)
    self_signed = (folder / "self.crt", folder / "self.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self_signed[1], "-out", self_signed[0], "-days", "2",
                    "-subj", "/CN=self", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    for pair, why in ((pairs["good"], ""), (pairs["elsewhere"], "IP address mismatch"), (self_signed, "self-signed certificate")):
        receiver = Receiver(tls=pair)
        hook = world.webhook("", "registered_model.created", url=f"https://127.0.0.1:{receiver.port}/tls")
        result = world.ask("POST", f"webhooks/{hook}/test", {})["result"]
        assert result["success"] == (why == ""), result
        assert bool(receiver.told) == (why == ""), receiver.told
        assert why in result.get("error_message", ""), result
        world.ask("DELETE", f"webhooks/{hook}")
        receiver.close()


def a_crash_loses_nothing_acknowledged(world):
    away = Receiver()
    port = away.port
    hook = world.webhook("/back", "registered_model.created", receiver=away)
    away.close()
    for n in range(5):
        model(world, f"crashed-{n}")
    world.factory.kill()
    world.factory.up()
    world.client = world.factory.client()
    model(world, "crashed-5")
    back = Receiver(port)
    try:
        wanted = {f"crashed-{n}" for n in range(6)}
        deadline = time.monotonic() + SECONDS
        with back.change:
            assert back.change.wait_for(lambda: wanted <= {json.loads(t[2])["data"]["name"] for t in back.told},
                                        deadline - time.monotonic()), [t[2] for t in back.told]
        for told in back.told:
            check(told, "registered_model", "created")
        by_name = {}
        for _, headers, body in back.told:
            by_name.setdefault(json.loads(body)["data"]["name"], set()).add(headers["X-MLflow-Delivery-Id"])
        assert all(len(ids) == 1 for ids in by_name.values()), by_name
        world.until(hook, "delivered", 6)
    finally:
        back.close()
    world.ask("DELETE", f"webhooks/{hook}")


def a_suspended_one_is_told_nothing(world):
    hook = world.webhook("/suspended", "registered_model.created")
    world.ask("PATCH", f"webhooks/{hook}", {"status": "DISABLED"})
    model(world, "unheard")
    world.ask("PATCH", f"webhooks/{hook}", {"status": "ACTIVE"})
    model(world, "heard")
    told = world.receiver.wait("/suspended")
    assert check(told[0], "registered_model", "created")["name"] == "heard", told
    world.ask("DELETE", f"webhooks/{hook}")
    model(world, "after-it")
    assert len(world.receiver.wait("/suspended")) == 1


def main():
    tests = [the_unmodified_client_makes_and_tries_them, what_changes_a_model_is_told, who_is_busy_is_told_again,
             who_refuses_or_sends_elsewhere_is_not, who_hangs_holds_up_nobody, they_lead_nowhere_inside, tls_is_verified,
             a_crash_loses_nothing_acknowledged, a_suspended_one_is_told_nothing]
    wanted = [t for t in tests if not sys.argv[1:] or any(w in t.__name__ for w in sys.argv[1:])]
    python, why = python_with(BUILD, "mlflow-skinny")
    authority = Path(tempfile.mkdtemp(prefix="ingot-hooks-", dir="/var/tmp"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", authority / "ca.key", "-out", authority / "ca.crt",
                    "-days", "2", "-subj", "/CN=receivers"], check=True, capture_output=True)
    receiver = Receiver()
    try:
        with Factory(BUILD, "--gpus", "none", "--webhook-allow", "127.0.0.1/32", "--webhook-ca", str(authority / "ca.crt")) as factory:
            factory.run("tenant", "create", "vision")
            world = World(factory, receiver, python, why)
            world.authority = authority
            for test in wanted:
                name = test.__name__.replace("_", " ")
                try:
                    test(world)
                    print(f"ok {name}", flush=True)
                except Skip as reason:
                    print(f"skip {name}: {reason}", flush=True)
                except Exception as error:
                    text = f"{type(error).__name__}: {error}".replace("\n", " | ")[:1500]
                    print(f"fail {name}\n  {text}", flush=True)
    finally:
        receiver.close()
        shutil.rmtree(authority, ignore_errors=True)


if __name__ == "__main__":
    main()
