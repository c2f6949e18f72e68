# Installs the service: its unit, its user, its configuration, with the paths of the prefix that is installed to.
# `in` is the folder of the templates.
cmake_minimum_required(VERSION 3.25)
set(bindir ${CMAKE_INSTALL_PREFIX}/bin)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(sysconfdir /etc)
else()
  set(sysconfdir ${CMAKE_INSTALL_PREFIX}/etc)
endif()
set(root $ENV{DESTDIR})

function(fill template to)
  message(STATUS "Installing: ${root}${to}")
  configure_file(${in}/${template} ${root}${to} @ONLY)
endfunction()

fill(socle-kv.service.in ${CMAKE_INSTALL_PREFIX}/lib/systemd/system/socle-kv.service)
fill(socle.sysusers.in ${CMAKE_INSTALL_PREFIX}/lib/sysusers.d/socle.conf)
# What an administrator has written stays.
if(EXISTS ${root}${sysconfdir}/socle/socle-kv.yaml)
  message(STATUS "Kept: ${root}${sysconfdir}/socle/socle-kv.yaml")
else()
  fill(socle-kv.yaml.in ${sysconfdir}/socle/socle-kv.yaml)
endif()
