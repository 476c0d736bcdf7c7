// Bytes of a body to a JSON value, keeping note of keys given twice. Bounded in depth and size; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/registry.h"

namespace ingot::api {

struct Parsed {
  Json value;
  std::vector<std::string> duplicates;  // paths of keys given more than once; the last one won
};

// RFC 8259, UTF-8 checked, depth ≤ 64. 400 otherwise.
Result<Parsed> parse_body_json(std::string_view text);
// One YAML document, resolved as YAML 1.1 core types (what sigs.k8s.io/yaml makes of it). Aliases are copied
// while the whole stays under 200,000 nodes and 3 MiB of text; depth ≤ 64. 400 otherwise.
Result<Parsed> parse_body_yaml(std::string_view text);

// A message of content type application/vnd.kubernetes.protobuf (apimachinery: runtime.Unknown around a message of
// generated.proto), as the JSON of the same object: fields that Go leaves out when empty are left out. Unknown fields
// are skipped, as protobuf does. 400 for what is no such message, or of a kind without a protobuf form.
Result<Json> parse_body_protobuf(const Registry&, std::string_view bytes);

// JSON texts are UTF-8; not every parser we use checks.
bool is_utf8(std::string_view text);
// What is not becomes U+FFFD, byte by byte: for what programs wrote, and for texts that were cut.
std::string as_utf8(std::string text);

}  // namespace ingot::api
