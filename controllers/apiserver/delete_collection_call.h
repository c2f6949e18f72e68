// DeleteCollectionCall: deletes what a selection has, one guarded deletion per object, a few at a time.
//
// Laws     1. Objects that come later, or under the same name again, stay.
//          2. The first refusal ends it, and is the answer; what is gone already is no refusal.
// Threads  as Call; the registry answers on the thread of the store.
#ifndef SOCLE_CONTROLLERS_APISERVER_DELETE_COLLECTION_CALL_H_
#define SOCLE_CONTROLLERS_APISERVER_DELETE_COLLECTION_CALL_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/apiserver/body.h"
#include "controllers/apiserver/call.h"

namespace socle::apiserver {

class DeleteCollectionCall final : public BodyCall,
                                   public std::enable_shared_from_this<DeleteCollectionCall> {
 public:
  DeleteCollectionCall(Site* site, CallHead head, std::shared_ptr<server::http::Exchange> exchange,
                       std::string_view content_type);

  void OnWake() override;

  void OnClosed() override { is_over_ = true; }

 private:
  struct Victim {
    std::string ns;
    std::string name;
    std::string uid;
  };

  void Execute(std::string body) override;
  absl::Status Begin(const std::string& body);
  absl::Status CollectVictims();
  void DeleteMore();

  const std::string content_type_;
  DeleteOptions options_;
  std::vector<Victim> victims_;
  size_t next_ = 0;
  size_t under_way_ = 0;
  bool has_list_ = false;
  bool is_over_ = false;

  Mutex mu_;
  // By whoever answers, before the wake.
  std::unique_ptr<absl::StatusOr<registry::ListResult>> list_ ABSL_GUARDED_BY(mu_);
  std::vector<absl::Status> answers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_DELETE_COLLECTION_CALL_H_
