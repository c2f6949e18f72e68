// Prose: the parts of the manual pages that no table of flags knows: what the programs are, files, exit codes.
//
// Threads  constants.
#ifndef SOCLE_PACKAGE_MANUAL_PROSE_H_
#define SOCLE_PACKAGE_MANUAL_PROSE_H_

#include "package/manual/man_page.h"

namespace socle::package {

ManProse ProseOfSocleKv();
ManProse ProseOfSoclectl();
ManProse ProseOfSocleBench();
ManProse ProseOfSoclePlane();

}  // namespace socle::package

#endif  // SOCLE_PACKAGE_MANUAL_PROSE_H_
