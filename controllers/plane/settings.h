// Settings: what a plane is started with.
//
// Threads  values.
#ifndef SOCLE_CONTROLLERS_PLANE_SETTINGS_H_
#define SOCLE_CONTROLLERS_PLANE_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kv/base/clock.h"

namespace socle::plane {

struct Settings {
  // Store.
  std::string store = "embedded";  // embedded, etcd
  std::string data_dir = "socle.plane";
  bool unsafe_no_sync = false;
  std::vector<std::string> etcd_endpoints = {"http://127.0.0.1:2379"};
  int64_t history_nanos = 300 * kNanosPerSecond;  // what watches and lists may go back

  // Front.
  std::string listen = "127.0.0.1:8080";
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string client_ca_file;
  std::string token_file;
  std::string kubeconfig_out;  // empty: none is written

  // Inside.
  std::vector<std::string> controllers = {"*"};  // names; `*` for all, `-name` for all but
  int64_t hollow_nodes = 0;
  std::string hollow_prefix = "hollow-node-";
  uint64_t seed = 0;  // of uids, delays and placement; 0: fresh

  std::string log_level = "info";
  std::string log_format = "text";
};

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_SETTINGS_H_
