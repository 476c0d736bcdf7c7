"""What a user of MLflow does, with its unmodified client: run by mlflow_e2e.py in an environment that has it. Prints JSON."""
import json
import math
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, (e.error_code, code, str(e))
        return str(e)
    raise AssertionError(f"{call.__name__}{args} was not refused")


def log():
    mlflow.set_experiment("digits")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"lr": 0.1, "layers": 3})
        for step in range(20):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": 0.9, "odd": float("nan"), "vast": float("inf")})
        mlflow.set_tag("team", "vision")
        with tempfile.TemporaryDirectory() as d:
            (Path(d) / "notes.txt").write_text("hello")
            (Path(d) / "deep").mkdir()
            (Path(d) / "deep/weights.bin").write_bytes(bytes(range(256)) * 5000)
            mlflow.log_artifacts(d, artifact_path="model")
            mlflow.log_artifact(str(Path(d) / "notes.txt"))
        mlflow.log_dict({"a": 1}, "config.json")
    client = MlflowClient()
    data = client.get_run(run.info.run_id).data
    assert data.params == {"lr": "0.1", "layers": "3"}, data.params
    assert data.metrics["loss"] == 0.05 and math.isnan(data.metrics["odd"]) and math.isinf(data.metrics["vast"]), data
    assert data.tags["team"] == "vision" and data.tags["mlflow.runName"] == "first", data.tags
    info = client.get_run(run.info.run_id).info
    assert info.status == "FINISHED" and info.end_time >= info.start_time, info
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [m.step for m in history] == list(range(20)) and history[3].value == 0.25, history
    files = {f.path: f.is_dir for f in client.list_artifacts(run.info.run_id)}
    assert files == {"config.json": False, "model": True, "notes.txt": False}, files
    below = {f.path: (f.is_dir, f.file_size) for f in client.list_artifacts(run.info.run_id, "model")}
    assert below == {"model/deep": (True, None), "model/notes.txt": (False, 5)}, below
    with tempfile.TemporaryDirectory() as d:
        got = Path(client.download_artifacts(run.info.run_id, "model", d))
        assert (got / "deep/weights.bin").read_bytes() == bytes(range(256)) * 5000
        assert (got / "notes.txt").read_text() == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json") == {"a": 1}
    return {"run": run.info.run_id, "experiment": run.info.experiment_id}


def search():
    client = MlflowClient()
    exp = client.create_experiment("many", tags={"k": "v"})
    for i in range(30):
        run = client.create_run(exp, run_name=f"r{i}", start_time=1000 + i)
        client.log_batch(run.info.run_id, metrics=[Metric("acc", i / 30, 5, 0)], params=[Param("lr", str(i % 3))],
                         tags=[RunTag("kind", "even" if i % 2 == 0 else "odd")])
    found = client.search_runs([exp], "metrics.acc > 0.5 AND params.lr = '1' AND tags.kind LIKE 'e%'",
                               order_by=["metrics.acc ASC"])
    assert [r.info.run_name for r in found] == ["r16", "r22", "r28"], [r.info.run_name for r in found]
    first = client.search_runs([exp], max_results=12)
    assert [r.info.run_name for r in first][:3] == ["r29", "r28", "r27"] and first.token
    rest = client.search_runs([exp], max_results=50, page_token=first.token)
    assert len(first) + len(rest) == 30 and not rest.token, (len(first), len(rest))
    client.delete_run(found[0].info.run_id)
    assert len(client.search_runs([exp])) == 29
    assert len(client.search_runs([exp], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(found[0].info.run_id)
    assert len(client.search_runs([exp], filter_string="attributes.run_name ILIKE 'R1%'")) == 11
    frame = mlflow.search_runs([exp], output_format="list", filter_string="params.lr != '0'")
    assert len(frame) == 20
    names = {e.name for e in client.search_experiments(filter_string="name LIKE 'm%'")}
    assert names == {"many"}, names
    client.rename_experiment(exp, "renamed")
    assert client.get_experiment_by_name("renamed").tags == {"k": "v"}
    client.delete_experiment(exp)
    assert client.get_experiment(exp).lifecycle_stage == "deleted" and client.search_runs([exp]) == []
    client.restore_experiment(exp)
    assert len(client.search_runs([exp])) == 30
    return {}


def refusals():
    client = MlflowClient()
    run = client.create_run("0").info.run_id
    client.log_param(run, "lr", "1")
    client.log_param(run, "lr", "1")
    refused("INVALID_PARAMETER_VALUE", client.log_param, run, "lr", "2")
    refused("INVALID_PARAMETER_VALUE", client.set_tag, run, "ingot.dev/commit", "forged")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "Default")
    refused("INVALID_PARAMETER_VALUE", client.search_runs, ["0"], "metrics.a > 1 OR metrics.b > 2")
    refused("INVALID_PARAMETER_VALUE", client.set_tag, run, "x" * 251, "v")
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run, "absent")
    client.delete_run(run)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "a", 1.0)
    return {}


def models():
    """Logged models and data sets, as MLflow 3 logs them."""
    client = MlflowClient()
    exp = client.create_experiment("models")
    run = client.create_run(exp).info.run_id
    model = client.create_logged_model(exp, name="net", source_run_id=run, params={"depth": "4"}, tags={"t": "1"})
    client.log_metric(run, "acc", 0.8, model_id=model.model_id, dataset_name="train", dataset_digest="abc")
    client.log_outputs(run, [mlflow.entities.LoggedModelOutput(model.model_id, 3)])
    client.finalize_logged_model(model.model_id, "READY")
    client.set_logged_model_tags(model.model_id, {"u": "2"})
    client.delete_logged_model_tag(model.model_id, "t")
    got = client.get_logged_model(model.model_id)
    assert got.status == "READY" and got.params == {"depth": "4"} and got.tags == {"u": "2"}, got
    assert got.metrics[0].value == 0.8 and got.metrics[0].dataset_name == "train", got.metrics
    found = client.search_logged_models([exp], "metrics.acc > 0.5 AND params.depth = '4'",
                                        order_by=[{"field_name": "metrics.acc", "ascending": False}])
    assert [m.model_id for m in found] == [model.model_id]
    assert client.get_run(run).outputs.model_outputs[0].step == 3
    dataset = mlflow.entities.Dataset(name="train", digest="abc", source_type="local", source="{}", schema="{}", profile="{}")
    client.log_inputs(run, [mlflow.entities.DatasetInput(dataset, [mlflow.entities.InputTag("mlflow.data.context", "training")])])
    inputs = client.get_run(run).inputs.dataset_inputs
    assert inputs[0].dataset.name == "train" and inputs[0].tags[0].value == "training", inputs
    assert len(client.search_runs([exp], "dataset.name = 'train' AND dataset.context = 'training'")) == 1
    client.delete_logged_model(model.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model.model_id)
    return {}


def read(run):
    return {"metrics": MlflowClient().get_run(run).data.metrics}


def parts():
    """A file that this client would send in parts, where the server took parts."""
    client = MlflowClient()
    run = client.create_run("0").info.run_id
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "large.bin")
        with open(path, "wb") as file:
            file.write(b"0123456789abcdef" * 65536)
        client.log_artifact(run, path, "in")
        back = client.download_artifacts(run, "in/large.bin", folder)
        assert open(back, "rb").read() == open(path, "rb").read()
    return {}


def stream():
    """Logs until it is cut off; prints each step that was acknowledged."""
    run = MlflowClient().create_run("0").info.run_id
    print(json.dumps({"run": run}), flush=True)
    for step in range(1_000_000):
        MlflowClient().log_metric(run, "loss", float(step), step=step)
        print(step, flush=True)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
