// specql.graph: draws what is installed, as Mermaid or DOT.
#include "emit/picture.hpp"
#include "pg/apply/compilation.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/spi.hpp"

namespace specql::apply {

SPECQL_FUNCTION(specql_graph) {
    const char* format = text_to_cstring(PG_GETARG_TEXT_PP(0));
    if (!emit::isPictureFormat(format))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown graph format \"%s\"", format),
                        errhint("The formats are mermaid and dot.")));
    MemoryContext caller = CurrentMemoryContext;
    spi::connect();
    CompileArguments installed;
    installed.installedOnly = true;
    Compilation* compilation = compile(installed);
    requireDone(compilation->compiler.draw(format, compilation->detail));
    const char* picture = fromUtf8(compilation->detail);
    MemoryContext before = MemoryContextSwitchTo(caller);
    Datum result = CStringGetTextDatum(picture);
    MemoryContextSwitchTo(before);
    spi::finish();
    MemoryContextDelete(compilation->context);
    return result;
}

}  // namespace specql::apply
