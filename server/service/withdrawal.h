// Withdrawal: how a call that waits for others is given up by its client.
//
// Laws     1. Calling it after the answer, or twice, does nothing; the answer may still be under way when it
//             is called, and then comes or not.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_SERVICE_WITHDRAWAL_H_
#define SOCLE_SERVER_SERVICE_WITHDRAWAL_H_

#include <functional>

namespace socle::server {

using Withdrawal = std::function<void()>;

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WITHDRAWAL_H_
