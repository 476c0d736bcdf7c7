"""MLflow's unmodified client against a real factory: what it logs is found and read again, tenants see nothing of each other,
a crash loses nothing that was acknowledged, bad input is refused in MLflow's words, and a deleted tenant's file goes."""
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from e2e import BUILD, MERGE, ROOT_API, mlflow_environment, run_tests, skip_all, until
from factory import Factory
from mlflow_venv import python_with
from others import Missing

CLIENT = Path(__file__).resolve().parent / "mlflow_client.py"
SECONDS = 120


class User:
    """An administrator of a tenant, by certificate."""

    def __init__(self, factory, tenant):
        self.factory, self.tenant = factory, tenant
        self.env = mlflow_environment(factory, tenant)
        self.base = self.env["MLFLOW_TRACKING_URI"]
        ca, cert, key = factory.credentials(tenant)
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
    path = f"{ROOT_API}/tenants/small"
    for limit, wanted in (("1", (429, "RESOURCE_EXHAUSTED")), ("1Gi", (200, None))):
        code, text = client.call("PATCH", path, {"spec": {"storage": {"limit": limit}}}, MERGE)
        assert code == 200, text

        def answered():
            code, told = small.api("POST", "runs/set-tag", {"run_id": run, "key": "k", "value": limit})
            return told or True if (code, told.get("error_code")) == wanted else None
        told = until(f"{wanted} with {limit}", answered)  # the limit follows the object
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

    def files():
        return {p.name for p in (world.factory.data / "tracking").glob("*.db")}
    until("its file goes", lambda: files() != before, 60)
    assert len(files()) == len(before) - 1, (before, files())


class World:
    run = None

    def __init__(self, factory, python):
        self.factory, self.python = factory, python
        self.vision, self.speech = User(factory, "vision"), User(factory, "speech")


def main():
    tests = [the_client_logs_and_reads, it_searches, it_logs_models_and_data_sets, it_sends_whole_what_it_would_send_in_parts,
             a_full_tenant_tracks_nothing_more, it_is_refused_in_its_own_words,
             tenants_see_nothing_of_each_other, artifacts_stay_where_they_belong, what_is_no_endpoint_is_not_found,
             a_crash_loses_nothing_acknowledged, a_deleted_tenant_leaves_no_file]
    try:
        python = python_with(BUILD, "mlflow-skinny")
    except Missing as why:
        return skip_all(tests, f"MLflow's client cannot be installed here ({why})")
    with Factory(BUILD, "--gpus", "none") as factory:
        for tenant in ("vision", "speech"):
            factory.run("tenant", "create", tenant)
        world = World(factory, python)
        return run_tests(tests, lambda: (world,))


if __name__ == "__main__":
    sys.exit(main())
