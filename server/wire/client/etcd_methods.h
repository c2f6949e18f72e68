// Request paths of the etcd v3 services.
// Source   spec etcd 1.1.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ETCD_METHODS_H_
#define SOCLE_SERVER_WIRE_CLIENT_ETCD_METHODS_H_

#include <string_view>

namespace socle::server::method {

inline constexpr std::string_view kRange = "/etcdserverpb.KV/Range";
inline constexpr std::string_view kRangeStream = "/etcdserverpb.KV/RangeStream";
inline constexpr std::string_view kPut = "/etcdserverpb.KV/Put";
inline constexpr std::string_view kDeleteRange = "/etcdserverpb.KV/DeleteRange";
inline constexpr std::string_view kTxn = "/etcdserverpb.KV/Txn";
inline constexpr std::string_view kCompact = "/etcdserverpb.KV/Compact";
inline constexpr std::string_view kWatch = "/etcdserverpb.Watch/Watch";
inline constexpr std::string_view kLeaseGrant = "/etcdserverpb.Lease/LeaseGrant";
inline constexpr std::string_view kLeaseRevoke = "/etcdserverpb.Lease/LeaseRevoke";
inline constexpr std::string_view kLeaseKeepAlive = "/etcdserverpb.Lease/LeaseKeepAlive";
inline constexpr std::string_view kLeaseTimeToLive = "/etcdserverpb.Lease/LeaseTimeToLive";
inline constexpr std::string_view kLeaseLeases = "/etcdserverpb.Lease/LeaseLeases";
inline constexpr std::string_view kAuthenticate = "/etcdserverpb.Auth/Authenticate";
inline constexpr std::string_view kMemberList = "/etcdserverpb.Cluster/MemberList";
inline constexpr std::string_view kAlarm = "/etcdserverpb.Maintenance/Alarm";
inline constexpr std::string_view kStatus = "/etcdserverpb.Maintenance/Status";
inline constexpr std::string_view kDefragment = "/etcdserverpb.Maintenance/Defragment";
inline constexpr std::string_view kHash = "/etcdserverpb.Maintenance/Hash";
inline constexpr std::string_view kHashKv = "/etcdserverpb.Maintenance/HashKV";
inline constexpr std::string_view kSnapshot = "/etcdserverpb.Maintenance/Snapshot";

}  // namespace socle::server::method

#endif  // SOCLE_SERVER_WIRE_CLIENT_ETCD_METHODS_H_
