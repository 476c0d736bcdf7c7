// Images: from an archive file into containerd, by digest. Nothing is ever pulled.
// Any thread; everything here blocks (run it on a worker or in the command line's own process).
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace ingot::host {

// What an archive holds, after everything in it was checked: each manifest, configuration and layer is in the archive
// and has the digest it is named by. So no archive can lay hands on another tenant's layers by naming their digests.
struct ArchivedImage {
  std::string digest;                   // of the configuration, "sha256:…": the runtime's image id
  std::vector<std::string> references;  // as docker writes them in full: "docker.io/library/train:1"
};
// An OCI image layout or a `docker save` archive, uncompressed tar, one image for this machine's architecture.
// Invalid with the reason otherwise.
Result<ArchivedImage> inspect_archive(const std::string& path);

// "train" → "docker.io/library/train:latest", "ghcr.io/a/b:1" → itself; a digest ("a@sha256:…") is kept. Invalid when
// it is no reference (github.com/distribution/reference has the grammar).
Result<std::string> normalize_reference(const std::string& reference);

struct ImageStore {
  std::string socket;  // DATA/containerd/containerd.sock
  std::string ctr;     // containerd's own client; find_program("ctr")
};
// Checks the archive, then imports it into containerd (namespace k8s.io) under a name made of its digest: a reference
// one tenant knows never finds another tenant's image. Loading the same image again succeeds.
Result<ArchivedImage> load_image(const ImageStore&, const std::string& archive_path,
                                 Duration deadline = std::chrono::minutes(10));

// The sandbox's own image: one static program. Deterministic bytes, so its digest is its version.
struct PauseImage {
  std::string reference;  // "ingot.local/pause:<12 hex digits>"
  std::string archive;    // an OCI image layout as tar
};
PauseImage make_pause_image();

}  // namespace ingot::host
