// Gates and work for tests, as JSON.
#pragma once

#include <fmt/format.h>

#include "policy/gates.h"

namespace ingot::policy {

inline constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
inline const std::string kRun = "sha256:" + std::string(64, 'a');  // the image that runs

inline api::Json gates_json(std::string_view text) { return *api::parse_json(text); }

inline void put_gate(GateSet& set, std::string_view name, std::string_view rule,
                     std::string_view match = "{}", std::string_view enforcement = "Enforce") {
  const api::Json gate = gates_json(fmt::format(
      R"({{"metadata":{{"name":"{}"}},"spec":{{"match":{},"enforcement":"{}","rules":[{{"name":"r",{}}}]}}}})",
      name, match, enforcement, rule));
  set.set_gate(name, &gate);
}

inline void put_exception(GateSet& set, std::string_view name, std::string_view gate, std::string_view target,
                          WallTime expires, std::string_view rule = "r") {
  const api::Json one = gates_json(fmt::format(
      R"({{"spec":{{"gate":"{}","rule":"{}","target":{},"reason":"x","expires":"{}","approver":"olga"}}}})",
      gate, rule, target, to_rfc3339(expires)));
  set.set_exception(name, &one);
}

inline void put_scan(GateSet& set, std::string_view name, std::string_view digest, WallTime at,
                     std::string_view findings) {
  const api::Json one = gates_json(fmt::format(
      R"({{"spec":{{"digest":"{}","scannedAt":"{}","findings":{},"report":"sha256:{}","worst":["CVE-1 in zlib"]}}}})",
      digest, to_rfc3339(at), findings, std::string(64, 'e')));
  set.set_scan(name, &one);
}

// A pod of tenant vision with one image that the factory has.
struct GatesWork {
  api::Json pod;
  Images images;
  Facts facts;

  explicit GatesWork(std::string_view image = "train:1", std::string_view more = "") {
    pod = gates_json(fmt::format(
        R"({{"metadata":{{"name":"p","namespace":"n"}},"spec":{{"containers":[{{"name":"main","image":"{}"}}]{}}}}})",
        image, more));
    images.put(gates_json(
        fmt::format(R"({{"spec":{{"tenant":"vision","reference":"train:1","digest":"{}"}}}})", kRun)));
    facts.tenant = "vision";
    facts.ns = "n";
    facts.name = "p";
    facts.uid = "u1";
    facts.queues = {"vision", "research"};
    add_pod(facts, pod, {images, {}});
  }
};

}  // namespace ingot::policy
