"""MLflow's unmodified client against a real factory: what it logs is found and read again, tenants see nothing of each other,
a crash loses nothing that was acknowledged, bad input is refused in MLflow's words, and a deleted tenant's file goes."""
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import ssl
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from factory import Factory  # noqa: E402
from mlflow_venv import python_with  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "build/release")).resolve()
CLIENT = Path(__file__).resolve().parent / "mlflow_client.py"
SECONDS = 120


class User:
    """An administrator of a tenant, by certificate."""

    def __init__(self, factory, tenant):
        self.factory, self.tenant = factory, tenant
        ca, cert, key = factory.credentials(tenant)
        both = factory.data / f"{tenant}.both.pem"
        both.write_text(Path(cert).read_text() + Path(key).read_text())
        self.base = f"https://127.0.0.1:{factory.port}/clusters/{tenant}/mlflow"
        self.env = dict(os.environ, MLFLOW_TRACKING_URI=self.base, MLFLOW_TRACKING_CLIENT_CERT_PATH=str(both),
                        MLFLOW_TRACKING_SERVER_CERT_PATH=ca, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", GIT_PYTHON_REFRESH="quiet")
        self.context = ssl.create_default_context(cafile=ca)
        self.context.load_cert_chain(cert, key)

    def mlflow(self, python, *args):
        ran = subprocess.run([str(python), str(CLIENT), *args], env=self.env, capture_output=True, text=True, timeout=SECONDS)
        assert ran.returncode == 0, ran.stderr[-3000:]
        return json.loads(ran.stdout.strip().splitlines()[-1])

    def ask(self, method, path, body=None, base=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request((base or self.base) + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def api(self, method, path, body=None):
        code, text = self.ask(method, "/api/2.0/mlflow/" + path, body)
        return code, json.loads(text)


def the_client_logs_and_reads(world):
    told = world.vision.mlflow(world.python, "log")
    world.run = told["run"]


def it_searches(world):
    world.vision.mlflow(world.python, "search")


def it_logs_models_and_data_sets(world):
    world.vision.mlflow(world.python, "models")


def it_sends_whole_what_it_would_send_in_parts(world):
    world.vision.env |= {"MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true", "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000"}
    world.vision.mlflow(world.python, "parts")


def a_full_tenant_tracks_nothing_more(world):
    world.factory.run("tenant", "create", "small")
    small = User(world.factory, "small")
    code, told = small.api("POST", "runs/create", {"experiment_id": "0"})
    run = told["run"]["info"]["run_id"]
    client = world.factory.client()
    path = "/clusters/root/apis/factory.ingot.dev/v1alpha1/tenants/small"
    for limit, wanted in (("1", (429, "RESOURCE_EXHAUSTED")), ("1Gi", (200, None))):
        code, text = client.call("PATCH", path, {"spec": {"storage": {"limit": limit}}}, "application/merge-patch+json")
        assert code == 200, text
        deadline = time.monotonic() + 30
        while True:  # the limit follows the object
            code, told = small.api("POST", "runs/set-tag", {"run_id": run, "key": "k", "value": limit})
            if (code, told.get("error_code")) == wanted:
                break
            assert time.monotonic() < deadline, (code, told)
            time.sleep(0.1)
        if limit == "1":
            assert "spec.storage.limit" in told["message"], told
            code, _ = small.api("GET", f"runs/get?run_id={run}")
            assert code == 200


def it_is_refused_in_its_own_words(world):
    world.vision.mlflow(world.python, "refusals")


def tenants_see_nothing_of_each_other(world):
    code, told = world.speech.api("GET", f"runs/get?run_id={world.run}")
    assert code == 404 and told["error_code"] == "RESOURCE_DOES_NOT_EXIST", (code, told)
    code, told = world.speech.api("POST", "experiments/search", {"max_results": 100})
    assert [e["name"] for e in told["experiments"]] == ["Default"], told
    code, text = world.speech.ask("GET", "/api/2.0/mlflow/experiments/search", base=world.vision.base)
    assert code == 401 and json.loads(text)["error_code"] == "UNAUTHENTICATED", (code, text)
    code, text = world.speech.ask("GET", f"/get-artifact?run_id={world.run}&path=notes.txt")
    assert code == 404, (code, text)


def artifacts_stay_where_they_belong(world):
    proxy = "/api/2.0/mlflow-artifacts/artifacts/"
    bad = ["1/../0/x", "1/%2e%2e/0/x", "1/%252e%252e/0/x", "1/a%2Fb", "1/a%5cb", "1/a%00b", "1//b", "..", "1/./b",
           "1/%25252e%25252e/x"]
    for path in bad:
        code, text = world.vision.ask("PUT", proxy + path, b"evil")
        assert code in (400, 404) and "error_code" in json.loads(text), (path, code, text)
    code, text = world.vision.ask("PUT", proxy + "4711/run/artifacts/x", b"evil")
    assert code == 404 and json.loads(text)["error_code"] == "RESOURCE_DOES_NOT_EXIST", (code, text)
    code, _ = world.vision.ask("PUT", proxy + "0/mine/artifacts/empty", b"")
    assert code == 200
    code, text = world.vision.ask("GET", proxy + "0/mine/artifacts/empty")
    assert (code, text) == (200, b"")
    for path in ("../x", "%2e%2e/x", "a/../../x", "/etc/passwd"):
        code, text = world.vision.ask("GET", f"/api/2.0/mlflow/artifacts/list?run_id={world.run}&path={path}")
        assert code == 400 and json.loads(text)["error_code"] == "INVALID_PARAMETER_VALUE", (path, code, text)
        code, text = world.vision.ask("GET", f"/get-artifact?run_id={world.run}&path={path}")
        assert code in (400, 404), (path, code, text)
    code, _ = world.vision.ask("DELETE", proxy + "0/mine/artifacts")
    assert code == 200
    code, text = world.vision.ask("GET", proxy + "0/mine/artifacts/empty")
    assert code == 404 and json.loads(text)["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    code, text = world.vision.ask("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/r/artifacts/x", {"path": "x", "num_parts": 2})
    assert code == 501 and json.loads(text)["error_code"] == "NOT_IMPLEMENTED", (code, text)


def what_is_no_endpoint_is_not_found(world):
    for path in ("/api/3.0/mlflow/server-info", "/api/2.0/mlflow/jobs/1", "/api/2.0/mlflow/runs/create/x", "/mlflow/runs/get"):
        code, text = world.vision.ask("GET", path)
        assert code == 404 and json.loads(text)["error_code"] == "ENDPOINT_NOT_FOUND", (path, code, text)
    assert world.vision.ask("GET", "/health") == (200, b"OK")
    assert world.vision.ask("GET", "/version")[0] == 200
    code, text = world.vision.ask("POST", "/api/2.0/mlflow/runs/create", b"{no json")
    assert code == 400 and "error_code" in json.loads(text), (code, text)
    code, text = world.vision.ask("POST", "/api/2.0/mlflow/runs/log-batch", b" " * 1_500_000 + b"{}")
    assert code == 413 and json.loads(text)["error_code"] == "BAD_REQUEST", (code, text)


def a_crash_loses_nothing_acknowledged(world):
    process = subprocess.Popen([str(world.python), str(CLIENT), "stream"], env=world.vision.env, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    run = json.loads(process.stdout.readline())["run"]
    seen = -1
    while seen < 25:
        seen = int(process.stdout.readline())
    world.factory.kill()
    for line in process.stdout:
        seen = int(line)
        if seen > 10_000:
            break
    process.kill()
    process.wait()
    world.factory.up()
    code, told = world.vision.api("GET", f"metrics/get-history?run_id={run}&metric_key=loss")
    steps = [m["step"] for m in told["metrics"]]
    assert steps[:seen + 1] == list(range(seen + 1)) and len(steps) <= seen + 2, (seen, steps[-3:])
    code, told = world.vision.api("GET", f"runs/get?run_id={world.run}")
    assert code == 200 and told["run"]["info"]["run_name"] == "first", told


def a_deleted_tenant_leaves_no_file(world):
    before = {p.name for p in (world.factory.data / "tracking").glob("*.db")}
    world.factory.run("tenant", "delete", "speech", "--yes", check=False)
    world.factory.run("tenant", "delete", "speech", check=False)
    deadline = time.monotonic() + 60
    while {p.name for p in (world.factory.data / "tracking").glob("*.db")} == before and time.monotonic() < deadline:
        time.sleep(0.2)
    after = {p.name for p in (world.factory.data / "tracking").glob("*.db")}
    assert len(after) == len(before) - 1, (before, after)


class World:
    run = None

    def __init__(self, factory, python):
        self.factory, self.python = factory, python
        self.vision, self.speech = User(factory, "vision"), User(factory, "speech")


TESTS = [the_client_logs_and_reads, it_searches, it_logs_models_and_data_sets, it_sends_whole_what_it_would_send_in_parts,
         a_full_tenant_tracks_nothing_more, it_is_refused_in_its_own_words,
         tenants_see_nothing_of_each_other, artifacts_stay_where_they_belong, what_is_no_endpoint_is_not_found,
         a_crash_loses_nothing_acknowledged, a_deleted_tenant_leaves_no_file]


def main():
    python, why = python_with(BUILD, "mlflow-skinny")
    if not python:
        print(f"skip mlflow: its client cannot be installed here ({why})")
        return 0
    failed = 0
    with Factory(BUILD, "--gpus", "none") as factory:
        for tenant in ("vision", "speech"):
            factory.run("tenant", "create", tenant)
        world = World(factory, python)
        for test in TESTS:
            name = test.__name__.replace("_", " ")
            try:
                test(world)
                print(f"ok {name}", flush=True)
            except Exception as e:  # noqa: BLE001
                failed += 1
                print(f"fail {name}", flush=True)
                print("   ", repr(e)[-2500:].replace("\\n", "\n    "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
