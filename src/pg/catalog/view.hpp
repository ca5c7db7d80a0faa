// The catalog as the core sees it: plain data about what a spec mentions.
#pragma once

#include "model/facts.hpp"

namespace specql::catalog {

// What to gather: names without schema, as the Compiler asks for them.
struct ViewRequest {
    const std::vector<std::string>* tables;
    const std::vector<std::string>* functions;
    const std::vector<std::string>* types;  // type texts
};

// Fills tables, functions, schemas, foreignTypes, types and serverVersion; view->objects must have been read before
// (readObjects), because it says what specql owns. Runs as the current user, needs an SPI connection. A fixed number of
// queries. `view` must be held.
void gatherView(const ViewRequest& request, CatalogView* view);

}  // namespace specql::catalog
