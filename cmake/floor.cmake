# tactus_floor(NAME DEPENDENCY...): the static library tactus_NAME of all .c files of the folder,
# over the floors and libraries it may use. The floor table itself is checked by tools/lint.py.
function(tactus_floor name)
    file(GLOB sources CONFIGURE_DEPENDS *.c)
    if(sources)
        add_library(tactus_${name} STATIC ${sources})
        target_link_libraries(tactus_${name} PRIVATE tactus_options)
        target_include_directories(
            tactus_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
        )
        target_link_libraries(tactus_${name} PUBLIC ${ARGN})
        set_property(GLOBAL APPEND PROPERTY TACTUS_FLOORS tactus_${name})
    else()
        add_library(tactus_${name} INTERFACE)
        target_link_libraries(tactus_${name} INTERFACE ${ARGN})
    endif()
endfunction()
