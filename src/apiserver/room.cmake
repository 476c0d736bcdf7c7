# Where the transcript test finds its data.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/apiserver/transcript_test.cc PROPERTIES
  COMPILE_DEFINITIONS INGOT_TRANSCRIPTS="${CMAKE_SOURCE_DIR}/tests/transcripts")
