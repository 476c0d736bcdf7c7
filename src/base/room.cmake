# The tables of facts/ are assembled into the library.
file(GLOB base_facts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/facts/*.facts)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/zone.cc PROPERTIES
  COMPILE_DEFINITIONS INGOT_BASE_FACTS="${CMAKE_CURRENT_LIST_DIR}/facts" OBJECT_DEPENDS "${base_facts}")
