// The text of generated functions.
#include "emit/emit.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

std::string wrapList(const std::vector<std::string>& items, size_t spaces) {
    constexpr size_t width = 100;
    std::string text;
    size_t line = spaces;
    for (size_t i = 0; i < items.size(); i++) {
        bool wrap = i > 0 && line + items[i].size() + 2 > width;
        if (wrap) {
            text += ",\n" + std::string(spaces, ' ');
            line = spaces;
        } else if (i > 0) {
            text += ", ";
        }
        text += items[i];
        line += items[i].size() + 2;
    }
    return text;
}

Object functionObject(const FunctionText& text, const std::string& unit) {
    std::string name = quoteName(text.schema, text.name);
    std::string identity = name + "(" + withoutModifiers(text.identityArguments) + ")";
    std::string sql =
        "CREATE FUNCTION " + name + "(" + text.arguments + ")\nRETURNS " + text.returns + "\nLANGUAGE " + text.language;
    if (!text.attributes.empty()) sql += " " + text.attributes;
    if (text.definer) sql += " SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp";
    if (text.atomic)
        sql += "\nBEGIN ATOMIC\n" + indent(text.body, 4) + "END;";
    else
        sql += "\nAS " + dollarQuote("\n" + text.body, "function") + ";";
    Object object;
    object.kind = "function";
    object.identity = identity;
    object.unit = unit;
    object.signature = text.arguments + ") " + text.returns;
    object.commands.push_back(std::move(sql));
    // PUBLIC may not execute it. Trigger functions need no REVOKE, because nobody can call them.
    if (text.definer && text.returns != "trigger")
        object.commands.push_back("REVOKE ALL ON FUNCTION " + identity + " FROM PUBLIC;");
    object.commands.push_back("COMMENT ON FUNCTION " + identity + " IS " + quoteLiteral(text.comment) + ";");
    return object;
}

}  // namespace specql::emit
