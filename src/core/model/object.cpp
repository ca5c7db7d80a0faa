#include "model/object.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql {

namespace {

constexpr const char* adoptedMark = "-- an existing table, adopted\n";

}  // namespace

bool leftBehind(const Object& object, const FunctionView& function) {
    if (object.kind != "function" || !function.callerOwns || function.identity != object.identity) return false;
    std::string comment = "COMMENT ON FUNCTION " + object.identity + " IS " + quoteLiteral(function.comment) + ";";
    return !function.comment.empty() &&
           std::find(object.commands.begin(), object.commands.end(), comment) != object.commands.end();
}

bool leftBehind(const Object& object, const TableView& table) {
    if (!table.callerOwns || table.comment.empty()) return false;
    std::string comment = "COMMENT ON TABLE " + object.identity + " IS " + quoteLiteral(table.comment) + ";";
    return std::find(object.commands.begin(), object.commands.end(), comment) != object.commands.end();
}

bool wasAdopted(const std::string& recorded) {
    return recorded.compare(0, std::string(adoptedMark).size(), adoptedMark) == 0;
}

bool leftBehind(const Object& object, const ExtraView& extra) {
    if (object.kind != extra.kind || !extra.callerOwns || extra.identity != object.identity) return false;
    std::string comment = " IS " + quoteLiteral(extra.comment) + ";";
    return std::any_of(object.commands.begin(), object.commands.end(), [&](const std::string& command) {
        return command.compare(0, 11, "COMMENT ON ") == 0 && command.size() > comment.size() &&
               command.compare(command.size() - comment.size(), comment.size(), comment) == 0;
    });
}

std::string Object::sql() const {
    return (adopted ? adoptedMark : "") + join(commands, "\n");
}

std::string tableOf(const InstalledObject& object) {
    if (object.kind == "table") return object.identity;
    size_t on = object.identity.find(" on ");
    if (object.kind == "constraint" || object.kind == "trigger")
        return on == std::string::npos ? "" : object.identity.substr(on + 4);
    size_t begin = object.kind == "index" ? object.sql.find(" ON ") : std::string::npos;
    if (begin == std::string::npos) return {};
    begin += 4;
    return object.sql.substr(begin, std::min(object.sql.find(" (", begin), object.sql.find(" USING ", begin)) - begin);
}

}  // namespace specql
