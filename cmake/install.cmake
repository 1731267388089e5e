include(CMakePackageConfigHelpers)

install(FILES include/tactus.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# pkg-config: found from where the file lies, so that --prefix at the install moves it along
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
    set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    string(REGEX REPLACE "/$" "" up ${up})
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/tactus.pc.in tactus.pc @ONLY)
install(
    FILES ${PROJECT_BINARY_DIR}/tactus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
)

# find_package(Tactus)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tactus)
configure_package_config_file(
    cmake/TactusConfig.cmake.in TactusConfig.cmake
    INSTALL_DESTINATION ${package_dir}
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR
)
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
else()
    set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(TactusConfigVersion.cmake COMPATIBILITY ${compatibility})
install(EXPORT tactus FILE TactusTargets.cmake NAMESPACE Tactus:: DESTINATION ${package_dir})
install(
    FILES ${PROJECT_BINARY_DIR}/TactusConfig.cmake ${PROJECT_BINARY_DIR}/TactusConfigVersion.cmake
    DESTINATION ${package_dir}
)

# manual pages
foreach(section 1 3 5 7)
    file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()
