// The images of an update as they are kept, and as they are shown.
//
// Kept is the new row, and of the old one what changed: {"new": {…}, "was": {…}}. What is shown has both rows whole,
// {"new": {…}, "old": {…}}: the old one has the values of the new one where there is no other. Data that was kept with
// both rows, as other operations have it and updates had it before, or with specql.event_images = whole, is shown as it
// is.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// The key of the old row's changed columns.
constexpr char changedKey[] = "was";

// The data of a row event with whole images: `data` itself if it has no others, else in the current memory context.
Jsonb* wholeImages(Jsonb* data);
Datum wholeImages(Datum data);

}  // namespace specql::capture
