// WriteCall: a create, update, patch or deletion of one object or of a part of it.
//
// Laws     1. What the path says wins: a body that names another object is refused, not followed.
//          2. It answers what the registry left: the object, its scale, or the Status of a removal.
// Threads  as Call; the registry answers on the thread of the store.
// Source   spec controllers 9.3.
#ifndef SOCLE_CONTROLLERS_APISERVER_WRITE_CALL_H_
#define SOCLE_CONTROLLERS_APISERVER_WRITE_CALL_H_

#include <memory>
#include <string>
#include <string_view>

#include "controllers/apiserver/call.h"

namespace socle::apiserver {

class WriteCall final : public BodyCall, public std::enable_shared_from_this<WriteCall> {
 public:
  // `content_type`: of the request.
  WriteCall(Site* site, CallHead head, std::shared_ptr<server::http::Exchange> exchange,
            std::string_view content_type);

  void OnWake() override;

 private:
  void Execute(std::string body) override;

  absl::Status Submit(const std::string& body);
  absl::Status SubmitCreate(const std::string& body);
  absl::Status SubmitUpdate(const std::string& body);
  absl::Status SubmitPatch(const std::string& body);
  absl::Status SubmitDelete(const std::string& body);
  absl::Status SubmitToPod(const std::string& body);
  absl::Status Review(const std::string& body);
  registry::Done TakeResult();

  void Answer();
  void AnswerObject(const registry::Written& written);
  void AnswerScale(const registry::Written& written);

  const std::string content_type_;
  absl::StatusOr<registry::Written> result_;  // by whoever answers, before the wake
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_WRITE_CALL_H_
