// Artifacts of a step as the node handles them: what is brought before its containers start, what is kept when the main
// one has ended. Plain values and their reading, pure; any thread.
//
// The text comes from an annotation that a tenant may write: nothing in it is taken for granted. What is kept, and what is
// brought from there, is the own store of the pod's cluster, which the pod's Allocation names, by digest.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/digest.h"
#include "base/ids.h"
#include "node/config.h"

namespace ingot::node {

inline constexpr size_t kMaxArtifacts = 100;            // brought, and kept
inline constexpr std::string_view kOwnKey = "sha256/";  // before the digits, in `s3: {key}` without a bucket

// Set by who does not want it any more; whoever works on it looks now and then.
using Stop = std::shared_ptr<std::atomic<bool>>;

struct GitArtifact {
  std::string revision, branch;    // "": the remote's own branch
  std::vector<std::string> fetch;  // refspecs besides branches and tags
  bool single_branch = false;
  std::string private_key, known_hosts;  // of ssh
  bool any_host_key = false, without_submodules = false;
};

struct ArtifactSource {
  enum class From : uint8_t { Own, Raw, Http, S3, Git };
  From from = From::Raw;
  std::optional<Digest> digest;  // Own
  std::string text;              // Raw: the bytes; Http, Git: the URL; S3: the key
  std::vector<std::pair<std::string, std::string>> headers;
  std::string user, password;  // Http, Git: of basic auth; S3: the access key and its secret
  std::string token;           // S3: of a session
  std::string endpoint, bucket, region;
  bool insecure = false;  // S3: without TLS
  GitArtifact git;
};

struct ArtifactIn {
  std::string name, path;
  std::string sub_path;  // of what was unpacked
  ArtifactSource source;
  bool unpack = true;  // what is an archive
  bool optional = false;
  std::optional<uint32_t> mode;
  bool recurse_mode = false;
};

struct ArtifactOut {
  enum class Archive : uint8_t { Tar, Zip, None };
  std::string name, path;
  Archive archive = Archive::Tar;
  int level = -1;  // of gzip; 0: not compressed
  bool optional = false;
  std::optional<uint32_t> mode;
};

struct Kept {
  Digest digest;
  int64_t bytes = 0;
  bool packed = true;  // false: the bytes of one file
};

// The own store of a cluster, for a runtime that runs nothing (hollow.h). Callbacks never run inline.
struct ArtifactStore {
  virtual ~ArtifactStore() = default;
  using Files = std::map<std::string, std::string>;  // absolute path → bytes
  virtual void keep(const std::string& cluster, const ArtifactOut&, Files,
                    std::move_only_function<void(Result<Kept>)> done) = 0;
  // NotFound: it holds none of that digest.
  virtual void find(const std::string& cluster, const Digest&,
                    std::move_only_function<void(Result<Kept>)> done) = 0;
};

// What the Secret has that {name, key} names.
Result<std::string> secret_value(const api::Json& ref, const PodConfig*);
// Of an entry of `inputs.artifacts`, with everything filled in. Secrets are in the config; without one they are not read.
// An error names what is wrong.
Result<ArtifactIn> artifact_in(const api::Json&, const PodConfig*);
Result<ArtifactOut> artifact_out(const api::Json&);
std::string artifact_path(const api::Json&);  // in the container; "": there is none that could be
// As the Workflow's status has it.
api::Json kept_json(const ArtifactOut&, const Kept&);

}  // namespace ingot::node
