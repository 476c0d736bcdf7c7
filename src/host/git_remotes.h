// env::Git by worker processes, one for each question (git_worker.h), with a directory a repository beneath ROOT.
//
// Thread rule: the loop; a few threads wait for workers. Destroyed by any thread but the loop's and its own. Bounds: so many
// workers at once, of one cluster and of all; so many questions that wait, of one cluster and of all (Busy beyond).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/blobs.h"
#include "env/env.h"
#include "env/git.h"
#include "host/git_connect.h"
#include "host/git_job.h"

namespace ingot::host {

struct GitOptions {
  std::string root;                   // where repositories are kept; made (0711)
  std::string file_root;              // beneath which file remotes may lie; "": nowhere
  std::vector<AddressRange> allowed;  // addresses that are good besides the public ones
  int workers = 4, workers_of_one = 2;
  size_t waiting = 4'096, waiting_of_one = 512;
  GitLimits limits;
};

Result<std::unique_ptr<env::Git>> open_git_remotes(env::Loop&, env::Log&, env::Blobs&, GitOptions);

}  // namespace ingot::host
