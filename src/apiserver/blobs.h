// Requests to a cluster's blobs, below /blobs, in the words of OCI's distribution protocol (opencontainers/
// distribution-spec: spec.md, "Push" and "Pull"), so that its clients work here. Authorized as verb `get` or `create` on
// resource blobs.factory.ingot.dev; what becomes of them is up to host/ (BlobSource). A blob has no delete: it goes when
// no object names it any more.
//
//   POST  uploads                    202 Location, Range
//   PATCH uploads/ID                 202 Range; Content-Range says where the bytes belong, 416 where they do not
//   PUT   uploads/ID?digest=D        201; may bring the last bytes
//   GET   uploads/ID                 204 Range: how much is here
//   DELETE uploads/ID                204
//   PUT, GET, HEAD  sha256:HEX       201; 200 or 206; 200
//   POST  missing {"digests": […]}   200 {"missing": […]}
//   GET   (nothing)                  200 {"bytes": N, "limit": N}
#pragma once

#include <string_view>

#include "apiserver/context.h"

namespace ingot::apiserver {

// "" when the method means nothing there. Pure; any thread, as the next two.
std::string_view blob_verb(std::string_view method, const Route&);
Result<void> read_blob_request(Prepared&);
// Whether such a request brings a body of any length.
bool is_blob_stream(std::string_view method, std::string_view target);

// In the turn: hands an authorized request to whoever keeps the bytes.
Result<Outcome> serve_blobs(Call&);

}  // namespace ingot::apiserver
