// HTTP/1.1 requests from bytes, one after another, straight into apiserver::Request. Beast does the grammar.
// Thread rule: one thread at a time. Bounded: header and body limits are errors, never memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "apiserver/request.h"
#include "base/error.h"

namespace ingot::host {

class HttpParser {
 public:
  // Of which requests the body is not collected and has no limit: it is taken piece by piece.
  using Streams = std::function<bool(std::string_view method, std::string_view target)>;

  HttpParser(uint32_t header_limit, uint64_t body_limit, Streams = nullptr);
  ~HttpParser();

  // Takes what it can from the front of `bytes` and says how much; the rest comes again with more behind it.
  size_t feed(std::string_view bytes);

  bool done() const;            // a whole request is here
  bool started() const;         // some of one is
  bool wants_continue() const;  // header read, `Expect: 100-continue`, body still to come
  bool reading_body() const;    // header read, body not yet whole
  const Error* error() const;   // what is wrong with it; nothing more can be read from this connection
  bool keep_alive() const;
  bool http_1_0() const;
  apiserver::Request take();  // and ready for the next

  bool streamed() const;           // its header is read, and its body comes piece by piece
  apiserver::Request take_head();  // of a streamed request
  std::string take_piece();  // what has come of its body since; take() when done() makes ready for the next

 private:
  struct Impl;
  void reset();
  const uint32_t header_limit_;
  const uint64_t body_limit_;
  const Streams streams_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::host
