// RangeJson: the JSON of a RangeResponse, made piece by piece, straight from what the store shows.
//
//   {"header":{…} ,"kvs":[ {…} , {…} … ] ,"more":true ,"count":"n" }
//
// Laws     1. The bytes are what AppendJson writes of the same message.
//          2. A piece has kPieceBytes and what one key makes of it, whatever the values are: a client that reads slowly holds no more, and
//             the loop serves others between them.
// Threads  thread-compatible.
// Memory   as RangeAnswer; `room` must outlive it.
#ifndef SOCLE_SERVER_GATEWAY_RANGE_JSON_H_
#define SOCLE_SERVER_GATEWAY_RANGE_JSON_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/service/in_flight.h"
#include "server/service/range_answer.h"
#include "server/wire/http/exchange.h"

namespace socle::server::gateway {

class RangeJson final : public http::BodySource {
 public:
  static constexpr size_t kPieceBytes = 32 * 1024;

  RangeJson(RangeAnswer answer, InFlight* room);

  size_t bytes_left() const override { return piece_.size() - taken_; }

  bool has_more() const override { return !is_over_; }

  void Take(size_t bytes, std::string* out) override;

  size_t held_bytes() const override { return answer_.held_bytes() + kPieceBytes; }

  void OnSlow() override { answer_.Detach(next_, room_); }

 private:
  void MakePiece();
  // A step appends some of an entry, or the end.
  void Step();
  void BeginEntry();
  void AppendSomeValue();
  void EndEntry();
  void AppendEnd();
  void AppendName(std::string_view name);
  void AppendNumber(std::string_view name, int64_t number);

  RangeAnswer answer_;
  InFlight* const room_;
  size_t next_ = 0;        // entry, or the one whose value is under way
  size_t value_done_ = 0;  // bytes of it
  bool is_in_value_ = false;
  bool is_in_entry_ = false;  // it has a field
  bool is_over_ = false;
  std::string piece_;
  size_t taken_ = 0;  // of the piece
};

// As h2::Dialect::RangeBody.
std::unique_ptr<http::BodySource> MakeRangeJson(RangeAnswer&& answer, InFlight* room);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_RANGE_JSON_H_
