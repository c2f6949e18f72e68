#include "tests/linearizability/history.h"

#include <string_view>

#include <fmt/format.h>

namespace socle::linearizability {
namespace {

using mvcc::Raw;

// Keys of tests hold zero bytes, long values are filled up with one letter.
std::string Shown(std::string_view bytes) {
  constexpr size_t kShownBytes = 24;
  std::string text;
  for (const char c : bytes.substr(0, kShownBytes)) {
    text += c >= ' ' && c <= '~' ? std::string(1, c)
                                 : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return bytes.size() > kShownBytes ? fmt::format("'{}…' ({} bytes)", text, bytes.size())
                                    : "'" + text + "'";
}

std::string RangeText(const std::string& key, const std::string& range_end) {
  return range_end.empty() ? Shown(key) : fmt::format("[{}, {})", Shown(key), Shown(range_end));
}

void AddBound(const char* name, int64_t bound, std::string* text) {
  if (bound != 0) {
    *text += fmt::format(" {} {}", name, bound);
  }
}

std::string Text(const mvcc::RangeRequest& r) {
  std::string text = "get " + RangeText(r.key, r.range_end);
  AddBound("at revision", r.revision, &text);
  AddBound("limit", r.limit, &text);
  AddBound("sort order", static_cast<int>(r.sort_order), &text);
  AddBound("sort target", static_cast<int>(r.sort_target), &text);
  AddBound("mod >=", r.min_mod_revision, &text);
  AddBound("mod <=", r.max_mod_revision, &text);
  AddBound("create >=", r.min_create_revision, &text);
  AddBound("create <=", r.max_create_revision, &text);
  return text + (r.keys_only ? " keys only" : "") + (r.count_only ? " count only" : "");
}

std::string Text(const mvcc::PutRequest& put) {
  std::string text = fmt::format("put {}={}", Shown(put.key),
                                 put.ignore_value ? "as it is" : Shown(put.value).c_str());
  AddBound("lease", Raw(put.lease), &text);
  return text + (put.ignore_lease ? " lease as it is" : "") + (put.prev_kv ? " prev_kv" : "");
}

std::string Text(const mvcc::DeleteRangeRequest& range) {
  return "delete " + RangeText(range.key, range.range_end) + (range.prev_kv ? " prev_kv" : "");
}

std::string Text(const mvcc::Compare& compare) {
  constexpr const char* kTargets[] = {"version", "create", "mod", "value", "lease"};
  constexpr const char* kOps[] = {"==", ">", "<", "!="};
  return fmt::format(
      "{} of {} {} {}", kTargets[static_cast<size_t>(compare.target)],
      RangeText(compare.key, compare.range_end), kOps[static_cast<size_t>(compare.op)],
      compare.target == mvcc::CompareTarget::kValue ? Shown(compare.value)
                                                    : std::to_string(compare.number));
}

std::string Text(const mvcc::TxnRequest& txn);

std::string OpsText(const std::vector<mvcc::RequestOp>& ops) {
  std::string text;
  for (const mvcc::RequestOp& op : ops) {
    text += text.empty() ? "" : "; ";
    if (const auto* const range = std::get_if<mvcc::RangeRequest>(&op)) {
      text += Text(*range);
    } else if (const auto* const put = std::get_if<mvcc::PutRequest>(&op)) {
      text += Text(*put);
    } else if (const auto* const deletion = std::get_if<mvcc::DeleteRangeRequest>(&op)) {
      text += Text(*deletion);
    } else if (const auto* const txn = std::get_if<std::unique_ptr<mvcc::TxnRequest>>(&op)) {
      text += Text(**txn);
    }
  }
  return "{" + text + "}";
}

std::string Text(const mvcc::TxnRequest& txn) {
  std::string text;
  for (const mvcc::Compare& compare : txn.compares) {
    text += (text.empty() ? "" : " and ") + Text(compare);
  }
  return fmt::format("txn if ({}) {} else {}", text, OpsText(txn.success), OpsText(txn.failure));
}

std::string Text(const mvcc::CompactOp& op) {
  return fmt::format("compact {}", op.revision);
}

std::string Text(const mvcc::LeaseGrantOp& op) {
  return fmt::format("grant lease {} ttl {}", Raw(op.id), op.ttl_seconds);
}

std::string Text(const mvcc::LeaseRevokeOp& op) {
  return fmt::format("revoke lease {}", Raw(op.id));
}

std::string Text(const mvcc::CheckpointOp& /*op*/) {
  return "checkpoint";
}

std::string Text(const mvcc::SystemOp& /*op*/) {
  return "system write";
}

std::string Text(const RevisionSeen& seen) {
  return fmt::format("a watcher is told of revision {}", seen.revision);
}

std::string Text(const LeaseListing& /*listing*/) {
  return "list leases and their keys";
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  size_t run = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    run = i > 0 && text[i] == text[i - 1] ? run + 1 : 0;
    if (run > 8) {
      continue;
    }
    out += text[i] >= ' ' && text[i] <= '~' ? std::string(1, text[i])
           : run == 8                       ? "…"
                      : fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
  }
  return out;
}

std::string DescribeRequest(const Request& request) {
  const auto text = [](const auto& op) { return Text(op); };
  if (const auto* const operation = std::get_if<mvcc::Operation>(&request)) {
    return std::visit(text, *operation);
  }
  if (const auto* const range = std::get_if<mvcc::RangeRequest>(&request)) {
    return Text(*range);
  }
  if (const auto* const seen = std::get_if<RevisionSeen>(&request)) {
    return Text(*seen);
  }
  return Text(std::get<LeaseListing>(request));
}

std::string DescribeCall(size_t number, const Call& call) {
  const std::string until = call.returned == kNever ? "?" : std::to_string(call.returned);
  return fmt::format("#{:<4} client {:<2} {:>5} to {:<5} {}\n{:33}{}\n", number, call.client,
                     call.invoked, until, DescribeRequest(*call.request), "",
                     call.is_answered ? "-> " + Printable(call.answer.text)
                                      : "no answer: it may have happened or not");
}

std::string DescribeHistory(const History& history) {
  std::string text = "Calls, by the tick at which they were sent:\n";
  for (size_t i = 0; i < history.calls.size(); ++i) {
    text += DescribeCall(i, history.calls[i]);
  }
  for (const WatchLog& watch : history.watches) {
    text += fmt::format("A watcher of {} from revision {} to {} was sent:\n",
                        RangeText(watch.key, watch.range_end), watch.start, watch.through);
    for (const WatchLog::Event& event : watch.events) {
      text += "    " + Printable(event.text) + "\n";
    }
  }
  return text;
}

}  // namespace socle::linearizability
