"""Writes a small OCI archive (image-spec v1.1 layout in a tar) from files: for tests and benches that need an image
without a registry. One layer, uncompressed."""
import hashlib
import io
import json
import tarfile
from pathlib import Path


def _add(tar, name, data, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def _layer(files, links):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for directory in ("bin", "tmp", "etc", "proc", "sys", "dev"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(info)
        for name, (data, mode) in files.items():
            _add(tar, name, data, mode)
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def write_archive(path, reference, files, links, command):
    """`files`: path in the image → (bytes, mode); `links`: path → target; `reference`: "busybox:latest"."""
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layer = _layer(files, links)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": command, "Env": ["PATH=/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(config.encode())},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(layer)}]})
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **blob(manifest.encode()),
         "annotations": {"org.opencontainers.image.ref.name": reference}}]})
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index.encode())
        for digest, data in sorted(blobs.items()):
            _add(tar, f"blobs/sha256/{digest}", data)


def write_busybox(path, reference="busybox:latest"):
    """Debian's static busybox with its usual names."""
    tools = ("sh", "sleep", "cat", "echo", "nc", "ping", "wget", "id", "ls", "true", "false", "env", "hostname", "kill",
             "date", "grep", "test", "touch", "dd", "mount", "ip", "stat", "printf", "seq", "awk", "sed", "head", "httpd")
    write_archive(path, reference, {"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)},
                  {f"bin/{tool}": "busybox" for tool in tools}, ["sh"])
