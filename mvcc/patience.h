// Patience: says of a thread that it has nobody else to serve while it submits a write.
//
// Laws     1. While a patient thread submits to a WriteLoop that sleeps, it does the loop's work for that one write, sync
//             included, and the answer comes before Submit returns: two wake-ups of threads less, half of what such a
//             write takes beside the disk.
//          2. It is an offer: the loop may do the work itself all the same.
// Threads  of its thread alone; scopes may be nested.
#ifndef SOCLE_MVCC_PATIENCE_H_
#define SOCLE_MVCC_PATIENCE_H_

namespace socle::mvcc {

class Patience {
 public:
  explicit Patience(bool is_patient) : before_(is_patient_) { is_patient_ = is_patient; }

  ~Patience() { is_patient_ = before_; }

  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  static bool IsPatient() { return is_patient_; }

 private:
  static inline thread_local bool is_patient_ = false;

  const bool before_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_PATIENCE_H_
