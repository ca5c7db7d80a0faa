#include <algorithm>
#include <set>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

constexpr size_t npos = std::string::npos;

// PostgreSQL's own limits (columns of a table, arguments of a function); they also keep hostile texts cheap.
constexpr size_t maxColumns = 1600;
constexpr size_t maxArguments = 100;

// What a step may say of its rows.
struct Takes {
    bool set, where, order, via;
};

Takes takesOf(StepKind kind) {
    switch (kind) {
        case StepKind::update: return {true, true, true, true};
        case StepKind::remove: return {false, true, false, true};
        case StepKind::find:
        case StepKind::each: return {false, true, true, false};
        case StepKind::lock: return {false, true, false, true};
        default: return {true, false, false, false};
    }
}

struct Clause {
    const char* keyword;
    size_t begin = npos;  // of the keyword
    size_t body = npos;   // behind the keyword
    size_t end = npos;
};

// The text between quotes, its doubled quotes made one. False if a quote inside is not doubled.
bool unquote(std::string& text) {
    char quote = text[0];
    std::string out;
    for (size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == quote) {
            if (i + 2 >= text.size() || text[i + 1] != quote) {
                return false;
            }
            ++i;
        }
        out += text[i];
    }
    text = out;
    return true;
}

class StatementReader {
public:
    StatementReader(ReadContext& context, const Text& statement, Step& step)
        : context_(context), value_(statement.value), cursor_(context.source, statement), step_(step) {}

    void read(const yaml::Node* columns) {
        size_t begin = skipSpace(value_, 0);
        size_t name = nameLength(value_, begin);
        if (name == 0) {
            report(Code::S017, begin, std::string("\"") + step_.verb.value + "\" needs the name of " + targetName());
            return;
        }
        step_.target = piece(begin, begin + name);
        size_t rest = skipSpace(value_, begin + name);
        if (cutVia(rest) && cutName(rest) && cutKey(rest) && cutAfter(rest)) {
            readClauses(rest, columns);
        }
    }

    void readFields(const yaml::Node* columns) {
        set_.begin = set_.body = 0;
        set_.end = value_.size();
        columns != nullptr ? readColumns(*columns) : readAssignments();
    }

    // What stands from `rest` on.
    void readClauses(size_t rest, const yaml::Node* columns) {
        cutClauses(rest);
        if (!checkStart(rest) || !checkOrder()) {
            return;
        }
        if (!checkAllowed()) {
            // What is right all the same must not be missed later.
            if (where_.begin != npos && step_.kind == StepKind::remove) {
                step_.where = body(where_);
            }
            return;
        }
        if (set_.begin != npos) {
            columns != nullptr ? readColumns(*columns) : readAssignments();
        }
        if (where_.begin != npos) {
            step_.where = body(where_);
        }
        if (orderBy_.begin != npos) {
            readOrder();
        }
        if (limit_.begin != npos) {
            readLimit();
        }
    }

private:
    const char* targetName() const { return step_.kind == StepKind::emit ? "an event" : "an entity"; }
    // What SET gives a value to.
    std::string assigned() const { return isEntityStep() ? "column" : "key"; }
    bool isEntityStep() const {
        return step_.kind != StepKind::emit && step_.kind != StepKind::callExternal && step_.kind != StepKind::notify &&
               step_.kind != StepKind::escalate;
    }

    void report(Code code, size_t at, const std::string& message, const std::string& hint = {}) {
        context_.diagnostics.report(code, context_.source.position(cursor_.offsetOf(at)), message, hint);
    }

    Text piece(size_t begin, size_t end) { return cursor_.piece(begin, end); }

    // A column's name, taken out of its quotes.
    Text columnPiece(size_t begin, size_t end) {
        Text column = piece(begin, end);
        if (column.value[0] == '"') {
            unquote(column.value);
        }
        return column;
    }

    ExpressionRef body(const Clause& clause) {
        size_t begin = skipSpace(value_, clause.body);
        size_t end = trimEnd(value_, begin, clause.end);
        return context_.expression(piece(begin, std::max(begin, end)));
    }

    // "VIA debit", behind the target's name; `rest` goes behind it. False if it is not understood.
    bool cutVia(size_t& rest) {
        const bool isUpdate = takesOf(step_.kind).via;
        if (findKeyword(value_, "VIA", rest) != rest || rest >= value_.size()) {
            return true;
        }
        size_t begin = skipSpace(value_, keywordEnd(value_, rest, "VIA"));
        size_t name = nameLength(value_, begin);
        if (!isUpdate || name == 0) {
            report(Code::S020, rest,
                   isUpdate ? "VIA needs the name of a ref" : "\"" + step_.verb.value + "\" takes no VIA",
                   "write 'update: Entity VIA ref SET column = expression'");
            return false;
        }
        step_.via = piece(begin, begin + name);
        rest = skipSpace(value_, begin + name);
        return true;
    }

    // "AS c", behind the name of what is found.
    bool cutName(size_t& rest) {
        if (step_.kind != StepKind::find || findKeyword(value_, "AS", rest) != rest || rest >= value_.size()) {
            return true;
        }
        size_t begin = skipSpace(value_, keywordEnd(value_, rest, "AS"));
        size_t name = nameLength(value_, begin);
        if (name == 0 || findKeyword(value_, "WHERE", begin) == begin || value_[begin] == '"' ||
            value_.substr(begin, name).find('.') != npos) {
            report(Code::S222, rest, "AS needs the name by which later steps know the row",
                   "write 'find: " + step_.target.value + " AS name WHERE …'");
            return false;
        }
        step_.variable = piece(begin, begin + name);
        rest = skipSpace(value_, begin + name);
        return true;
    }

    // "ON (product, place)", behind the name of what is written.
    bool cutKey(size_t& rest) {
        if (step_.kind != StepKind::upsert) {
            return true;
        }
        bool isThere = findKeyword(value_, "ON", rest) == rest && rest < value_.size();
        size_t open = isThere ? skipSpace(value_, keywordEnd(value_, rest, "ON")) : npos;
        size_t close = isThere && open < value_.size() && value_[open] == '(' ? closingParen(value_, open) : npos;
        auto isName = [&](const Slice& column) {
            return !column.empty() && nameLength(value_, column.begin) == column.end - column.begin;
        };
        std::vector<Slice> columns = splitTopLevel(value_, ',', open + 1, close == npos ? open + 1 : close);
        if (columns.empty() || columns.size() > maxArguments || !std::all_of(columns.begin(), columns.end(), isName)) {
            report(Code::S221, std::min(rest, value_.size()),
                   "\"upsert\" needs the columns that tell whether the row is there",
                   "write 'upsert: " + step_.target.value + " ON (column, …) SET column = expression'");
            return false;
        }
        for (const Slice& column : columns) {
            step_.key.push_back(columnPiece(column.begin, column.end));
        }
        rest = skipSpace(value_, close + 1);
        return true;
    }

    // "AFTER 2 days", behind the name of an event.
    bool cutAfter(size_t& rest) {
        if (step_.kind != StepKind::emit || findKeyword(value_, "AFTER", rest) != rest || rest >= value_.size()) {
            return true;
        }
        size_t begin = skipSpace(value_, keywordEnd(value_, rest, "AFTER"));
        size_t clause = std::min(findKeyword(value_, "SET", begin), value_.size());
        size_t end = trimEnd(value_, std::min(begin, clause), clause);
        step_.after = piece(std::min(begin, end), end);
        context_.checkDuration("after", step_.after, longestAfterMs);
        rest = clause;
        return true;
    }

    void cutClauses(size_t from) {
        if (findKeyword(value_, "SET", from) == from && from < value_.size()) {
            set_.begin = from;
            from = keywordEnd(value_, from, "SET");
            set_.body = from;
        }
        size_t end = value_.size();
        for (Clause* clause : {&where_, &orderBy_, &limit_}) {
            clause->begin = findKeyword(value_, clause->keyword, from);
            if (clause->begin != npos) {
                clause->body = keywordEnd(value_, clause->begin, clause->keyword);
            }
        }
        // Each ends where the next one that is there begins.
        for (Clause* clause : {&limit_, &orderBy_, &where_, &set_}) {
            if (clause->begin != npos) {
                clause->end = end;
                end = clause->begin;
            }
        }
        firstClause_ = end;
    }

    // What stands between the name and the first clause.
    bool checkStart(size_t rest) {
        if (rest >= value_.size() || firstClause_ == rest) {
            return true;
        }
        std::string word = value_.substr(rest, value_.find_first_of(" \t\n=", rest) - rest);
        std::string hint = step_.kind == StepKind::emit
                               ? didYouMean(word, {"SET", "AFTER"})
                               : didYouMean(word, {"SET", "VIA", "WHERE", "ORDER BY", "LIMIT"});
        report(Code::S018, rest, "\"" + word + "\" cannot stand behind the name of " + targetName(),
               hint.empty() ? "write '" + step_.verb.value + ": " + step_.target.value +
                                  (takesOf(step_.kind).set ? " SET column = expression'" : " WHERE condition'")
                            : hint);
        return false;
    }

    bool checkOrder() {
        size_t before = set_.begin == npos ? 0 : set_.begin;
        for (const Clause* clause : {&where_, &orderBy_, &limit_}) {
            if (clause->begin == npos) {
                continue;
            }
            if (clause->begin < before) {
                report(Code::S019, clause->begin, std::string(clause->keyword) + " stands too early",
                       "the order is SET, WHERE, ORDER BY, LIMIT");
                return false;
            }
            before = clause->begin;
            size_t again = findKeyword(value_, clause->keyword, clause->body);
            if (again != npos) {
                report(Code::S019, again, std::string(clause->keyword) + " is given twice");
                return false;
            }
        }
        return true;
    }

    bool checkAllowed() {
        bool needsSet = step_.kind == StepKind::insert || step_.kind == StepKind::update ||
                        step_.kind == StepKind::append || step_.kind == StepKind::upsert;
        if (needsSet && set_.begin == npos) {
            std::string hint = "write 'SET column = expression', or SET and the columns on the lines below";
            if (step_.kind == StepKind::insert) {
                hint += "; 'create: " + step_.target.value + "' takes the event's values of the same names";
            }
            report(Code::S018, 0, "\"" + step_.verb.value + "\" needs SET", hint);
            return false;
        }
        const Takes takes = takesOf(step_.kind);
        return refuse(set_, takes.set) && refuse(where_, takes.where) && refuse(orderBy_, takes.order) &&
               refuse(limit_, takes.order) && checkFound();
    }

    // Which rows are looked for is said by WHERE alone, and one of several only by their order.
    bool checkFound() {
        bool looks = step_.kind == StepKind::find || step_.kind == StepKind::each;
        if (looks && where_.begin == npos) {
            report(Code::S222, 0, "\"" + step_.verb.value + "\" needs WHERE",
                   "write which rows of " + step_.target.value + " are meant; WHERE true means every one");
            return false;
        }
        if (step_.kind != StepKind::find || (orderBy_.begin == npos && limit_.begin == npos)) {
            return true;
        }
        size_t begin = limit_.begin == npos ? npos : skipSpace(value_, limit_.body);
        bool isOne = begin < value_.size() && value_.substr(begin, trimEnd(value_, begin, limit_.end) - begin) == "1";
        if (isOne && orderBy_.begin != npos) {
            return true;
        }
        report(Code::S222, std::min(orderBy_.begin, limit_.begin), "\"find\" is about one row",
               "the first one of several is 'WHERE … ORDER BY … LIMIT 1'; each of them 'foreach: row in " +
                   step_.target.value + " WHERE …'");
        return false;
    }

    bool refuse(const Clause& clause, bool isAllowed) {
        if (isAllowed || clause.begin == npos) {
            return true;
        }
        bool ofRows = step_.kind == StepKind::remove && &clause != &set_;
        report(Code::S020, clause.begin, "\"" + step_.verb.value + "\" takes no " + clause.keyword,
               ofRows
                   ? "a delete takes every row that fits its WHERE; rows are taken in order, and so many, by an update"
                   : "");
        return false;
    }

    void addAssignment(const Text& column, ExpressionRef value) {
        if (!columnsSeen_.insert(column.value).second) {
            context_.diagnostics.report(Code::S025, column.pos, assigned() + " \"" + column.value + "\" is set twice");
            return;
        }
        if (value) {
            step_.set.push_back({column, value});
        }
    }

    void readColumns(const yaml::Node& columns) {
        if (skipSpace(value_, set_.body) < set_.end) {
            report(Code::S018, set_.body, assigned() + "s stand both behind SET and below it",
                   "write them in one place");
            return;
        }
        if (columns.entries.size() > maxColumns) {
            report(Code::S018, set_.begin, "SET has more than 1600 " + assigned() + "s");
            return;
        }
        for (const yaml::Entry& entry : columns.entries) {
            if (entry.key.empty()) {
                context_.diagnostics.report(Code::S004, entry.key.pos, "the name of a " + assigned() + " is empty");
            } else if (entry.value.kind == yaml::Node::Kind::scalar) {
                addAssignment(entry.key, context_.queryable(entry.value.scalar));
            } else if (entry.value.kind == yaml::Node::Kind::null) {
                context_.diagnostics.report(Code::S004, entry.key.pos,
                                            assigned() + " \"" + entry.key.value + "\" has no value",
                                            "write an SQL expression; null is one");
            } else {
                context_.diagnostics.report(Code::S003, entry.value.pos,
                                            assigned() + " \"" + entry.key.value + "\" must be an SQL expression",
                                            "for JSON write \"jsonb_build_object('key', value)\"");
            }
        }
    }

    void readAssignments() {
        std::vector<Slice> items = splitTopLevel(value_, ',', set_.body, set_.end);
        if (items.empty()) {
            report(Code::S018, set_.begin, "SET must be followed by " + assigned() + "s and their values",
                   "write 'SET " + assigned() + " = expression', or the " + assigned() +
                       "s on the lines below, deeper than this one");
        }
        if (items.size() > maxColumns) {
            report(Code::S018, set_.begin, "SET has more than 1600 " + assigned() + "s");
            return;
        }
        for (const Slice& item : items) {
            readAssignment(item);
        }
    }

    // `x += 1` and `(a, b) = …` as they are written here; empty if it is neither.
    std::string assignmentHint(const Slice& item, size_t name, size_t at) const {
        if (value_[item.begin] == '(') {
            return "write 'SET a = …, b = …': each " + assigned() + " has its own value";
        }
        size_t sign = at;
        while (sign < item.end && std::string("+-*/|").find(value_[sign]) != npos) {
            ++sign;
        }
        if (name == 0 || sign == at || sign >= item.end || value_[sign] != '=') {
            return {};
        }
        std::string column = value_.substr(item.begin, name);
        size_t right = skipSpace(value_, sign + 1);
        return "write '" + column + " = " + column + " " + value_.substr(at, sign - at) + " " +
               value_.substr(right, std::max(right, item.end) - right) + "'";
    }

    void readAssignment(const Slice& item) {
        if (item.empty()) {
            report(Code::S018, item.begin, "an assignment is missing between two commas");
            return;
        }
        size_t name = std::min(nameLength(value_, item.begin), item.end - item.begin);
        size_t equals = skipSpace(value_, item.begin + name);
        bool isColumn = name > 0 && value_[item.begin] != '.' &&
                        (value_[item.begin] == '"' || value_.substr(item.begin, name).find('.') == npos);
        if (!isColumn || equals >= item.end || value_[equals] != '=') {
            if (std::string hint = assignmentHint(item, name, equals); !hint.empty()) {
                report(Code::S018, item.begin, "SET needs '" + assigned() + " = expression' here", hint);
                return;
            }
            report(Code::S018, item.begin, "SET needs '" + assigned() + " = expression' here",
                   "a ',' inside an expression must stand in parentheses or quotes");
            return;
        }
        size_t begin = std::min(skipSpace(value_, equals + 1), item.end);
        // In this order: the cursor only goes forward.
        Text column = columnPiece(item.begin, item.begin + name);
        addAssignment(column, context_.queryable(piece(begin, item.end)));
    }

    void readOrder() {
        std::vector<Slice> items = splitTopLevel(value_, ',', orderBy_.body, orderBy_.end);
        if (items.empty() || items.size() > maxArguments) {
            report(Code::S022, orderBy_.begin, "ORDER BY needs one to 100 expressions");
            return;
        }
        for (const Slice& item : items) {
            OrderItem order = readOrderItem(context_, piece(item.begin, item.end));
            if (order.value) {
                step_.orderBy.push_back(order);
            }
        }
    }

    // An expression, or "SUM(column) <= expression".
    void readLimit() {
        size_t begin = skipSpace(value_, limit_.body);
        size_t end = trimEnd(value_, begin, limit_.end);
        bool isSum = findKeyword(value_, "SUM", begin) == begin && begin < end;
        size_t open = isSum ? skipSpace(value_, begin + 3) : npos;
        if (!isSum || open >= end || value_[open] != '(') {
            step_.limit = body(limit_);
            return;
        }
        size_t close = closingParen(value_, open);
        size_t column = skipSpace(value_, open + 1);
        size_t name = nameLength(value_, column);
        size_t op = close == npos ? end : skipSpace(value_, close + 1);
        bool isColumn = name > 0 && close != npos && skipSpace(value_, column + name) == close;
        if (!isColumn || op + 2 > end || value_.compare(op, 2, "<=") != 0) {
            report(Code::S022, begin, "this must be written 'LIMIT SUM(column) <= expression'");
            return;
        }
        Text sum = columnPiece(column, column + name);
        size_t right = std::min(skipSpace(value_, op + 2), end);
        step_.limit = context_.expression(piece(right, end));
        if (step_.limit) {
            step_.limitSum = sum;
        }
    }

    ReadContext& context_;
    const std::string& value_;
    TextCursor cursor_;
    Step& step_;
    Clause set_{"SET"};
    Clause where_{"WHERE"};
    Clause orderBy_{"ORDER BY"};
    Clause limit_{"LIMIT"};
    size_t firstClause_ = npos;
    std::set<std::string> columnsSeen_;
};

// Takes the keyword off the end of the text if it stands there.
bool cutSuffix(const std::string& value, size_t& end, const std::string& keyword) {
    std::string item = value.substr(0, end);
    size_t at = findKeyword(item, keyword);
    if (at == npos || keywordEnd(item, at, keyword) != item.size()) {
        return false;
    }
    end = trimEnd(value, 0, at);
    return true;
}

}  // namespace

OrderItem readOrderItem(ReadContext& context, const Text& text) {
    OrderItem order;
    size_t end = trimEnd(text.value, 0, text.value.size());
    if (cutSuffix(text.value, end, "NULLS FIRST")) {
        order.nulls = 1;
    } else if (cutSuffix(text.value, end, "NULLS LAST")) {
        order.nulls = 2;
    }
    if (cutSuffix(text.value, end, "DESC")) {
        order.descending = true;
    } else {
        cutSuffix(text.value, end, "ASC");
    }
    order.value = context.expression(context.source.piece(text, 0, end));
    return order;
}

void readStatement(ReadContext& context, const Text& statement, const yaml::Node* columns, Step& step) {
    StatementReader(context, statement, step).read(columns);
}

void readOwnFields(ReadContext& context, const Text& text, const yaml::Node* columns, Step& step) {
    StatementReader(context, text, step).readFields(columns);
}

void readSet(ReadContext& context, const Text& text, const yaml::Node* columns, Step& step) {
    StatementReader(context, text, step).readClauses(0, columns);
}

}  // namespace specql::spec
