// Gathers what the core must know of the catalog: plain data about everything that a spec mentions.
#pragma once

#include "model/facts.hpp"

namespace specql::catalog {

// What to gather; the names have no schema.
struct ViewRequest {
    const std::vector<std::string>* tables;
    const std::vector<std::string>* functions;
    const std::vector<std::string>* types;  // type texts
};

// Fills tables, functions, schemas, foreignTypes, types and serverVersion; view->objects must have been read before by
// readObjects(), because it says what specql owns. Runs as the current user and needs an SPI connection. The number of
// queries does not depend on the spec. `view` must be held.
void gatherView(const ViewRequest& request, CatalogView* view);

}  // namespace specql::catalog
