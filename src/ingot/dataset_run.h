// What a run of a workflow left, as the source of a data set: fetched, checked, and unpacked by a worker into a directory that
// goes with this. Main thread; blocks.
#pragma once

#include <memory>
#include <string>

#include "host/dataset_files.h"
#include "ingot/client.h"

namespace ingot {

class RunArtifact {
 public:
  // `what`: "RUN:ARTIFACT" or "RUN/NODE:ARTIFACT", where a node is called as it is shown, or by its id.
  static Result<std::unique_ptr<RunArtifact>> fetch(Client&, const std::string& tenant, const std::string& ns,
                                                    const std::string& what);
  ~RunArtifact();
  RunArtifact(const RunArtifact&) = delete;
  const std::string& path() const { return path_; }  // of a directory or a file

 private:
  RunArtifact() = default;
  std::string directory_, path_;
};

// Which of the Workflow's artifacts that is: its entry of outputs.artifacts, or why none.
Result<api::Json> artifact_of_run(const api::Json& workflow, std::string_view node,
                                  std::string_view artifact);

}  // namespace ingot
