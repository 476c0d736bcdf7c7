// The part of a registration that waits for disks: a version's manifest is read and judged, and what the factory says of it is
// signed and stored. Off the loop. Doing it again for the same version adds bundles and changes nothing.
#pragma once

#include "api/json.h"
#include "env/blobs.h"
#include "env/signer.h"
#include "registry/provenance.h"

namespace ingot::registry {

struct Sealed {
  std::string key_id;                 // "": nothing is signed
  std::string signature, provenance;  // digests of bundles
  api::Json build;                    // the provenance's buildDefinition, for the history
};

// Invalid or NotFound: the version can never be Ready. Anything else may pass.
Result<Sealed> seal(env::Blobs&, env::Signer&, const ClusterId&, const api::Json& version, const Made&,
                    const std::string& factory);

}  // namespace ingot::registry
