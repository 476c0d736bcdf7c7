// What lineage is about, and by which names its rows are found. Pure; any thread.
//
// A node is KIND/NAME: version/MODEL@N (MODEL is its object's name), run/UID, data/MANIFEST, commit/SHA, image/DIGEST; endpoint/…
// is kept for what serves versions. Rows are found by the nodes that they speak of, and by further names that begin with
// another word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::registry {

inline constexpr std::string_view kLineageRows = "lineage", kLedgerRows = "ledger", kVerdictRows = "verdicts";
inline constexpr size_t kShortCommit = 7;

std::string version_node(std::string_view model, int64_t number);
std::string run_node(std::string_view uid);
std::string data_node(std::string_view manifest);
// Of a version of which only the name is known.
std::string unknown_data_node(std::string_view ns, std::string_view name);
std::string commit_node(std::string_view commit);
std::string image_node(std::string_view digest);
std::string_view kind_of(std::string_view node);  // "version", …
std::string_view name_of(std::string_view node);

// The further names.
std::string model_name(std::string_view model);                      // its versions
std::string run_name(std::string_view ns, std::string_view name);    // runs that were called so
std::string data_name(std::string_view ns, std::string_view name);   // versions of data sets
std::string data_made(std::string_view manifest);                    // where data came from
std::string data_source(std::string_view ns, std::string_view run);  // what was made from a run
std::string short_commit(std::string_view commit);                   // its first digits
std::string pod_name(std::string_view uid);                          // what it held
std::string judged_name(std::string_view uid);                       // verdicts on it
std::string_view stream_of(std::string_view name);                   // whose rows those are

// "RUN" of a data set version's source "run:RUN[/NODE]:ARTIFACT"; "" of another.
std::string_view source_run(std::string_view source);
// The uid of the run that a version came from, as its spec.provenanceOf or its build's internalParameters say: of its Workflow,
// or else its pod.
std::string_view made_by(const api::Json& made);
// A data set version's name, and the name and digest of what a build depended on.
struct Dependency {
  enum class Kind : uint8_t { Data, Image, Commit, Other } kind = Kind::Other;
  std::string name, digest, uri;
};
Dependency dependency_of(const api::Json& resolved);

// By which names a row is to be found; none for a row that is no part of this.
std::vector<std::string> names_in(std::string_view stream, const api::Json& row);

}  // namespace ingot::registry
