// LMDB in one file, default (durable) flags but MDB_NOTLS for readers of any thread. Ascending keys
// are put with MDB_APPEND. Random keys with MDB_WRITEMAP, which its documentation says is faster where
// the data fits in memory; appends are slower with it, so they go without.
#include <lmdb.h>

#include <absl/status/status.h>

#include "bench/storage/peer.h"
#include "kv/base/check.h"
#include "kv/base/mutex.h"

namespace socle::bench {
namespace {

constexpr size_t kMapBytes = size_t{64} << 30U;

void CheckLmdb(int result) {
  if (result != MDB_SUCCESS) {
    CHECK_OK(absl::InternalError(mdb_strerror(result)));
  }
}

MDB_val ValOf(std::string_view bytes) {
  return {.mv_size = bytes.size(),
          .mv_data = const_cast<char*>(bytes.data())};  // NOLINT: LMDB reads it only
}

std::string_view ViewOf(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

class LmdbReader final : public PeerReader {
 public:
  LmdbReader(MDB_env* env, MDB_dbi dbi) : dbi_(dbi) {
    CheckLmdb(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_));
  }

  ~LmdbReader() override { mdb_txn_abort(txn_); }

  void Refresh() override {
    mdb_txn_reset(txn_);
    CheckLmdb(mdb_txn_renew(txn_));
  }

  bool Get(std::string_view key, std::string_view* value) override {
    MDB_val key_val = ValOf(key);
    MDB_val value_val;
    const int result = mdb_get(txn_, dbi_, &key_val, &value_val);
    if (result == MDB_NOTFOUND) {
      return false;
    }
    CheckLmdb(result);
    *value = ViewOf(value_val);
    return true;
  }

  ScanTotals Scan() override {
    ScanTotals totals;
    MDB_cursor* cursor = nullptr;
    CheckLmdb(mdb_cursor_open(txn_, dbi_, &cursor));
    MDB_val key;
    MDB_val value;
    int result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (result == MDB_SUCCESS) {
      ++totals.entries;
      totals.bytes += key.mv_size + value.mv_size;
      totals.checksum += static_cast<uint8_t>(ViewOf(value).front());
      result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    CHECK_EQ(result, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
    return totals;
  }

 private:
  const MDB_dbi dbi_;
  MDB_txn* txn_ = nullptr;
};

class LmdbPeer final : public Peer {
 public:
  explicit LmdbPeer(const PeerOptions& options)
      : put_flags_(options.keys_ascend ? MDB_APPEND : 0U) {
    CheckLmdb(mdb_env_create(&env_));
    CheckLmdb(mdb_env_set_mapsize(env_, kMapBytes));
    const unsigned flags = MDB_NOTLS | (options.keys_ascend ? 0U : unsigned{MDB_WRITEMAP});
    CheckLmdb(mdb_env_open(env_, options.dir.c_str(), flags, 0600));
    BeginBatch();
    CommitBatch();
  }

  ~LmdbPeer() override { mdb_env_close(env_); }

  void BeginBatch() override {
    CheckLmdb(mdb_txn_begin(env_, nullptr, 0, &txn_));
    CheckLmdb(mdb_dbi_open(txn_, nullptr, 0, &dbi_));
    CheckLmdb(mdb_cursor_open(txn_, dbi_, &cursor_));
  }

  void Put(std::string_view key, std::string_view value) override {
    MDB_val key_val = ValOf(key);
    MDB_val value_val = ValOf(value);
    CheckLmdb(mdb_cursor_put(cursor_, &key_val, &value_val, put_flags_));
  }

  void Delete(std::string_view key) override {
    MDB_val key_val = ValOf(key);
    CheckLmdb(mdb_cursor_get(cursor_, &key_val, nullptr, MDB_SET));
    CheckLmdb(mdb_cursor_del(cursor_, 0));
  }

  void CommitBatch() override {
    mdb_cursor_close(cursor_);
    CheckLmdb(mdb_txn_commit(txn_));
  }

  void PutDurable(std::string_view key, std::string_view value) override {
    MutexLock lock(&mu_);
    BeginBatch();
    Put(key, value);
    CommitBatch();
  }

  void Settle() override {}

  std::unique_ptr<PeerReader> NewReader() override {
    return std::make_unique<LmdbReader>(env_, dbi_);
  }

 private:
  const unsigned put_flags_;
  MDB_env* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
  MDB_dbi dbi_ = 0;
  Mutex mu_;
};

}  // namespace

std::unique_ptr<Peer> OpenLmdbPeer(const PeerOptions& options) {
  return std::make_unique<LmdbPeer>(options);
}

}  // namespace socle::bench
