"""What the Python tests of this folder share: a line a test, somebody at a factory, and what is waited for."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from others import Missing  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "build/release")).resolve()
FACTORY = "/apis/factory.ingot.dev/v1alpha1"  # below a cluster
ROOT_API = f"/clusters/root{FACTORY}"
MERGE = "application/merge-patch+json"
SECONDS = 60


class Skip(Exception):
    """Why a test cannot run on this machine."""


def words(test):
    return test.__name__.replace("_", " ")


def why_not(needed):
    """Why this machine cannot run containers as root with these programs; "": it can."""
    if os.geteuid() != 0:
        return "not root"
    return next((f"missing {program}" for program in needed if not Path(program).exists()), "")


def skip_all(tests, why):
    for test in tests:
        print(f"skip {words(test)}: {why}")


def run_tests(tests, given):
    """Calls each test with what `given()` gives for it, or those that the command line names by a word. A line each: ok, skip or
    fail; the exit code."""
    failures = 0
    for test in tests:
        if sys.argv[1:] and not any(word in test.__name__ for word in sys.argv[1:]):
            continue
        try:
            test(*given())
            print(f"ok {words(test)}", flush=True)
        except (Skip, Missing) as why:
            print(f"skip {words(test)}: {why}", flush=True)
        except Exception as error:  # noqa: BLE001: the next tests may still tell something
            failures += 1
            at = next(f for f in reversed(traceback.extract_tb(error.__traceback__)) if "tests/integration" in f.filename)
            said = f"{type(error).__name__}: {error}".replace("\n", " | ")[:1500]
            print(f"fail {words(test)}\n  {Path(at.filename).name}:{at.lineno}: {said}", flush=True)
    return 1 if failures else 0


@contextlib.contextmanager
def scratch_folder(name):
    """A folder of the test's own, with `git` in it for remotes: the worker that reads those is nobody in particular."""
    folder = Path(tempfile.mkdtemp(prefix=f"ingot-{name}-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        (folder / "git").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def until(what, ask, seconds=30):
    """What `ask()` gives, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return found


def events(factory, path, seconds=SECONDS):
    """What a watch tells: (type, object)."""
    connection = factory.client().connection
    connection.timeout = seconds
    connection.request("GET", f"{path}{'&' if '?' in path else '?'}watch=true")
    for line in connection.getresponse():
        event = json.loads(line)
        yield event["type"], event["object"]


def follow(factory, path, done, seconds=SECONDS):
    """The first object of a watch of which `done` is true."""
    seen = {}
    try:
        for _, seen in events(factory, path, seconds):
            if done(seen):
                return seen
    except TimeoutError:
        pass
    raise AssertionError(f"{path} is not as wanted: {json.dumps(seen.get('status', seen))}")


class Desk:
    """Somebody at a factory: its command line and its API."""

    def __init__(self, factory, scratch=None):
        self.factory, self.scratch = factory, scratch
        self.client = factory.client()

    def ingot(self, *args, check=True):
        """What it wrote, on standard error too where it is to be refused: `check` False, or the exit code."""
        ran = subprocess.run([self.factory.ingot, *map(str, args), "--data", str(self.factory.data)], capture_output=True, text=True)
        good = ran.returncode == check if type(check) is int else (ran.returncode == 0) == check
        assert good, f"{args}: {ran.returncode} {ran.stdout}{ran.stderr}"
        return ran.stdout if check is True else ran.stdout + ran.stderr

    def call(self, method, path, body=None, wanted=(200, 201), content="application/json"):
        code, text = self.client.call(method, path, body, content)
        assert code in wanted, f"{method} {path}: {code} {text[:500]}"
        return json.loads(text) if text else None

    def up_again(self):
        self.factory.up()
        self.client = self.factory.client()

    def file(self, name, value):
        """A file of JSON."""
        path = self.scratch / name
        path.write_text(json.dumps(value))
        return path

    def token_of(self, pod, tenant="vision"):
        """What the pod's containers have."""
        return self.call("POST", f"/clusters/{tenant}/api/v1/namespaces/default/serviceaccounts/default/token", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": {
                "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}}})["status"]["token"]


def mlflow_environment(factory, tenant, token=None):
    """For MLflow's client: a tenant's administrator, or who has the token."""
    ca, cert, key = factory.credentials(tenant)
    both = factory.data / f"{tenant}.both.pem"
    both.write_text(Path(cert).read_text() + Path(key).read_text())
    who = {"MLFLOW_TRACKING_TOKEN": token} if token else {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(both)}
    return {**os.environ, **who, "MLFLOW_TRACKING_URI": f"https://127.0.0.1:{factory.port}/clusters/{tenant}/mlflow",
            "MLFLOW_TRACKING_SERVER_CERT_PATH": ca, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "GIT_PYTHON_REFRESH": "quiet"}
