#include "controllers/sidecarset/set_index.h"

#include <algorithm>
#include <utility>

#include "controllers/sidecarset/annotations.h"

namespace socle::sidecarset {
namespace {

using Op = api::LabelRequirement::Op;

// Kinds of places: a label with its value, a label whatever its value, a namespace, everywhere. The zero
// byte can't occur in labels.
std::string LabelPlace(std::string_view key, std::string_view value) {
  std::string place;
  place.reserve(key.size() + value.size() + 2);
  place.append("v").append(key).push_back('\0');
  place.append(value);
  return place;
}

std::string KeyPlace(std::string_view key) {
  return std::string("k").append(key);
}

std::string NamespacePlace(std::string_view ns) {
  return std::string("n").append(ns);
}

const std::string& AnyPlace() {
  static const std::string& place = *new std::string("*");
  return place;
}

void Erase(std::string_view place, std::string_view name,
           StringMap<std::vector<SidecarSetRef>>* filed) {
  const auto found = filed->find(place);
  if (found == filed->end()) {
    return;
  }
  std::vector<SidecarSetRef>& sets = found->second;
  sets.erase(std::remove_if(sets.begin(), sets.end(),
                            [&](const SidecarSetRef& set) { return set->name == name; }),
             sets.end());
  if (sets.empty()) {
    filed->erase(found);
  }
}

}  // namespace

size_t SetIndex::Crowd(const std::vector<std::string>& places) const {
  size_t crowd = 0;
  for (const std::string& place : places) {
    const auto found = filed_.find(place);
    crowd += found == filed_.end() ? 0 : found->second.size();
  }
  return crowd;
}

// One for each term that a label which is there can answer.
std::vector<SetIndex::Filing> SetIndex::Choices(const SidecarSet& set) {
  std::vector<Filing> choices;
  for (const api::LabelRequirement& term : set.selector.requirements()) {
    if (term.op == Op::kIn) {
      Filing filing{.shelf = LabelPlace(term.key, "")};
      std::transform(term.values.begin(), term.values.end(), std::back_inserter(filing.places),
                     [&](const std::string& value) { return LabelPlace(term.key, value); });
      choices.push_back(std::move(filing));
    } else if (term.op != Op::kNotIn && term.op != Op::kAbsent) {
      choices.push_back({.shelf = KeyPlace(term.key), .places = {KeyPlace(term.key)}});
    }
  }
  for (const api::LabelRequirement& term : set.namespaces.requirements()) {
    if (term.key == kNamespaceNameLabel && term.op == Op::kIn) {
      Filing filing{.shelf = NamespacePlace("")};
      std::transform(term.values.begin(), term.values.end(), std::back_inserter(filing.places),
                     &NamespacePlace);
      choices.push_back(std::move(filing));
    }
  }
  for (Filing& filing : choices) {
    // A value that is listed twice is one place.
    std::sort(filing.places.begin(), filing.places.end());
    filing.places.erase(std::unique(filing.places.begin(), filing.places.end()),
                        filing.places.end());
  }
  return choices;
}

SetIndex::Filing SetIndex::FilingFor(const SidecarSet& set) const {
  std::vector<Filing> choices = Choices(set);
  if (choices.empty()) {
    return {.shelf = AnyPlace(), .places = {AnyPlace()}};
  }
  const auto least =
      std::min_element(choices.begin(), choices.end(), [&](const Filing& a, const Filing& b) {
        return std::pair(Crowd(a.places), a.places.size()) <
               std::pair(Crowd(b.places), b.places.size());
      });
  return std::move(*least);
}

void SetIndex::Put(SidecarSetRef set) {
  Remove(set->name);
  Filed filed{.set = set, .filing = FilingFor(*set)};
  for (const std::string& place : filed.filing.places) {
    filed_[place].push_back(set);
    for (const std::string& claim : set->claims()) {
      by_claim_[claim][filed.filing.shelf][place].push_back(set);
    }
  }
  sets_.emplace(set->name, std::move(filed));
}

void SetIndex::Remove(std::string_view name) {
  const auto found = sets_.find(name);
  if (found == sets_.end()) {
    return;
  }
  const Filed& filed = found->second;
  for (const std::string& place : filed.filing.places) {
    Erase(place, name, &filed_);
  }
  for (const std::string& claim : filed.set->claims()) {
    StringMap<Shelf>& shelves = by_claim_[claim];
    Shelf& shelf = shelves[filed.filing.shelf];
    for (const std::string& place : filed.filing.places) {
      Erase(place, name, &shelf);
    }
    if (shelf.empty()) {
      shelves.erase(filed.filing.shelf);
    }
    if (shelves.empty()) {
      by_claim_.erase(claim);
    }
  }
  sets_.erase(found);
}

SidecarSetRef SetIndex::Get(std::string_view name) const {
  const auto found = sets_.find(name);
  return found == sets_.end() ? nullptr : found->second.set;
}

void SetIndex::Collect(const std::string& place, const PodLabels& pod, Sets* matches) const {
  const auto found = filed_.find(place);
  if (found == filed_.end()) {
    return;
  }
  for (const SidecarSetRef& set : found->second) {
    if (!set->is_deleting && !set->is_injection_paused && set->selector.Matches(pod.labels) &&
        set->CoversNamespace(pod.ns, *pod.ns_labels)) {
      matches->push_back(set);
    }
  }
}

std::vector<SidecarSetRef> SetIndex::Match(const PodLabels& pod) const {
  Sets matches;
  if (pod.labels != nullptr) {
    for (const auto& label : *pod.labels) {
      if (!label.value().is_string()) {
        continue;
      }
      const std::string_view key = api::View(label.key());
      Collect(LabelPlace(key, api::View(label.value().get_string())), pod, &matches);
      Collect(KeyPlace(key), pod, &matches);
    }
  }
  Collect(NamespacePlace(pod.ns), pod, &matches);
  Collect(AnyPlace(), pod, &matches);
  std::sort(matches.begin(), matches.end(), [](const SidecarSetRef& a, const SidecarSetRef& b) {
    return a->is_canary != b->is_canary ? b->is_canary : a->name < b->name;
  });
  const auto is_replaced = [&](const SidecarSetRef& set) {
    return !set->is_canary &&
           std::any_of(matches.begin(), matches.end(), [&](const SidecarSetRef& other) {
             return other->is_canary && other->base == set->name;
           });
  };
  Sets kept;
  std::copy_if(matches.begin(), matches.end(), std::back_inserter(kept),
               [&](const SidecarSetRef& set) { return !is_replaced(set); });
  return kept;
}

std::vector<SidecarSetRef> SetIndex::Rivals(const SidecarSet& set) const {
  Sets rivals;
  const auto take = [&](const Sets& sets) {
    std::copy_if(sets.begin(), sets.end(), std::back_inserter(rivals),
                 [&](const SidecarSetRef& other) { return other->name != set.name; });
  };
  const std::vector<Filing> choices = Choices(set);
  for (const std::string& claim : set.claims()) {
    const auto shelves = by_claim_.find(claim);
    if (shelves == by_claim_.end()) {
      continue;
    }
    for (const auto& [name, shelf] : shelves->second) {
      // Where both ask for values of one label, only sets with a value in common can share a pod.
      const auto same = std::find_if(
          choices.begin(), choices.end(),
          [&, &shelf_name = name](const Filing& filing) { return filing.shelf == shelf_name; });
      if (same == choices.end()) {
        for (const auto& [place, sets] : shelf) {
          take(sets);
        }
        continue;
      }
      for (const std::string& place : same->places) {
        if (const auto found = shelf.find(place); found != shelf.end()) {
          take(found->second);
        }
      }
    }
  }
  std::sort(rivals.begin(), rivals.end(),
            [](const SidecarSetRef& a, const SidecarSetRef& b) { return a->name < b->name; });
  rivals.erase(std::unique(rivals.begin(), rivals.end()), rivals.end());
  return rivals;
}

}  // namespace socle::sidecarset
