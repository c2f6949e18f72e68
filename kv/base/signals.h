// Signals: which ones end a server of ours, and which must not.
// Threads  for main(), before there are other threads.
#ifndef SOCLE_KV_BASE_SIGNALS_H_
#define SOCLE_KV_BASE_SIGNALS_H_

#include <signal.h>

namespace socle {

// Those that end a server; to be blocked in every thread, and waited for by the main one.
inline sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// These end a process that says nothing about them, and not etcd: a client that is gone, a file that may not grow (which is
// an error of the write), and what scripts send to have a log file opened anew.
inline void IgnoreStraySignals() {
  for (const int ignored : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM}) {
    ::signal(ignored, SIG_IGN);
  }
}

}  // namespace socle

#endif  // SOCLE_KV_BASE_SIGNALS_H_
