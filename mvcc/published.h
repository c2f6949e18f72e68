// Published<T>: one immutable value that a writer replaces and any number of readers take, without
// locks.
//
//   word = pointer (48 bits) | readers since the last fold (16 bits)
//
// Laws     1. Taking the value is one atomic add; it never waits for the writer or for another
//             reader.
//          2. A value is retired (T::OnLastRelease) exactly once: when it is no longer published
//             and nobody holds it.
// Threads  Take and Ref: any thread. Publish: one thread at a time.
// Memory   T derives from PublishedBase; Ref is one pointer.
// Source   split reference counts (Williams, C++ Concurrency in Action, 7.2.4). Not
//          std::atomic<shared_ptr>: the one of g++ 12 is a spin lock, and unreadable to
//          ThreadSanitizer.
#ifndef SOCLE_MVCC_PUBLISHED_H_
#define SOCLE_MVCC_PUBLISHED_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "kv/base/check.h"

namespace socle::mvcc {

class PublishedBase {
 public:
  PublishedBase() = default;
  PublishedBase(const PublishedBase&) = delete;
  PublishedBase& operator=(const PublishedBase&) = delete;

 protected:
  ~PublishedBase() = default;

 private:
  template <typename T>
  friend class Published;
  template <typename T>
  friend class PublishedRef;

  // While published the count carries kPublishedBias, so that it can't reach 0 by releases alone.
  static constexpr int64_t kPublishedBias = int64_t{1} << 40U;
  std::atomic<int64_t> references_{kPublishedBias};
};

// A held value. Copyable; empty after a move.
template <typename T>
class PublishedRef {
 public:
  PublishedRef() = default;

  PublishedRef(const PublishedRef& other) : value_(other.value_) {
    if (value_ != nullptr) {
      value_->references_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  PublishedRef(PublishedRef&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}

  PublishedRef& operator=(PublishedRef other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }

  ~PublishedRef() {
    if (value_ != nullptr) {
      Drop(value_, 1);
    }
  }

  const T& operator*() const { return *value_; }

  const T* operator->() const { return value_; }

  explicit operator bool() const { return value_ != nullptr; }

 private:
  template <typename U>
  friend class Published;

  explicit PublishedRef(T* value) : value_(value) {}

  static void Drop(T* value, int64_t count) {
    // Acquire-release: whoever retires the value sees everything its readers did before they let
    // go.
    if (value->references_.fetch_sub(count, std::memory_order_acq_rel) == count) {
      value->OnLastRelease();
    }
  }

  T* value_ = nullptr;
};

template <typename T>
class Published {
 public:
  Published() = default;
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  ~Published() { Publish(nullptr); }

  PublishedRef<T> Take() const {
    // Release too: what the caller did before is seen by the writer that publishes the next value
    // (WatchHub::NewStream).
    const uint64_t word = word_.fetch_add(kOneReader, std::memory_order_acq_rel);
    T* const value = Pointer(word);
    if (Readers(word) >= kFoldAt) {
      Fold(value);
    }
    return PublishedRef<T>(value);
  }

  // Replaces the value, taking over `value` (or none). Readers that hold the old one keep it.
  void Publish(T* value) {
    const uint64_t word =
        word_.exchange(reinterpret_cast<uint64_t>(value), std::memory_order_acq_rel);
    T* const old = Pointer(word);
    if (old != nullptr) {
      // The readers counted in the word become references; the publication's own bias goes.
      PublishedRef<T>::Drop(old,
                            PublishedBase::kPublishedBias - static_cast<int64_t>(Readers(word)));
    }
  }

 private:
  static constexpr uint64_t kOneReader = uint64_t{1} << 48U;
  static constexpr uint64_t kFoldAt = 1U << 14U;

  static T* Pointer(uint64_t word) { return reinterpret_cast<T*>(word & (kOneReader - 1)); }

  static uint64_t Readers(uint64_t word) { return word >> 48U; }

  // Moves the readers counted in the word into the value's own count, before 16 bits overflow.
  void Fold(T* value) const {
    uint64_t word = word_.load(std::memory_order_relaxed);
    while (Pointer(word) == value && Readers(word) >= kFoldAt) {
      const auto readers = static_cast<int64_t>(Readers(word));
      if (value == nullptr) {  // Nobody holds nothing.
        word_.compare_exchange_weak(word, 0, std::memory_order_acq_rel);
        continue;
      }
      value->references_.fetch_add(readers, std::memory_order_relaxed);
      if (word_.compare_exchange_weak(word, reinterpret_cast<uint64_t>(value),
                                      std::memory_order_acq_rel)) {
        return;
      }
      PublishedRef<T>::Drop(value, readers);  // Not the last: the caller holds one.
    }
  }

  mutable std::atomic<uint64_t> word_{0};
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_PUBLISHED_H_
