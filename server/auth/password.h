// Password: bcrypt, as etcd stores it ("$2a$10$…").
//
// Laws     1. A hash made here is one that etcd verifies, and the other way round.
//          2. Nothing here is quick, by purpose (about 50 ms at cost 10): never on a loop or the write
//             loop.
// Threads  pure functions.
// Errors   Unknown with the text a client of etcd would see.
// Source   spec etcd 1.9, 2.2; bcrypt (Provos, Mazières 1999).
#ifndef SOCLE_SERVER_AUTH_PASSWORD_H_
#define SOCLE_SERVER_AUTH_PASSWORD_H_

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::server {

inline constexpr int kBcryptCostMin = 4;
inline constexpr int kBcryptCostMax = 31;
inline constexpr int kBcryptCostDefault = 10;

absl::StatusOr<std::string> HashPassword(std::string_view password, int cost);
bool IsPassword(std::string_view password, std::string_view hash);

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_PASSWORD_H_
