#include "server/service/cluster_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "kv/base/status_macros.h"
#include "server/config/url.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

void AddMember(const MemberRecord& record, pb::Member* member) {
  member->set_id(record.id);
  member->set_name(record.name);
  for (const std::string& url : record.peer_urls) {
    member->add_peerurls(url);
  }
  for (const std::string& url : record.client_urls) {
    member->add_clienturls(url);
  }
}

template <typename Urls>
bool AreValid(const Urls& urls) {
  return !urls.empty() && std::all_of(urls.begin(), urls.end(),
                                      [](const std::string& url) { return ParseUrl(url).ok(); });
}

}  // namespace

MemberRecord ClusterService::Current() const {
  MutexLock lock(&mu_);
  return member_;
}

absl::Status ClusterService::MemberList(const Caller& caller,
                                        pb::MemberListResponse* response) const {
  RETURN_IF_ERROR(node_->guard().AnyUser(caller));
  node_->FillIds(response->mutable_header());
  AddMember(Current(), response->add_members());
  return absl::OkStatus();
}

absl::Status ClusterService::MemberAdd(const Caller& caller,
                                       const pb::MemberAddRequest& request) const {
  if (!AreValid(request.peerurls())) {
    return WireStatus(EtcdError::kInvalidMemberUrls);
  }
  RETURN_IF_ERROR(node_->guard().Root(caller));
  const MemberRecord member = Current();
  for (const std::string& url : request.peerurls()) {
    if (std::find(member.peer_urls.begin(), member.peer_urls.end(), url) !=
        member.peer_urls.end()) {
      return WireStatus(EtcdError::kPeerUrlExists);
    }
  }
  return WireStatus(EtcdError::kNotCapable);
}

absl::Status ClusterService::MemberRemove(const Caller& caller,
                                          const pb::MemberRemoveRequest& request) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  return WireStatus(request.id() == node_->identity().member.id
                        ? EtcdError::kNotEnoughStartedMembers
                        : EtcdError::kMemberNotFound);
}

void ClusterService::MemberUpdate(const Caller& caller, const pb::MemberUpdateRequest& request,
                                  pb::MemberUpdateResponse* response, Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  MemberRecord member = Current();
  if (request.id() != member.id) {
    done(WireStatus(EtcdError::kMemberNotFound));
    return;
  }
  if (!AreValid(request.peerurls())) {
    done(WireStatus(EtcdError::kInvalidMemberUrls));
    return;
  }
  member.peer_urls.assign(request.peerurls().begin(), request.peerurls().end());
  std::vector<mvcc::SystemWrite> writes = {MemberWrite(member)};
  node_->store().WriteSystem(
      std::move(writes), [this, member = std::move(member), response,
                          done = std::move(done)](const absl::StatusOr<uint64_t>& written) mutable {
        if (written.ok()) {
          node_->FillIds(response->mutable_header());
          AddMember(member, response->add_members());
          MutexLock lock(&mu_);
          member_ = std::move(member);
        }
        done(WireStatus(written.status()));
      });
}

absl::Status ClusterService::MemberPromote(const Caller& caller,
                                           const pb::MemberPromoteRequest& request) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  return WireStatus(request.id() == node_->identity().member.id ? EtcdError::kNotLearner
                                                                : EtcdError::kMemberNotFound);
}

}  // namespace socle::server
