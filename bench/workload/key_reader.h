// KeyReader: the keys of an interval in order, page by page, at the revision of the first page.
//
// Threads  confined to the caller; blocks.
// Memory   one page.
// Errors   what the server answered.
#ifndef SOCLE_BENCH_WORKLOAD_KEY_READER_H_
#define SOCLE_BENCH_WORKLOAD_KEY_READER_H_

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"

namespace socle::bench {

class KeyReader {
 public:
  // From the first key to the last one, both included.
  KeyReader(server::EtcdClient* client, const std::string& first, const std::string& last,
            int64_t page_keys)
      : client_(client) {
    request_.set_key(first);
    request_.set_range_end(last + '\0');
    request_.set_limit(page_keys);
  }

  // The next pair, or null at the end. Valid until the next call.
  absl::StatusOr<const mvccpb::KeyValue*> Next() {
    while (next_ == page_.kvs_size()) {
      if (has_last_page_) {
        return nullptr;
      }
      RETURN_IF_ERROR(ReadPage());
    }
    return &page_.kvs(next_++);
  }

  int64_t revision() const { return request_.revision(); }

 private:
  absl::Status ReadPage() {
    if (page_.kvs_size() > 0) {
      request_.set_key(page_.kvs(page_.kvs_size() - 1).key() + '\0');
    }
    ASSIGN_OR_RETURN(page_, client_->Range(request_));
    request_.set_revision(request_.revision() != 0 ? request_.revision()
                                                   : page_.header().revision());
    next_ = 0;
    has_last_page_ = !page_.more();
    return absl::OkStatus();
  }

  server::EtcdClient* const client_;
  etcdserverpb::RangeRequest request_;
  etcdserverpb::RangeResponse page_;
  int next_ = 0;
  bool has_last_page_ = false;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_KEY_READER_H_
