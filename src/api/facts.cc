#include "api/facts.h"

// INGOT_FACTS is the folder of the tables (room.cmake).
#define EMBED(symbol, file)                                                                      \
  __asm__(".section .rodata\n" #symbol "_begin:\n.incbin \"" INGOT_FACTS "/" file "\"\n" #symbol \
          "_end:\n"                                                                              \
          ".byte 0\n.previous\n");                                                               \
  extern "C" __attribute__((visibility("hidden"))) const char symbol##_begin[], symbol##_end[]

EMBED(ingot_kubernetes_facts, "kubernetes.facts");
EMBED(ingot_factory_facts, "factory.facts");
EMBED(ingot_argo_facts, "argo.facts");
EMBED(ingot_column_facts, "columns.facts");

namespace ingot::api {

std::string_view kubernetes_facts() { return {ingot_kubernetes_facts_begin, ingot_kubernetes_facts_end}; }
std::string_view factory_facts() { return {ingot_factory_facts_begin, ingot_factory_facts_end}; }
std::string_view argo_facts() { return {ingot_argo_facts_begin, ingot_argo_facts_end}; }
std::string_view column_facts() { return {ingot_column_facts_begin, ingot_column_facts_end}; }

}  // namespace ingot::api
