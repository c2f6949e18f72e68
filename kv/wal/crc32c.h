// Crc32c: the Castagnoli checksum, by the instruction of the processor where there is one.
//
// Laws     1. Crc32c(b, Crc32c(a)) is Crc32c(ab); the checksum of nothing is the seed.
//          2. Different seeds give different checksums of the same bytes, always: seeds serve as
//             salts.
// Threads  pure functions.
// Source   RFC 3720 B.4 (polynomial 0x1EDC6F41, reflected, both ends inverted).
#ifndef SOCLE_KV_WAL_CRC32C_H_
#define SOCLE_KV_WAL_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace socle::kv {

uint32_t Crc32c(std::string_view bytes, uint32_t seed = 0);

// The same without special instructions; for machines that lack them and for tests.
uint32_t Crc32cByTable(std::string_view bytes, uint32_t seed = 0);

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_CRC32C_H_
