// LinkedList: a doubly linked list threaded through its elements; an element is in one list per Tag
// at most.
//
// Laws     1. Unlink is O(1) from any list, also from a copy of the list being walked.
//          2. The list owns nothing.
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_WIRE_HTTP_LINKED_LIST_H_
#define SOCLE_SERVER_WIRE_HTTP_LINKED_LIST_H_

namespace socle::server {

template <typename Tag>
struct ListLink {
  ListLink* prev = nullptr;
  ListLink* next = nullptr;

  bool linked() const { return next != nullptr; }

  // No effect when the element is in no list.
  void Unlink() {
    if (next == nullptr) {
      return;
    }
    prev->next = next;
    next->prev = prev;
    prev = nullptr;
    next = nullptr;
  }
};

template <typename T, typename Tag>
class LinkedList {
 public:
  using Link = ListLink<Tag>;

  LinkedList() {
    head_.prev = &head_;
    head_.next = &head_;
  }

  LinkedList(const LinkedList&) = delete;
  LinkedList& operator=(const LinkedList&) = delete;

  bool empty() const { return head_.next == &head_; }

  // Requires: not empty.
  T* front() { return static_cast<T*>(head_.next); }

  const T* front() const { return static_cast<const T*>(head_.next); }

  // Takes the element out of the list of this Tag it is in, if any.
  void PushBack(T* element) {
    Link* link = element;
    link->Unlink();
    link->prev = head_.prev;
    link->next = &head_;
    head_.prev->next = link;
    head_.prev = link;
  }

  // Moves every element for which `wanted` holds to the back of `to`.
  template <typename Predicate>
  void MoveIf(Predicate wanted, LinkedList* to) {
    Link* link = head_.next;
    while (link != &head_) {
      T* element = static_cast<T*>(link);
      link = link->next;
      if (wanted(element)) {
        to->PushBack(element);
      }
    }
  }

 private:
  Link head_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_HTTP_LINKED_LIST_H_
