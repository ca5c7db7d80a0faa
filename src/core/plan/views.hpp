// Which materialized views cannot stay as they are.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/object.hpp"

namespace specql::plan {

struct GoingView {
    const Object* object;
    const char* reason;
};

// A view is made anew with its query, with a column that it reads (then it is among `readers`), and with a view that it
// reads. In the order in which they can be dropped.
std::vector<GoingView> goingViews(const std::vector<Object>& objects, const CatalogView& catalog,
                                  const std::set<std::string>& readers);

}  // namespace specql::plan
