// `flags` of resource templates: what kubectl would be told beside the manifest, as far as it means something to a request of
// the API: the object's type and name, its namespace, and options of the request. Pure; any thread.
#pragma once

#include "workflow/flow.h"

namespace ingot::workflow {

struct ResourceFlags {
  std::string type, name;   // "configmap", "deployments.apps"; "": the manifest says
  std::string ns;           // "": the manifest's, or the run's
  std::string subresource;  // of patch
  std::string selector;     // of delete: all objects of the type with these labels
  std::string query;        // "&dryRun=All", for after others
};
// An error names the flag that is not known, or has no value that means something.
Or<ResourceFlags> read_flags(const JsonArray& flags);

}  // namespace ingot::workflow
