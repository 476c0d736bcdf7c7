#include "apiserver/blobs.h"

#include <fmt/format.h>

#include <charconv>

#include "apiserver/status.h"
#include "apiserver/tenants.h"

namespace ingot::apiserver {
namespace {
using Op = BlobTarget::Op;

constexpr size_t kMostDigests = 10'000;

Error no_such_path() {
  return {.reason = Reason::NotFound, .message = "the server could not find the requested resource"};
}

Error method_not_allowed(const Route& route) {
  if (route.segments.size() == 2 && route.segments[1].starts_with(Digest::kPrefix))
    return {.reason = Reason::MethodNotAllowed,
            .message = "a blob can be read (GET, HEAD) and put (PUT); it is removed once no object names it"};
  return {.reason = Reason::MethodNotAllowed,
          .message = "the server does not allow this method on the requested resource"};
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "0-99", as OCI writes it, or HTTP's "bytes 0-99/1000": where the body belongs.
Result<std::optional<int64_t>> read_content_range(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::string_view range = text;
  if (range.starts_with("bytes ")) range.remove_prefix(6);
  range = range.substr(0, range.find('/'));
  const size_t dash = range.find('-');
  const auto first = number(range.substr(0, dash));
  const auto last = dash == range.npos ? std::nullopt : number(range.substr(dash + 1));
  if (!first || !last || *last < *first)
    return fail(Reason::BadRequest,
                fmt::format("Content-Range: \"{}\" must be FIRST-LAST, both included", text.substr(0, 64)));
  return first;
}

// One range of bytes; anything else is answered with the whole, as HTTP allows.
std::optional<BlobTarget::Range> read_range(std::string_view text) {
  if (!text.starts_with("bytes=") || text.find(',') != text.npos) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  if (dash == text.npos) return std::nullopt;
  const BlobTarget::Range range{number(text.substr(0, dash)), number(text.substr(dash + 1))};
  const bool fine = (range.first || dash == 0) && (range.last || (range.first && dash + 1 == text.size())) &&
                    (!range.first || !range.last || *range.first <= *range.last);
  return fine ? std::optional(range) : std::nullopt;
}

Result<std::vector<Digest>> read_digests(const Request& request) {
  const auto body = api::parse_json(request.body);
  if (!body) return fail(body.error());
  const api::JsonArray& list = api::array_at(*body, {"digests"});
  if (list.size() > kMostDigests)
    return fail(Reason::RequestEntityTooLarge,
                fmt::format("digests: {} are more than the {} that may be asked for at once", list.size(),
                            kMostDigests));
  std::vector<Digest> digests;
  digests.reserve(list.size());
  for (const api::Json& one : list) {
    auto digest = Digest::parse(one.is_string() ? std::string_view(one.get_string()) : "");
    if (!digest) return fail(Reason::Invalid, "digests: " + digest.error().message);
    digests.push_back(*digest);
  }
  return digests;
}

Result<Op> read_upload_op(std::string_view method, const Route& route) {
  if (route.segments.size() == 2) {
    if (method == "POST") return Op::Begin;
    return fail(method_not_allowed(route));
  }
  if (method == "PATCH") return Op::Append;
  if (method == "PUT") return Op::Finish;
  if (method == "GET" || method == "HEAD") return Op::Where;
  if (method == "DELETE") return Op::Abort;
  return fail(method_not_allowed(route));
}

Result<Op> read_op(std::string_view method, const Route& route) {
  const std::vector<std::string>& s = route.segments;
  const bool reading = method == "GET" || method == "HEAD";
  if (s.size() == 1) return reading ? Result<Op>(Op::Usage) : fail(method_not_allowed(route));
  if (s[1] == "uploads" && s.size() <= 3) return read_upload_op(method, route);
  if (s.size() > 2) return fail(no_such_path());
  if (s[1] == "missing") return method == "POST" ? Result<Op>(Op::Missing) : fail(method_not_allowed(route));
  if (method == "PUT") return Op::Put;
  if (reading) return method == "HEAD" ? Op::Stat : Op::Read;
  return fail(method_not_allowed(route));
}
}  // namespace

std::string_view blob_verb(std::string_view method, const Route& route) {
  const bool asks =
      method == "GET" || method == "HEAD" || (route.segments.size() == 2 && route.segments[1] == "missing");
  return asks ? "get" : "create";
}

bool is_blob_stream(std::string_view method, std::string_view target) {
  if (method != "PATCH" && method != "PUT") return false;
  constexpr std::string_view kClusters = "/clusters/";
  if (target.starts_with(kClusters)) {
    const size_t slash = target.find('/', kClusters.size());
    if (slash == target.npos) return false;
    target.remove_prefix(slash);
  }
  return target.starts_with("/blobs/");
}

Result<void> read_blob_request(Prepared& in) {
  const Route& route = in.route;
  if (route.every_cluster) return fail(no_such_path());
  auto op = read_op(in.request.method, route);
  if (!op) return fail(std::move(op.error()));
  BlobTarget target{.op = *op, .body_bytes = in.request.body_bytes};
  target.base = route.cluster.empty() ? "/blobs" : fmt::format("/clusters/{}/blobs", route.cluster);
  if (route.segments.size() == 3) target.upload = route.segments[2];
  if (*op == Op::Put || *op == Op::Read || *op == Op::Stat || *op == Op::Finish) {
    const bool finish = *op == Op::Finish;
    auto digest = Digest::parse(finish ? route.query.get("digest") : std::string_view(route.segments[1]));
    if (!digest && finish) return fail(Reason::Invalid, "query parameter digest: " + digest.error().message);
    if (!digest) return fail(std::move(digest.error()));
    target.digest = *digest;
  }
  if (*op == Op::Append || *op == Op::Finish) {
    auto offset = read_content_range(in.request.content_range);
    if (!offset) return fail(std::move(offset.error()));
    target.offset = *offset;
  }
  if (*op == Op::Read) target.range = read_range(in.request.range);
  if (*op == Op::Missing) {
    auto digests = read_digests(in.request);
    if (!digests) return fail(std::move(digests.error()));
    target.digests = std::move(*digests);
  }
  if (*op == Op::Append || *op == Op::Finish || *op == Op::Put) target.body = std::move(in.request.body);
  in.blob = std::move(target);
  return {};
}

Result<Outcome> serve_blobs(Call& call) {
  if (call.services.blobs == nullptr) return fail(no_such_path());
  const TenantKeeper::Known* tenant = call.services.tenants->find(call.view.cluster());
  if (tenant && tenant->ending && call.in.verb == "create")
    return fail(Reason::Forbidden, fmt::format("tenant {} is being deleted", tenant->name));
  BlobTarget target = std::move(*call.in.blob);
  target.cluster = call.view.cluster();
  return Streamed{Revision{},
                  [blobs = call.services.blobs, target = std::move(target)](ExchangePtr exchange) mutable {
                    blobs->serve(std::move(target), std::move(exchange));
                  }};
}

}  // namespace ingot::apiserver
