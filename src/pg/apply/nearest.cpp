// specql.nearest(word, candidates): the most similar candidate, as the hints of diagnostics suggest it; or NULL.
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "text/source.hpp"

extern "C" {
#include "utils/array.h"
}

namespace specql::apply {

namespace {

// Position of the nearest of `count` texts, or -1; pure C++.
int nearestOf(const char* word, char* const* candidates, int count) {
    std::vector<std::string> names(candidates, candidates + count);
    std::string found = nearest(word, names);
    for (int i = 0; i < count; i++)
        if (!found.empty() && found == names[i]) return i;
    return -1;
}

}  // namespace

SPECQL_FUNCTION(specql_nearest) {
    const char* word = toUtf8(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    Datum* elements;
    bool* nulls;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
    auto** candidates = static_cast<char**>(palloc(sizeof(char*) * (count + 1)));
    for (int i = 0; i < count; i++)
        candidates[i] = nulls[i] ? pstrdup("") : const_cast<char*>(toUtf8(TextDatumGetCString(elements[i])));
    int found = nearestOf(word, candidates, count);
    if (found < 0) PG_RETURN_NULL();
    return elements[found];
}

}  // namespace specql::apply
