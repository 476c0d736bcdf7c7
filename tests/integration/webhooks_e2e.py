"""Webhooks of models: told by MLflow's unmodified client, signed, brought again to who was away, and led nowhere else."""
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from e2e import BUILD, FACTORY, SECONDS, Desk, mlflow_environment, run_tests, scratch_folder, until
from factory import Factory
from listener import Listener, certificate, reply
from mlflow_venv import python_with

SECRET = "a secret of vision's"


class Receiver(Listener):
    """Answers as the path says, and keeps what it was told: (path, headers, body)."""

    def __init__(self, port=0, tls=None):
        self.told, self.change, self.over = [], threading.Condition(), threading.Event()
        super().__init__(self.take, port, tls)

    def take(self, request):
        path = request.path
        with self.change:
            self.told.append((path, request.headers, request.body))
            earlier = sum(p == path for p, _, _ in self.told) - 1
            self.change.notify_all()
        if path.startswith("/hang"):
            self.over.wait()
        elif path.startswith("/endless"):
            self.pour(request)
        elif path == "/redirect":
            reply(request, 302, b"told", Location=f"http://127.0.0.1:{self.port}/stolen")
        elif path == "/refuse":
            reply(request, 400, b"told")
        else:
            reply(request, 503 if path.startswith("/flaky") and earlier < 2 else 200, b"told")

    def pour(self, request):
        request.send_response(200)
        request.end_headers()
        try:
            while not self.over.is_set():
                request.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def wait(self, path, count=1, seconds=SECONDS):
        """The first `count` that came to a path."""
        def there():
            return [t for t in self.told if t[0] == path]
        with self.change:
            assert self.change.wait_for(lambda: len(there()) >= count, seconds), (path, count, [t[0] for t in self.told])
            return there()

    def close(self):
        self.over.set()
        super().close()


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


class World(Desk):
    def __init__(self, factory, receiver, authority):
        super().__init__(factory)
        self.receiver, self.authority = receiver, authority
        self.base = "/clusters/vision/mlflow/api/2.0/mlflow/"

    def ask(self, method, path, body=None, code=200):
        got, text = self.client.call(method, self.base + path, body)
        assert got == code, (got, text)
        return json.loads(text or b"{}")

    def api(self, method, path, body=None):
        code, text = self.client.call(method, f"/clusters/vision{FACTORY}/{path}", body)
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
        return until(f"{field} {value} of {webhook}", lambda: (seen := self.status(webhook)).get(field) == value and seen, SECONDS)

    def mlflow(self, code, *args):
        ran = subprocess.run([python_with(BUILD, "mlflow-skinny"), "-c", code, *args], env=mlflow_environment(self.factory, "vision"),
                             capture_output=True, text=True, timeout=SECONDS)
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
    code, text = world.client.call("GET", f"/clusters/vision{FACTORY}/webhooks/{hook}")
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


def tls_is_verified(world):
    folder = Path(tempfile.mkdtemp(dir=world.factory.data))
    good = certificate(folder, "good", "IP:127.0.0.1", world.authority)
    elsewhere = certificate(folder, "elsewhere", "DNS:elsewhere.example", world.authority)
    self_signed = certificate(folder, "self", "IP:127.0.0.1")
    for pair, why in ((good, ""), (elsewhere, "IP address mismatch"), (self_signed, "self-signed certificate")):
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
    world.up_again()
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
    receiver = Receiver()
    try:
        with scratch_folder("hooks") as scratch:
            authority = certificate(scratch, "receivers")
            with Factory(BUILD, "--gpus", "none", "--webhook-allow", "127.0.0.1/32", "--webhook-ca", str(authority[0])) as factory:
                factory.run("tenant", "create", "vision")
                world = World(factory, receiver, authority)
                return run_tests([the_unmodified_client_makes_and_tries_them, what_changes_a_model_is_told, who_is_busy_is_told_again,
                                  who_refuses_or_sends_elsewhere_is_not, who_hangs_holds_up_nobody, they_lead_nowhere_inside,
                                  tls_is_verified, a_crash_loses_nothing_acknowledged, a_suspended_one_is_told_nothing],
                                 lambda: (world,))
    finally:
        receiver.close()


if __name__ == "__main__":
    sys.exit(main())
