// HTTP/1.1 requests from bytes, one after another, straight into apiserver::Request. Beast does the grammar.
// Thread rule: one thread at a time. Bounded: header and body limits are errors, never memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "apiserver/request.h"
#include "base/error.h"

namespace ingot::host {

class HttpParser {
 public:
  HttpParser(uint32_t header_limit, uint64_t body_limit);
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

 private:
  struct Impl;
  void reset();
  const uint32_t header_limit_;
  const uint64_t body_limit_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::host
