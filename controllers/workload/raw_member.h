// RawMember: the text of one member of an encoded document, found without parsing the rest.
//
// Laws     1. The same text as a parse would find, for documents that registry::EncodeStored wrote.
// Threads  pure functions.
// Memory   none: the view is into the document. About a gigabyte a second.
// Errors   an empty view when there is no such member, or when the text is cut short.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_RAW_MEMBER_H_
#define SOCLE_CONTROLLERS_WORKLOAD_RAW_MEMBER_H_

#include <string_view>

#include "controllers/api/json.h"

namespace socle::workload {

// The text of the value at the path of member names.
std::string_view RawMember(std::string_view document, api::JsonPath path);

// The value at the path, parsed alone; null when there is none.
api::Json ParseMember(std::string_view document, api::JsonPath path);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_RAW_MEMBER_H_
