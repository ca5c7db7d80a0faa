// Runs PostgreSQL's analyser on expressions in which each name has a type.
#pragma once

#include "model/facts.hpp"
#include "pg/compat.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Functions, operators and types that are named without schema are looked up in pg_catalog, then in public. What is
// found outside pg_catalog comes back as a QualifiedUse, because generated code runs with search_path = pg_catalog,
// pg_temp; an operator outside pg_catalog must be written OPERATOR(schema.op).
//
// Fills `results` with one entry per request; all arguments must be held, because a server error may jump over them.
void analyse(const std::vector<Text>& expressions, const std::vector<ExpressionFacts>& facts,
             const std::vector<AnalysisRequest>& requests, std::vector<AnalysisResult>* results);

// Looks up types by the text that a user wrote, on the same search path. Fills `types`, which must be held;
// pseudo-types, shell types, SETOF and %TYPE get an error there.
void lookUpTypes(const std::vector<std::string>& texts, std::map<std::string, TypeView>* types);

// Whether values of a type are compared by = as their order or hash does.
bool hasEquality(Oid type);

}  // namespace specql::catalog
