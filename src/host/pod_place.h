// Where a pod's containers stand on the network, and how a worker comes to stand there: in the pod's network namespace, with
// its names, so that what its network policy keeps from the pod is kept from the worker too. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/error.h"
#include "host/machine_names.h"

namespace ingot::host {

struct PodPlace {
  std::string network;             // its namespace, as a file; "": nothing comes from elsewhere
  std::string resolv_conf, hosts;  // the texts of these files in it
};
// Of a sandbox, as containerd's CRI tells of it (its verbose "info", JSON). `hosts`: the text of the pod's /etc/hosts.
Result<PodPlace> pod_place(const MachinePaths&, const std::string& sandbox, std::string hosts,
                           std::string_view info);

// What a worker is told of it, to which may be added.
api::JsonObject names_of(const PodPlace&);

// In the worker, while it is root still: from now on it is there. `network`: an open file of the namespace.
Result<void> enter_pod(int network, const api::Json& told);

// Of such workers: what they are told, on their standard input, up to 1 MiB; and the exit code once they have said why.
std::string worker_input();
int worker_failed(std::string why);

}  // namespace ingot::host
