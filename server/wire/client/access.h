// ClientAccess: what lets a client in: files of TLS and a user, each named as etcdctl names its flag.
//
// Laws     1. https:// and unixs:// are spoken to in TLS, http:// never, host:port and unix:// when there is
//             something of TLS to use (wants_tls).
// Threads  value.
// Source   spec etcd 1.12 (security); the flags of etcdctl.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ACCESS_H_
#define SOCLE_SERVER_WIRE_CLIENT_ACCESS_H_

#include <string>

namespace socle::server {

struct ClientAccess {
  std::string cacert;  // PEM: who may vouch for the server; empty: the authorities of this machine
  std::string cert;    // PEM: shown to a server that asks; empty: nothing
  std::string key;     // PEM: of `cert`
  bool insecure_skip_tls_verify = false;  // any server will do
  bool insecure_transport = true;         // false: TLS even if no file is named
  std::string user;                       // NAME or NAME:PASSWORD; empty: nobody
  std::string password;                   // of a NAME alone

  bool wants_tls() const {
    return !cacert.empty() || !cert.empty() || !key.empty() || !insecure_transport;
  }
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_ACCESS_H_
