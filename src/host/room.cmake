# Wire messages: generated from our own subsets of the CRI and of containerd's events. gRPC itself carries bytes
# (containerd_rpc.cc), so no service stubs are generated.
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
set(wire_dir ${CMAKE_BINARY_DIR}/wire)
file(MAKE_DIRECTORY ${wire_dir})
set(wire_sources)
foreach(name cri containerd_events containerd_snapshots)
  add_custom_command(
    OUTPUT ${wire_dir}/${name}.pb.cc ${wire_dir}/${name}.pb.h
    COMMAND protobuf::protoc --proto_path=${dir} --cpp_out=${wire_dir} ${dir}/${name}.proto
    DEPENDS ${dir}/${name}.proto)
  list(APPEND wire_sources ${wire_dir}/${name}.pb.cc)
endforeach()
add_library(ingot_wire STATIC ${wire_sources})
target_compile_options(ingot_wire PRIVATE -w)
target_include_directories(ingot_wire SYSTEM PUBLIC ${wire_dir})
target_link_libraries(ingot_wire PUBLIC protobuf-lite)
target_link_libraries(ingot_host PRIVATE ingot_wire gRPC::grpc++)

# The sandbox's program, built from images/pause and carried inside ours.
set(pause_program ${wire_dir}/pause)
set(pause_source ${CMAKE_SOURCE_DIR}/images/pause/pause.c)
add_custom_command(
  OUTPUT ${pause_program}
  COMMAND ${CMAKE_C_COMPILER} -Os -static -nostdlib -ffreestanding -fno-stack-protector
          -fno-asynchronous-unwind-tables -fuse-ld=lld -Wl,--gc-sections,--build-id=none,-z,noexecstack -s
          -o ${pause_program} ${pause_source}
  DEPENDS ${pause_source})
add_custom_target(ingot_pause DEPENDS ${pause_program})
add_dependencies(ingot_host ingot_pause)
set_source_files_properties(${dir}/images_pause.cc PROPERTIES
  OBJECT_DEPENDS ${pause_program} COMPILE_DEFINITIONS INGOT_PAUSE_PROGRAM="${pause_program}")

# Its tests and the program itself load the stand-in library from beside them.
add_dependencies(ingot_host ingot-nvml)
