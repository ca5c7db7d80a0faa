// Runs PostgreSQL's analyser on expressions in which each name has a type.
#pragma once

#include "model/facts.hpp"
#include "text/source.hpp"

namespace specql::catalog {

// Functions, operators and types that are named without schema are looked up in pg_catalog, then in public. What is
// found outside pg_catalog comes back as a QualifiedUse, because generated code runs with search_path = pg_catalog,
// pg_temp; an operator outside pg_catalog must be written OPERATOR(schema.op).
//
// Fills `results` with one entry per request; all arguments must be held, because a server error may jump over them.
// Codes:
//   SPQL-E100 anything else       SPQL-E104 aggregate                SPQL-E108 value PostgreSQL cannot read
//   SPQL-E101 no such function    SPQL-E105 window function          SPQL-E109 result has no type a column can have
//   SPQL-E102 no such operator    SPQL-E106 wrong type               SPQL-E110 no such type
//   SPQL-E103 returns a set       SPQL-E107 operator outside pg_catalog
void analyse(const std::vector<Text>& expressions, const std::vector<ExpressionFacts>& facts,
             const std::vector<AnalysisRequest>& requests, std::vector<AnalysisResult>* results);

// Looks up types by the text that a user wrote, on the same search path. Fills `types`, which must be held;
// pseudo-types, shell types, SETOF and %TYPE get an error there.
void lookUpTypes(const std::vector<std::string>& texts, std::map<std::string, TypeView>* types);

}  // namespace specql::catalog
