# The tables of facts/ are assembled into the library.
file(GLOB api_facts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/facts/*.facts)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/facts.cc PROPERTIES
  COMPILE_DEFINITIONS INGOT_FACTS="${CMAKE_CURRENT_LIST_DIR}/facts" OBJECT_DEPENDS "${api_facts}")
