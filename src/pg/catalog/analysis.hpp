// Types: what PostgreSQL's analyser makes of an expression once each name in it has a type.
#pragma once

#include "model/facts.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Functions, operators and types that are named without schema are looked up in pg_catalog, then in public. What is
// found outside pg_catalog comes back as a QualifiedUse, because generated code runs with search_path = pg_catalog,
// pg_temp; an operator outside pg_catalog must be written OPERATOR(schema.op).
//
// Fills `results` with one entry per request; all arguments must be held (a server error may fly through).
void analyse(const std::vector<Text>& expressions, const std::vector<ExpressionFacts>& facts,
             const std::vector<AnalysisRequest>& requests, std::vector<AnalysisResult>* results);

// Types by the text a user wrote, found on the same path. `types` must be held. Pseudo-types, shell types, SETOF and
// %TYPE are refused.
void lookUpTypes(const std::vector<std::string>& texts, std::map<std::string, TypeView>* types);

}  // namespace specql::catalog
