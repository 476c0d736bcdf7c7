"""What tests with real containers share: an image of this machine's tools, and a tenant with its pods."""
import json
import re
import subprocess
from pathlib import Path

from e2e import BUILD, ROOT_API, Desk, follow
import oci

NEEDED = ["/usr/bin/containerd", "/usr/sbin/runc", "/bin/busybox", "/usr/bin/curl", "/usr/sbin/nft"]


def libraries(program):
    """A dynamic program's files: itself, its loader and its libraries."""
    out = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return [program] + re.findall(r"(/[^ )]+)", out)


def write_tools_image(path):
    """busybox, curl and nvml-probe in one image, from this machine's files."""
    files = {"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)}
    for program in ("/usr/bin/curl", str(BUILD / "nvml-probe")):
        for file in libraries(program):
            inside = "bin/" + Path(file).name if file == program else file.lstrip("/")
            files[inside] = (Path(file).resolve().read_bytes(), 0o755)
    oci.write_archive(path, "tools:latest", files, {f"bin/{t}": "busybox" for t in ("sh", "cat", "sleep", "echo", "id")},
                      ["sh"])


class Tenant(Desk):
    def __init__(self, factory, name):
        super().__init__(factory)
        self.name = name
        self.pods = f"/clusters/{name}/api/v1/namespaces/default/pods"

    def create(self, name, command, gpus=0, image="tools:latest", restart="Never", resource="nvidia.com/gpu"):
        limits = {resource: gpus} if gpus else {}
        return self.call("POST", self.pods, {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": restart, "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": image, "command": ["sh", "-c", command], "resources": {"limits": limits}}]}})["metadata"]["uid"]

    def get(self, name):
        code, body = self.client.call("GET", f"{self.pods}/{name}")
        return json.loads(body) if code == 200 else None

    def wait(self, name, done, seconds=60):
        """Follows the pod's watch until done(pod)."""
        return follow(self.factory, f"{self.pods}?fieldSelector=metadata.name={name}", done, seconds)

    def phase(self, name, *phases):
        return self.wait(name, lambda pod: pod["status"].get("phase") in phases)

    def log(self, name):
        code, body = self.client.call("GET", f"{self.pods}/{name}/log")
        return body.decode()


def allocations(factory):
    code, body = factory.client().call("GET", f"{ROOT_API}/allocations")
    return {a["metadata"]["name"]: a["spec"] for a in json.loads(body)["items"]}
