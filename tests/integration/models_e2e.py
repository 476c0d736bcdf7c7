"""Models from registering to rolling back, checked by the programs that others verify with: model_signing and cosign."""
import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

from e2e import BUILD, FACTORY, MERGE, Desk, Skip, follow, mlflow_environment, run_tests, scratch_folder, until
import sigstore
from factory import Factory
from git_remote import Remote
from mlflow_venv import python_with
from others import Missing

PODS = "/clusters/vision/api/v1/namespaces/default/pods"


def command(*argv, check=True):
    """What a command wrote, on standard output or (refused) on standard error."""
    ran = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if check:
        assert ran.returncode == 0, f"{argv}: {ran.stderr}{ran.stdout}"
        return ran.stdout
    assert ran.returncode != 0, f"{argv} went well: {ran.stdout}"
    return ran.stderr + ran.stdout


class Bench(Desk):
    number = 0

    def model(self, *args, check=True):
        return self.ingot("model", *args, check=check)

    def offline(self, *args, check=True):
        """As on another machine: no factory there."""
        return command(self.factory.ingot, "model", *args, "--data", self.scratch / "nothing", check=check)

    def files(self, **contents):
        self.number += 1
        folder = self.scratch / f"files-{self.number}"
        for name, text in ({"MLmodel": "flavors: {}\n", "data/weights.bin": "\0\1\2" * 1000} | contents).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    def pair(self):
        key = self.scratch / f"key-{self.number}.pem"
        self.number += 1
        command("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        command("openssl", "pkey", "-in", key, "-pubout", "-out", key.with_suffix(".pub"))
        return key, key.with_suffix(".pub")


def flip(path, at=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def what_it_signs_others_verify(desk):
    folder, (key, pub) = desk.files(), desk.pair()
    told = desk.offline("sign", folder, "--key", key)
    assert "2 files" in told, told
    assert "as they were signed" in desk.offline("verify", folder, "--key", pub)
    bundle = Path(f"{folder}.sig")
    verify = (sigstore.model_signing(), "verify", "key", folder, "--signature", bundle, "--public_key", pub)
    command(*verify)
    flip(folder / "data/weights.bin", 1500)
    command(*verify, check=False)
    assert "data/weights.bin: has changed since it was signed" in desk.offline("verify", folder, "--key", pub, check=False)


def what_others_sign_it_verifies(desk):
    signer = sigstore.model_signing()
    folder, (key, pub) = desk.files(), desk.pair()
    bundle = desk.scratch / "others.sig"
    command(signer, "sign", "key", folder, "--signature", bundle, "--private_key", key)
    assert "as they were signed" in desk.offline("verify", folder, "--key", pub, "--bundle", bundle)
    (folder / "more").write_text("x")
    assert "more: was not signed" in desk.offline("verify", folder, "--key", pub, "--bundle", bundle, check=False)


def hostile_bundles_are_refused(desk):
    folder, (key, pub) = desk.files(), desk.pair()
    desk.offline("sign", folder, "--key", key)
    good = json.loads(Path(f"{folder}.sig").read_text())
    bundle = desk.scratch / "forged.sig"

    def refused(change, *words):
        text = json.loads(json.dumps(good))
        change(text)
        bundle.write_text(json.dumps(text))
        told = desk.offline("verify", folder, "--key", pub, "--bundle", bundle, check=False)
        assert all(word in told for word in words), told

    envelope = good["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["resources"].pop()
    refused(lambda b: b["dsseEnvelope"].update(payload=base64.b64encode(json.dumps(statement).encode()).decode()), "signature is wrong")
    refused(lambda b: b["dsseEnvelope"].update(signatures=[]), "0 signatures")
    refused(lambda b: b["dsseEnvelope"]["signatures"].append(envelope["signatures"][0]), "2 signatures")
    refused(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig=base64.b64encode(b"0" * 70).decode()), "signature is wrong")
    refused(lambda b: b.update(mediaType="application/json"), "mediaType")
    refused(lambda b: b["verificationMaterial"].pop("publicKey"), "no public key")
    other = desk.pair()
    told = desk.offline("verify", folder, "--key", other[1], check=False)
    assert "none of the trusted keys signed it" in told, told
    Path(f"{folder}.sig").unlink()
    assert "has no signature" in desk.offline("verify", folder, "--key", pub, check=False)
    (folder / "a:b").write_text("x")
    assert "rename the file" in desk.offline("sign", folder, "--key", key, check=False)


def imports_are_of_unsigned_origin(desk):
    folder, (key, pub) = desk.files(), desk.pair()
    desk.offline("sign", folder, "--key", key)
    told = desk.model("import", "vision/bought", folder, "--attestation", f"{folder}.sig", "--source", "https://models.example/bought")
    assert "bought v1: 2 files" in told and "unsigned origin, with 1 attestation" in told, told
    assert "unsigned origin" in desk.model("verify", "vision/bought@1", check=False)
    assert "as they were signed" in desk.model("verify", "vision/bought@1", "--key", pub)
    out = desk.scratch / "bought"
    desk.model("export", "vision/bought@1", out)
    assert (out / "data/weights.bin").read_bytes() == (folder / "data/weights.bin").read_bytes()
    assert not Path(f"{out}.sig").exists()
    assert "as they were signed" in desk.offline("verify", out, "--key", pub, "--bundle", f"{out}.attestation-1.json")


def an_alias_moves_and_moves_back(desk):
    for text in ("one", "two", "three"):
        desk.model("import", "vision/moved", desk.files(**{"note": text}))
    assert "production of moved is v1 now" in desk.model("promote", "vision/moved@1")
    assert "and was v1" in desk.model("promote", "vision/moved@2")
    desk.model("promote", "vision/moved@3")
    assert "note" in desk.model("diff", "vision/moved@1", "vision/moved@production")
    assert "v2 again; v3 kept" in desk.model("rollback", "vision/moved")
    assert "v1 again; v2 kept" in desk.model("rollback", "vision/moved")
    assert "was no other version" in desk.model("rollback", "vision/moved", check=False)
    assert "production v1" in desk.model("list", "--tenant", "vision")


def numbers_are_not_used_again(desk):
    folder = desk.files()
    for expected in (1, 2):
        assert f"gone v{expected}" in desk.model("import", "vision/gone", folder)
    desk.model("delete", "vision/gone@2")
    assert "gone v3" in desk.model("import", "vision/gone", folder)
    desk.model("delete", "vision/gone")
    until("the model goes", lambda: missing(desk, "gone"))
    assert "gone v4" in desk.model("import", "vision/gone", folder)


def missing(desk, name):
    models = json.loads(desk.model("list", "--tenant", "vision", "-o", "json"))
    return all(m["metadata"]["name"] != name for m in models)


def a_new_key_signs_and_old_ones_stay_valid(desk):
    before = desk.model("key", "export")
    assert "signs from now on" in desk.model("key", "rotate")
    after = desk.model("key", "export")
    assert before != after and after.startswith("-----BEGIN PUBLIC KEY-----")
    listed = json.loads(desk.model("key", "list", "-o", "json"))
    assert [k["pem"] for k in listed][:2] == [after, before], listed
    keys = desk.factory.data / "pki/signing"
    assert [p.stat().st_mode & 0o777 for p in keys.glob("*.key")] == [0o600], list(keys.iterdir())


def a_tenant_reads_keys_and_turns_none(desk):
    client = desk.factory.client()
    code, body = client.call("GET", f"/clusters/vision{FACTORY}/signingkeys")
    assert code == 200 and b"PRIVATE" not in body, body
    code, body = client.call("POST", f"/clusters/vision{FACTORY}/signingkeys")
    assert code == 403, body


PIPELINE = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": "train-"},
    "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "epochs", "value": "3"}]},
             "templates": [{"name": "main", "container": {"image": "train:1", "command": ["train"]}}]}}

REGISTER = """
import json, sys, tempfile, pathlib, mlflow
from mlflow import MlflowClient
name, note = sys.argv[1:3]
mlflow.set_experiment("digits")
with mlflow.start_run() as run:
    mlflow.log_param("hidden", 64)
    mlflow.log_metric("accuracy", 0.978)
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder, "model")
        (model / "data").mkdir(parents=True)
        (model / "MLmodel").write_text("flavors: {}\\n")
        (model / "data" / "weights.bin").write_bytes(note.encode() * 5000)
        mlflow.log_artifacts(folder)
client = MlflowClient()
try:
    client.create_registered_model(name)
except mlflow.exceptions.MlflowException as error:
    assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
version = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
version = client.get_model_version(name, version.version)
print(json.dumps({"run": run.info.run_id, "version": version.version, "status": version.status}))
"""


class Pod:
    """A pod on a node that runs nothing, and somebody who has its token."""

    def __init__(self, desk, selector):
        self.pod = follow(desk.factory, f"{PODS}?labelSelector={selector}", lambda pod: pod["spec"].get("nodeName"))
        self.token = desk.token_of(self.pod)


class Pipeline(Pod):
    """The pod of a run that a push started."""

    def __init__(self, desk):
        remote = Remote(desk.scratch / "git", "digits")
        self.commit = remote.commit({".ingot/pipeline.yaml": json.dumps(PIPELINE)})
        remote.push()
        self.repository = remote.url
        desk.ingot("repo", "add", "digits", remote.url, "--tenant", "vision")
        super().__init__(desk, "workflows.argoproj.io/workflow")
        self.workflow = self.pod["metadata"]["labels"]["workflows.argoproj.io/workflow"]


def mlflow(desk, code, *args, token=None, check=True):
    ran = subprocess.run([python_with(BUILD, "mlflow-skinny"), "-c", code, *args], env=mlflow_environment(desk.factory, "vision", token),
                         capture_output=True, text=True, timeout=120)
    assert not check or ran.returncode == 0, ran.stderr[-1500:]
    return ran.stdout if check else ran


def registered(desk, name, note):
    """A version that a pipeline's pod registered: its number."""
    if not hasattr(desk, "pipeline"):
        desk.pipeline = Pipeline(desk)
    told = json.loads(mlflow(desk, REGISTER, name, note, token=desk.pipeline.token).splitlines()[-1])
    assert told["status"] == "READY", told
    return told["version"]


def exported(desk, name, version):
    folder = desk.scratch / f"{name}-v{version}"
    if not folder.exists():
        desk.model("export", f"vision/{name}@{version}", folder)
    return folder, Path(f"{folder}.sig"), Path(f"{folder}.provenance.json")


def factory_key(desk, key=""):
    path = desk.scratch / f"factory-{key or 'now'}.pub"
    path.write_text(desk.model("key", "export", *([key] if key else [])))
    return path


def payload(bundle):
    return json.loads(base64.b64decode(json.loads(bundle.read_text())["dsseEnvelope"]["payload"]))


def a_version_from_a_pipeline_is_signed_with_what_made_it(desk):
    version = registered(desk, "digits", "one")
    folder, _, provenance = exported(desk, "digits", version)
    pub = factory_key(desk)
    told = desk.offline("verify", folder, "--key", pub)
    commit, run = desk.pipeline.commit, desk.pipeline.workflow
    assert "2 files" in told and f"commit {commit[:7]}" in told and f"workflow {run}" in told, told
    said = payload(provenance)
    build = said["predicate"]["buildDefinition"]
    pod = desk.pipeline.pod
    inside, outside = build["internalParameters"], build["externalParameters"]
    assert inside["pod"] == pod["metadata"]["name"] and inside["podUid"] == pod["metadata"]["uid"], inside
    assert inside["node"] == pod["spec"]["nodeName"] and inside["workflow"] == run, inside
    assert outside["parameters"] == {"hidden": "64"} and outside["metrics"] == {"accuracy": "0.978"}, outside
    assert outside["workflowParameters"]["epochs"] == "3" and outside["repository"] == "digits", outside
    sources = [(d["digest"]["gitCommit"], d["uri"]) for d in build["resolvedDependencies"] if d["name"] == "source"]
    assert sources == [(commit, desk.pipeline.repository)], build
    assert "as they were signed" in desk.model("verify", f"vision/digits@{version}")


def nobody_speaks_for_a_commit_that_the_factory_did_not_run(desk):
    """A tenant's administrator writes a run's commit, and a pod that claims to be of a real run: neither is believed."""
    registered(desk, "digits", "before")  # so that there is one
    real, client = desk.pipeline, desk.factory.client()
    runs = "/clusters/vision/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
    code, body = client.call("PATCH", f"{runs}/{real.workflow}", {"spec": {"arguments": {"parameters": [{"name": "epochs", "value": "9"}]}}},
                             MERGE)
    assert code == 422 and b"spec.arguments: field is immutable in the run of a commit" in body, body
    code, body = client.call("POST", runs, PIPELINE | {"metadata": {"name": "forged", "labels": {
        "factory.ingot.dev/repository": "digits", "factory.ingot.dev/commit": real.commit}}})
    assert code == 201 and "factory.ingot.dev/commit" not in json.loads(body)["metadata"].get("labels", {}), body
    owned = {"name": "borrowed", "labels": {"borrowed": "yes"},
             "ownerReferences": real.pod["metadata"]["ownerReferences"], "annotations": real.pod["metadata"]["annotations"]}
    assert "factory.ingot.dev/run-node" in owned["annotations"], owned
    code, body = client.call("POST", PODS, {"metadata": owned, "spec": {"containers": [{"name": "main", "image": "train:1"}]}})
    assert code == 201, body
    for selector in ("workflows.argoproj.io/workflow=forged", "borrowed=yes"):
        told = json.loads(mlflow(desk, REGISTER, "claims", selector, token=Pod(desk, selector).token).splitlines()[-1])
        build = payload(exported(desk, "claims", told["version"])[2])["predicate"]["buildDefinition"]
        assert real.commit not in json.dumps(build) and "repository" not in build["externalParameters"], build
        assert build["internalParameters"].get("workflow") in (None, "forged"), build


def others_verify_what_the_factory_signed(desk):
    version = registered(desk, "digits", "two")
    folder, bundle, provenance = exported(desk, "digits", version)
    pub, missing = factory_key(desk), []
    changed = desk.scratch / "changed"
    shutil.copytree(folder, changed)
    flip(changed / "data/weights.bin", 777)
    assert "has changed" in desk.offline("verify", changed, "--key", pub, "--bundle", bundle, check=False)
    try:
        verify = (sigstore.model_signing(), "verify", "key", "--signature", bundle, "--public_key", pub)
        command(*verify, folder)
        command(*verify, changed, check=False)
    except Missing as why:
        missing.append(f"model_signing: {why}")
    try:
        verify = (sigstore.cosign(), "verify-blob-attestation", "--key", pub, "--bundle", provenance, "--type", "slsaprovenance1",
                  "--insecure-ignore-tlog")
        command(*verify, folder / "data/weights.bin")
        command(*verify, f"{folder}.manifest.json")
        command(*verify, changed / "data/weights.bin", check=False)
    except Missing as why:
        missing.append(f"cosign: {why}")
    if missing:
        raise Skip("; ".join(missing))


def provenance_of_another_model_says_nothing(desk):
    one, two = (exported(desk, "digits", registered(desk, "digits", note)) for note in ("three", "four"))
    pub = factory_key(desk)
    shutil.copy(two[2], one[2])
    assert "provenance of other files" in desk.offline("verify", one[0], "--key", pub, check=False)
    shutil.copy(two[1], one[2])
    assert "no SLSA provenance" in desk.offline("verify", one[0], "--key", pub, check=False)


def a_new_key_leaves_old_signatures_valid(desk):
    old = exported(desk, "digits", registered(desk, "digits", "five"))[0]
    before = factory_key(desk)
    before = before.rename(desk.scratch / "before.pub")
    desk.model("key", "rotate")
    version = registered(desk, "digits", "six")
    new, after = exported(desk, "digits", version)[0], factory_key(desk)
    assert "as they were signed" in desk.offline("verify", old, "--key", before)
    assert "as they were signed" in desk.offline("verify", new, "--key", after)
    assert "none of the trusted keys" in desk.offline("verify", new, "--key", before, check=False)
    assert "as they were signed" in desk.offline("verify", old, "--key", after, "--key", before)


ALIASES = """
import json, sys, mlflow
from mlflow import MlflowClient
client = MlflowClient()
client.set_registered_model_alias("digits", "champion", "1")
assert client.get_model_version_by_alias("digits", "champion").version in ("1", 1)
client.set_registered_model_tag("digits", "team", "ocr")
client.set_model_version_tag("digits", "1", "checked", "yes")
client.update_model_version("digits", "1", description="the first")
found = client.search_model_versions("name = 'digits' and tags.checked = 'yes'")
assert [v.version for v in found] in (["1"], [1]), found
assert [m.name for m in client.search_registered_models("name LIKE 'dig%'")] == ["digits"]
model = client.get_registered_model("digits")
assert model.tags == {"team": "ocr"} and model.aliases["champion"] in ("1", 1), model
path = mlflow.artifacts.download_artifacts("models:/digits@champion")
import pathlib
assert pathlib.Path(path, "data", "weights.bin").read_bytes() == b"one" * 5000, path
client.delete_registered_model_alias("digits", "champion")
"""

REFUSED = """
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
for source in ("/etc/passwd", "file:///etc", "runs:/nothing/../../etc", "mlflow-artifacts:/../../etc", "http://127.0.0.1/"):
    try:
        client._get_registry_client().store.create_model_version("digits", source)
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"), (source, error)
    else:
        raise AssertionError(source)
"""

POD_MAY_NOT = """
from mlflow import MlflowClient
import mlflow
client = MlflowClient()
for forbidden in (lambda: client.set_registered_model_alias("digits", "production", "1"), lambda: client.delete_model_version("digits", "1"),
                  lambda: client.delete_registered_model("digits")):
    try:
        forbidden()
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == "PERMISSION_DENIED", error
    else:
        raise AssertionError("a pod may do that")
"""


def the_unmodified_client_reads_and_names_them(desk):
    registered(desk, "digits", "one")
    mlflow(desk, ALIASES)


def sources_lead_nowhere_else(desk):
    registered(desk, "digits", "one")
    mlflow(desk, REFUSED)


def a_pod_registers_and_neither_promotes_nor_deletes(desk):
    registered(desk, "digits", "one")
    mlflow(desk, POD_MAY_NOT, token=desk.pipeline.token)


RENAMED = """
import mlflow
from mlflow import MlflowClient
client = MlflowClient()

def refused(code, what, *args, **kwargs):
    try:
        what(*args, **kwargs)
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == code, error
    else:
        raise AssertionError(what)

client.create_registered_model("other")
client.set_registered_model_tag("before", "team", "ocr")
client.set_registered_model_alias("before", "champion", "1")
refused("RESOURCE_ALREADY_EXISTS", client.rename_registered_model, "before", "other")
refused("INVALID_PARAMETER_VALUE", client.rename_registered_model, "before", "a/b")
refused("RESOURCE_DOES_NOT_EXIST", client.rename_registered_model, "nobody", "somebody")
client.rename_registered_model("before", "Called afterwards, = so")
model = client.get_registered_model("Called afterwards, = so")
assert model.name == "Called afterwards, = so" and model.tags == {"team": "ocr"}, model
assert [str(v) for v in model.aliases.values()] == ["1"] and len(model.latest_versions) == 1, model
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "before")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "before", "1")
version = client.get_model_version_by_alias(model.name, "champion")
assert version.name == model.name and version.status == "READY", version
client.set_model_version_tag(model.name, "1", "renamed", "yes")
assert [v.name for v in client.search_model_versions("tags.renamed = 'yes'")] == [model.name]
import pathlib
path = mlflow.artifacts.download_artifacts(f"models:/{model.name}@champion")
assert pathlib.Path(path, "data", "weights.bin").read_bytes() == b"one" * 5000, path
# What it was called is free for another, which is another.
again = client.create_registered_model("before")
assert again.aliases == {} and again.tags == {}, again
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "before", "1")
refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "before")
refused("RESOURCE_ALREADY_EXISTS", client.rename_registered_model, model.name, "before")
client.rename_registered_model("before", "third")
client.rename_registered_model(model.name, "before")
assert client.get_model_version("before", "1").tags == {"renamed": "yes"}
client.delete_registered_model("third")
client.delete_registered_model("other")
client.rename_registered_model("before", "handwriting")
"""


def a_renamed_model_keeps_what_it_has(desk):
    version = registered(desk, "before", "one")
    mlflow(desk, RENAMED)
    folder = exported(desk, "handwriting", version)[0]
    assert "2 files" in desk.offline("verify", folder, "--key", factory_key(desk))
    assert "as they were signed" in desk.model("verify", f"vision/handwriting@{version}")
    assert "is called digits by hand now" in desk.model("rename", "vision/handwriting", "digits by hand")
    assert "no model handwriting" in desk.model("show", "vision/handwriting", check=False)
    assert "champion" in desk.model("show", "vision/digits by hand")
    assert "before v1" in desk.model("import", "vision/before", desk.files())
    assert "already exists" in desk.model("rename", "vision/digits by hand", "before", check=False)


def main():
    with scratch_folder("models") as scratch, Factory(BUILD, "--gpus", "none", "--hollow", "1x1xH100-80GB",
                                                      "--git-root", str(scratch / "git")) as factory:
        factory.run("tenant", "create", "vision")
        desk = Bench(factory, scratch)
        return run_tests([
            what_it_signs_others_verify, what_others_sign_it_verifies, hostile_bundles_are_refused,
            imports_are_of_unsigned_origin, an_alias_moves_and_moves_back, numbers_are_not_used_again,
            a_version_from_a_pipeline_is_signed_with_what_made_it, nobody_speaks_for_a_commit_that_the_factory_did_not_run,
            others_verify_what_the_factory_signed, provenance_of_another_model_says_nothing,
            a_new_key_leaves_old_signatures_valid, the_unmodified_client_reads_and_names_them, sources_lead_nowhere_else,
            a_pod_registers_and_neither_promotes_nor_deletes, a_renamed_model_keeps_what_it_has,
            a_new_key_signs_and_old_ones_stay_valid, a_tenant_reads_keys_and_turns_none], lambda: (desk,))


if __name__ == "__main__":
    sys.exit(main())
