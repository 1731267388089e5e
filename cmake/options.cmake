# How everything of ours is compiled, whatever it is.
add_library(tactus_options INTERFACE)
target_link_libraries(tactus_options INTERFACE tactus_warnings)
target_compile_definitions(
    tactus_options
    INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64 TACTUS_VERIFY=$<BOOL:${TACTUS_VERIFY}>
)
# Blocks are bytes that are read through several types. Assertions name files from the root of the
# tree, wherever it lies. The one-object archive is made by `ld -r`, which knows nothing of LTO.
target_compile_options(
    tactus_options
    INTERFACE -fno-strict-aliasing -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -fno-lto
)

set(sanitizers ${TACTUS_SANITIZE})
if(TACTUS_FUZZ)
    set(sanitizers "fuzzer-no-link,address,undefined")
endif()
if(sanitizers)
    target_compile_options(
        tactus_options
        INTERFACE -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer
    )
    target_link_options(tactus_options INTERFACE -fsanitize=${sanitizers})
endif()
if(TACTUS_COVERAGE)
    target_compile_options(tactus_options INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(tactus_options INTERFACE --coverage)
endif()
