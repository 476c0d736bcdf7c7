# bench/store_bench.cc: built only when asked for.
add_executable(store_bench EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/store_bench.cc)
target_link_libraries(store_bench PRIVATE ingot_store Threads::Threads)
