# Linked by everything of ours. Errors only when asked for (presets): a newer compiler that has more
# to say must not break a packager's build.
add_library(tactus_warnings INTERFACE)
target_compile_options(
    tactus_warnings
    INTERFACE
        -Wall
        -Wextra
        -Wshadow
        -Wconversion
        -Wundef
        -Wcast-qual
        -Wvla
        -Wswitch-enum
        -Wstrict-prototypes
        -Wmissing-prototypes
        $<$<BOOL:${TACTUS_WERROR}>:-Werror>
)
