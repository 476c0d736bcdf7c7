#include "apiserver/encode.h"

#include <fmt/format.h>

#include "apiserver/status.h"

namespace ingot::apiserver {
namespace {
using api::JsonObject;

// Small objects are copied together into larger pieces; large ones are shared.
class Assembler {
 public:
  void text(std::string_view part) { small_ += part; }
  void object(const Piece& encoding) {
    constexpr size_t kCopied = 4096, kPiece = 256 * 1024;
    if (encoding->size() <= kCopied) {
      small_ += *encoding;
      if (small_.size() >= kPiece) flush();
      return;
    }
    flush();
    pieces_.push_back(encoding);
  }
  std::vector<Piece> take() {
    flush();
    return std::move(pieces_);
  }

 private:
  void flush() {
    if (!small_.empty()) pieces_.push_back(piece(std::exchange(small_, {})));
  }
  std::string small_;
  std::vector<Piece> pieces_;
};

JsonObject metadata_only(const Wanted& wanted, const api::ObjectPtr& object) {
  api::Json value = object->parse();
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/" + wanted.version},
          {"metadata", std::move(value.as_object()["metadata"])}};
}

JsonObject list_metadata(const ListMeta& meta) {
  JsonObject out{{"resourceVersion", std::to_string(meta.revision.value)}};
  if (!meta.next.empty()) out["continue"] = meta.next;
  return out;
}

Reply encode_table(const Wanted& wanted, const api::Resource& type,
                   const std::vector<api::ObjectPtr>& objects, const ListMeta& meta, WallTime now) {
  api::JsonArray rows;
  for (const api::ObjectPtr& object : objects)
    rows.push_back(api::table_row(type, object->parse(), wanted.include, now));
  return json_reply(200, api::table(type, list_metadata(meta), std::move(rows)));
}
}  // namespace

Piece encode_object(const Wanted& wanted, const api::Resource& type, const api::ObjectPtr& object,
                    WallTime now, bool definitions) {
  if (wanted.view == View::Metadata) return piece(api::to_text(metadata_only(wanted, object)));
  if (wanted.view == View::Table)
    return piece(
        api::to_text(api::table(type, {{"resourceVersion", std::to_string(object->revision.value)}},
                                {api::table_row(type, object->parse(), wanted.include, now)}, definitions)));
  return piece(object);
}

Reply encode_list(const Wanted& wanted, const api::Resource& type, const std::vector<api::ObjectPtr>& objects,
                  const ListMeta& meta, WallTime now) {
  if (wanted.view == View::Table) return encode_table(wanted, type, objects, meta, now);
  const bool metadata = wanted.view == View::Metadata;
  Assembler out;
  out.text(fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{},"items":[)",
                       metadata ? "PartialObjectMetadataList" : type.kind + "List",
                       metadata ? "meta.k8s.io/" + wanted.version : type.api_version(),
                       api::to_text(list_metadata(meta))));
  bool first = true;
  for (const api::ObjectPtr& object : objects) {
    if (!std::exchange(first, false)) out.text(",");
    out.object(encode_object(wanted, type, object, now));
  }
  out.text("]}\n");
  Reply reply;
  reply.body = out.take();
  return reply;
}

}  // namespace ingot::apiserver
