"""register.py MODEL ACCURACY: logs the run and registers its model, by MLflow's REST API as MLflow's own client does.

Where to log, as whom and into which experiment the factory says in the environment.
"""
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

uri = os.environ["MLFLOW_TRACKING_URI"]
trust = ssl.create_default_context(cafile=os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])
name = os.environ["MLFLOW_EXPERIMENT_NAME"]


def call(method, path, body=b""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{uri}/api/2.0/{path}", data or None, method=method, headers={
        "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=trust) as answer:
        return json.loads(answer.read() or b"{}")


def once(method, path, body):
    """Makes what may be there already."""
    try:
        call(method, path, body)
    except urllib.error.HTTPError as error:
        if json.loads(error.read()).get("error_code") != "RESOURCE_ALREADY_EXISTS":
            raise


model, accuracy = Path(sys.argv[1]), float(sys.argv[2])
now = int(time.time() * 1000)
once("POST", "mlflow/experiments/create", {"name": name})
found = call("GET", "mlflow/experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": name}))
run = call("POST", "mlflow/runs/create", {"experiment_id": found["experiment"]["experiment_id"], "start_time": now})["run"]["info"]
call("POST", "mlflow/runs/log-batch", {
    "run_id": run["run_id"],
    "metrics": [{"key": "accuracy", "value": accuracy, "timestamp": now, "step": 0}],
    "params": [{"key": key, "value": os.environ[key.upper()]} for key in ("hidden", "epochs")]})
place = urllib.parse.quote(run["artifact_uri"].split(":/", 1)[1].lstrip("/"))
for file in sorted(model.iterdir()):
    call("PUT", f"mlflow-artifacts/artifacts/{place}/model/{file.name}", file.read_bytes())
call("POST", "mlflow/runs/update", {"run_id": run["run_id"], "status": "FINISHED", "end_time": int(time.time() * 1000)})
once("POST", "mlflow/registered-models/create", {"name": name})
version = call("POST", "mlflow/model-versions/create", {
    "name": name, "source": run["artifact_uri"] + "/model", "run_id": run["run_id"]})["model_version"]
print(f"{name} version {version['version']} of run {run['run_id']}, accuracy {accuracy}")
