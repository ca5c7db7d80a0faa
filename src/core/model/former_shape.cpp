#include "model/former_shape.hpp"

#include "text/sql_text.hpp"

namespace specql {

namespace {

bool startsWith(const std::string& text, const std::string& prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

bool endsWith(const std::string& text, const std::string& suffix) {
    return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// Cuts the name off that the text begins with, and the space behind it.
std::string takeName(std::string& text) {
    size_t length = nameLength(text, 0);
    std::string name = text.substr(0, length);
    text.erase(0, length + 1);
    return name;
}

std::string bare(const std::string& name) {
    std::vector<std::string> parts = nameParts(name);
    return parts.empty() ? name : parts.back();
}

// What stands in the parentheses that the text ends with.
std::string parenthesized(const std::string& text) {
    size_t open = text.find('(');
    return text.substr(open + 1, closingParen(text, open) - open - 1);
}

// quoteLiteral() wrote it.
std::string literalValue(const std::string& literal) {
    bool escapes = literal[0] == 'E';
    std::string value;
    for (size_t at = escapes ? 2 : 1; at + 1 < literal.size(); at++) {
        char c = literal[at];
        bool isEscape = escapes && c == '\\';
        if (isEscape || c == '\'') c = literal[++at];
        value += isEscape && c == 'n' ? '\n' : isEscape && c == 'r' ? '\r' : c;
    }
    return value;
}

void readConstraint(std::string text, TableShape& shape) {
    text.erase(0, std::string("CONSTRAINT ").size());
    std::string name = takeName(text);
    if (startsWith(text, "PRIMARY KEY"))
        shape.key = {bare(parenthesized(text))};
    else
        shape.checks.push_back({bare(name), parenthesized(text), ""});
}

void readColumn(std::string text, TableShape& shape) {
    ShapeColumn& column = shape.columns.emplace_back();
    column.name = bare(takeName(text));
    const std::string notNull = " NOT NULL";
    column.notNull = endsWith(text, notNull);
    if (column.notNull) text.resize(text.size() - notNull.size());
    size_t value = findKeyword(text, "DEFAULT");
    if (value == std::string::npos) {
        column.type = text;
        return;
    }
    column.type = text.substr(0, value - 1);
    column.defaultValue = text.substr(value + std::string("DEFAULT ").size());
}

// COMMENT ON TABLE t IS '…'; or COMMENT ON COLUMN t.c IS '…';
void readComment(const std::string& line, TableShape& shape) {
    const std::string ofTable = "COMMENT ON TABLE ", ofColumn = "COMMENT ON COLUMN ";
    bool isColumn = startsWith(line, ofColumn);
    if (!isColumn && !startsWith(line, ofTable)) return;
    std::string text = line.substr(isColumn ? ofColumn.size() : ofTable.size());
    std::string name = bare(takeName(text)), is = "IS ";
    std::string comment = literalValue(text.substr(is.size(), text.size() - is.size() - 1));
    if (!isColumn) shape.comment = comment;
    for (ShapeColumn& column : shape.columns)
        if (isColumn && column.name == name) column.comment = comment;
}

}  // namespace

TableShape formerShape(const std::string& commands) {
    TableShape shape;
    const std::string adopted = "-- an existing table, adopted\n", create = "CREATE TABLE ";
    shape.adopted = startsWith(commands, adopted);
    size_t begin = (shape.adopted ? adopted.size() : 0) + create.size();
    size_t open = begin + nameLength(commands, begin) + 1, close = closingParen(commands, open);
    for (const Slice& slice : splitTopLevel(commands, ',', open + 1, close)) {
        std::string text = commands.substr(slice.begin, slice.end - slice.begin);
        if (startsWith(text, "CONSTRAINT "))
            readConstraint(text, shape);
        else
            readColumn(text, shape);
    }
    // A line end within a literal is written as \n.
    for (size_t at = close, end = 0; at < commands.size(); at = end + 1) {
        end = std::min(commands.find('\n', at), commands.size());
        readComment(commands.substr(at, end - at), shape);
    }
    shape.implied = endsWith(shape.comment, ", made from the steps that write it");
    return shape;
}

}  // namespace specql
