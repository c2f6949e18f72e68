// Peer: one storage engine as the storage benchmark drives it; the same few calls for ours and theirs.
//
// Laws     1. CommitBatch returns when the batch would survive a loss of power.
//          2. Loops that are measured run inside the peer where a call per entry would hide what is
//             measured (Scan).
//          3. Each peer is configured as its own guide advises for the work it was opened for; the
//             file that implements it says how.
// Threads  PutDurable and NewReader are thread-safe, a PeerReader belongs to one thread; the rest is
//          one thread's.
// Errors   none: a peer that fails ends the program, a benchmark has nothing to go on with.
#ifndef SOCLE_BENCH_STORAGE_PEER_H_
#define SOCLE_BENCH_STORAGE_PEER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace socle::bench {

struct ScanTotals {
  uint64_t entries = 0;
  uint64_t bytes = 0;     // of keys and values
  uint64_t checksum = 0;  // of the first byte of each value, so that values are touched
};

class PeerReader {
 public:
  virtual ~PeerReader() = default;
  // From now on sees what was committed before.
  virtual void Refresh() = 0;
  // False when there is no such key. The value lives until the next call.
  virtual bool Get(std::string_view key, std::string_view* value) = 0;
  // Everything in key order.
  virtual ScanTotals Scan() = 0;
};

class Peer {
 public:
  virtual ~Peer() = default;

  virtual void BeginBatch() = 0;
  // In a batch.
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
  virtual void CommitBatch() = 0;

  // A batch of one, from any thread; never together with BeginBatch.
  virtual void PutDurable(std::string_view key, std::string_view value) = 0;

  // Waits until nothing is left to write: pending pages, flushes, compactions.
  virtual void Settle() = 0;

  virtual std::unique_ptr<PeerReader> NewReader() = 0;
};

enum class PeerKind { kSocle, kSocleLogged, kLmdb, kRocksDb };

std::string_view NameOf(PeerKind kind);

struct PeerOptions {
  std::string dir;           // exists and is empty
  bool keys_ascend = false;  // every put is behind all keys
  // Log in front: pages are committed when a buffer is full, not after 100 ms as socle-kv does.
  bool lazy_pages = false;
};

std::unique_ptr<Peer> OpenPeer(PeerKind kind, const PeerOptions& options);

// Of OpenPeer, one per file.
std::unique_ptr<Peer> OpenSoclePeer(const PeerOptions& options);
std::unique_ptr<Peer> OpenSocleLoggedPeer(const PeerOptions& options);
std::unique_ptr<Peer> OpenLmdbPeer(const PeerOptions& options);
std::unique_ptr<Peer> OpenRocksDbPeer(const PeerOptions& options);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_PEER_H_
