#include "bench/storage/peer.h"

#include "kv/base/check.h"

namespace socle::bench {

std::string_view NameOf(PeerKind kind) {
  switch (kind) {
    case PeerKind::kSocle:
      return "socle";
    case PeerKind::kSocleLogged:
      return "socle, log in front";
    case PeerKind::kLmdb:
      return "LMDB";
    case PeerKind::kRocksDb:
      return "RocksDB";
  }
  CHECK(false);
  return {};
}

std::unique_ptr<Peer> OpenPeer(PeerKind kind, const PeerOptions& options) {
  switch (kind) {
    case PeerKind::kSocle:
      return OpenSoclePeer(options);
    case PeerKind::kSocleLogged:
      return OpenSocleLoggedPeer(options);
    case PeerKind::kLmdb:
      return OpenLmdbPeer(options);
    case PeerKind::kRocksDb:
      return OpenRocksDbPeer(options);
  }
  CHECK(false);
  return nullptr;
}

}  // namespace socle::bench
