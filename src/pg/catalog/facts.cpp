#include "pg/catalog/facts.hpp"

#include <algorithm>

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/expression_tree.hpp"
#include "pg/catalog/lookup_path.hpp"
#include "pg/catalog/server_message.hpp"
#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "common/keywords.h"
}

namespace specql::catalog {

namespace {

// States that the parser's stack has room for. A parenthesis takes a few of them.
constexpr int grammarStack = 10000;

// One expression in both encodings.
struct ExpressionText {
    const char* utf8;
    const char* server;
    size_t at(int serverOffset) const { return utf8Offset(server, utf8, static_cast<size_t>(serverOffset)); }
};

// Strings of a parse tree in UTF-8, converted before any C++ object is made of them.
void toUtf8(List* strings) {
    ListCell* cell;
    foreach (cell, strings) {
        char* text = strVal(lfirst(cell));
        const char* converted = specql::toUtf8(text);
        if (converted != text) lfirst(cell) = makeString(const_cast<char*>(converted));
    }
}

void appendStrings(const List* strings, std::vector<std::string>& to) {
    const ListCell* cell;
    foreach (cell, strings)
        to.emplace_back(strVal(lfirst(cell)));
}

void recordNames(const RawExpression& raw, const ExpressionText& text, ExpressionFacts& facts) {
    facts.names.resize(static_cast<size_t>(list_length(raw.names)));
    ListCell* cell;
    foreach (cell, raw.names) {
        const RawName* name = static_cast<RawName*>(lfirst(cell));
        NameUse& use = facts.names[static_cast<size_t>(foreach_current_index(cell))];
        use.offset = text.at(name->offset);
        use.length = nameLength(text.utf8, use.offset);
        appendStrings(name->fields, use.parts);
        if (name->literalPeer != nullptr) use.literalPeer = name->literalPeer;
        if (name->castTo != nullptr) use.castTo = name->castTo;
        use.addend = name->addend;
        use.query = name->query - 1;
        const ListCell* peer;
        std::set<int> seen;
        foreach (peer, name->peers) {
            int index = static_cast<RawName*>(lfirst(peer))->index;
            if (seen.insert(index).second) use.peers.push_back(index);
        }
    }
}

// The entity with the name that the query gives it, if it gives one.
void recordTables(const RawExpression& raw, const ExpressionText& text, ExpressionFacts& facts) {
    const ListCell* cell;
    foreach (cell, raw.queries)
        facts.queries.push_back(text.at(lfirst_int(cell)));
    foreach (cell, raw.tables) {
        const RawTable* table = static_cast<RawTable*>(lfirst(cell));
        TableUse& use = facts.tables.emplace_back();
        use.offset = text.at(table->offset);
        use.length = nameLength(text.utf8, use.offset);
        use.query = table->query - 1;
        use.name = std::string(text.utf8 + use.offset, use.length);
        if (table->alias == nullptr) continue;
        use.alias = table->alias;
        size_t at = use.offset + use.length;
        auto skipBlanks = [&] {
            while (isSpace(text.utf8[at]))
                ++at;
        };
        skipBlanks();
        if (pg_strncasecmp(text.utf8 + at, "as", 2) == 0 && isSpace(text.utf8[at + 2])) {
            at += 2;
            skipBlanks();
        }
        use.length = at + nameLength(text.utf8, at) - use.offset;
    }
}

void recordLiteral(const RawExpression& raw, ExpressionFacts& facts) {
    if (raw.literal == nullptr) return;
    compat::Constant constant = compat::constantOf(raw.literal);
    facts.isLiteral = true;
    if (raw.literalIsBoolean) {
        facts.literalType = "boolean";
        facts.literalValue = constant.text[0] == 't' ? "true" : "false";
        return;
    }
    switch (constant.kind) {
        case compat::ConstKind::null: facts.literalType = "null"; break;
        case compat::ConstKind::integer:
            facts.literalType = "integer";
            facts.literalValue = std::to_string(constant.number);
            break;
        case compat::ConstKind::numeric:
            facts.literalType = "numeric";
            facts.literalValue = constant.text;
            break;
        case compat::ConstKind::boolean:
            facts.literalType = "boolean";
            facts.literalValue = constant.number ? "true" : "false";
            break;
        case compat::ConstKind::text:
            facts.literalType = "text";
            facts.literalValue = constant.text;
            break;
        case compat::ConstKind::bits:
            facts.isLiteral = false;  // a bit string: nothing the language treats in a way of its own
            break;
    }
}

std::vector<int> indexes(const RawExpression& raw, int begin, int end) {
    std::vector<int> result;
    for (int i = begin; i < end; ++i)
        result.push_back(static_cast<RawName*>(list_nth(raw.walked, i))->index);
    return result;
}

void recordPart(const RawExpression& raw, const RawPart* part, ConditionPart& to) {
    switch (part->kind) {
        case RawPart::leaf: to.kind = ConditionPart::Kind::leaf; break;
        case RawPart::missing: to.kind = ConditionPart::Kind::missing; break;
        case RawPart::never: to.kind = ConditionPart::Kind::never; break;
        case RawPart::all: to.kind = ConditionPart::Kind::all; break;
        case RawPart::any: to.kind = ConditionPart::Kind::any; break;
    }
    to.names = indexes(raw, part->begin, part->end);
    const ListCell* cell;
    foreach (cell, part->parts)
        recordPart(raw, static_cast<RawPart*>(lfirst(cell)), to.parts.emplace_back());
}

// The names of one side. Nested comparisons can make them many, so only the first ones are taken.
std::vector<int> sideOf(const RawExpression& raw, int begin, int end) {
    constexpr int most = 64;
    return indexes(raw, begin, Min(end, begin + most));
}

void recordColumns(const RawExpression& raw, const List* columns, std::vector<int>& to) {
    const ListCell* cell;
    std::set<int> seen;
    foreach (cell, columns) {
        int index = nameAt(&raw, static_cast<ColumnRef*>(lfirst(cell))->location)->index;
        if (seen.insert(index).second) to.push_back(index);
    }
}

void recordStructure(const RawExpression& raw, const ExpressionText& text, ExpressionFacts& facts) {
    const ListCell* cell;
    foreach (cell, raw.comparisons) {
        const RawComparison* found = static_cast<RawComparison*>(lfirst(cell));
        facts.comparisons.push_back({sideOf(raw, found->begin, found->middle), sideOf(raw, found->middle, found->end),
                                     found->leftIsName, found->rightIsName, found->otherOperator, found->isEqual});
    }
    recordPart(raw, raw.condition, facts.condition);
    foreach (cell, raw.conditions)
        recordPart(raw, static_cast<RawPart*>(lfirst(cell)), facts.conditions.emplace_back());
    foreach (cell, raw.literals) {
        const RawLiteral* found = static_cast<RawLiteral*>(lfirst(cell));
        LiteralUse& use = facts.literals.emplace_back();
        use.offset = text.at(found->offset);
        use.value = found->text;
        use.isResult = found->isResult;
        use.isInstead = found->isInstead;
        const ListCell* column;
        foreach (column, found->columns)
            use.with.push_back(nameAt(&raw, static_cast<ColumnRef*>(lfirst(column))->location)->index);
    }
    recordColumns(raw, raw.ordered, facts.ordered);
    recordColumns(raw, raw.results, facts.results);
    recordColumns(raw, raw.notNull, facts.notNull);
    foreach (cell, raw.sqlValues) {
        SqlValueUse& use = facts.sqlValues.emplace_back();
        use.offset = text.at(lfirst_int(cell));
        for (size_t i = 0; i < nameLength(text.utf8, use.offset); ++i)
            use.name += toAsciiLower(text.utf8[use.offset + i]);
    }
}

// Pure C++: nothing here calls into the server but to look at bytes.
void record(const RawExpression& raw, const ExpressionText& text, ExpressionFacts& facts) {
    if (raw.refusal.code != Code::none) {
        facts.code = raw.refusal.code;
        facts.error = raw.refusal.message;
        if (raw.refusal.hint != nullptr) facts.hint = raw.refusal.hint;
        facts.errorOffset = text.at(raw.refusal.offset);
        return;
    }
    recordNames(raw, text, facts);
    recordTables(raw, text, facts);
    ListCell* cell;
    foreach (cell, raw.calls) {
        const RawCall* call = static_cast<RawCall*>(lfirst(cell));
        CallUse& use = facts.calls.emplace_back();
        use.offset = text.at(call->offset);
        appendStrings(call->name, use.name);
        use.args = call->args;
    }
    recordStructure(raw, text, facts);
    facts.isJsonPart = raw.isJsonPart;
    recordLiteral(raw, facts);
    facts.ok = true;
}

void refuseComment(ExpressionFacts& facts, std::string_view text) {
    // Finds the first -- or /* that is not inside of quotes.
    size_t offset = 0;
    while (offset + 2 < text.size() && !((text.substr(offset, 2) == "--" || text.substr(offset, 2) == "/*") &&
                                         hasComment(text.substr(0, offset + 2))))
        ++offset;
    facts.code = Code::E003;
    facts.error = sentenceOf(Code::E003);
    facts.hint = hintOf(Code::E003);
    facts.errorOffset = offset;
}

// The hint for a syntax error, by the text at its position.
const char* syntaxHint(const char* text, const char* at) {
    if (const char* meant = spec::syntaxHabit(text, static_cast<size_t>(at - text))) return meant;
    if (at[0] == ';') return "one expression can stand here, not a statement";
    static const char* const statements[] = {"select", "with", "table", "into"};
    for (const char* word : statements) {
        size_t length = strlen(word);
        if (pg_strncasecmp(at, word, length) == 0 && !isalnum(static_cast<unsigned char>(at[length])))
            return "write the value alone, without SELECT; a query goes into an SQL function that the expression calls";
    }
    if (at[0] == '\0') return "the expression ends too early";
    if ((at[0] == '\'' || at[0] == '"') && strchr(at + 1, at[0]) == nullptr)
        return "the quote is never closed; a quote within a text is doubled";
    return "write one value, as in a SELECT list; something before it may be missing";
}

// Records the words at the error and before it that are keywords of PostgreSQL, for hints.
void recordKeywords(std::string_view text, size_t offset, ExpressionFacts& facts) {
    size_t before = std::min(offset, text.size());
    while (before > 0 && !isNamePart(text[before - 1]))
        --before;
    for (size_t place : {offset, before}) {
        size_t begin = std::min(place, text.size()), end = begin;
        while (begin > 0 && isNamePart(text[begin - 1]))
            --begin;
        while (end < text.size() && isNamePart(text[end]))
            ++end;
        std::string word(text.substr(begin, end - begin));
        std::transform(word.begin(), word.end(), word.begin(), toAsciiLower);
        bool qualified = begin > 0 && (text[begin - 1] == '.' || text[begin - 1] == '"');
        int keyword = word.empty() || qualified ? -1 : ScanKeywordLookup(word.c_str(), &ScanKeywords);
        if (keyword >= 0 && ScanKeywordCategories[keyword] != UNRESERVED_KEYWORD) facts.keywords.push_back(word);
    }
}

void recordFailure(const ErrorData* error, ExpressionFacts& facts, const ExpressionText& text) {
    ServerMessage message = describe(error, text.server);
    size_t offset = message.offset < 0 ? 0 : text.at(message.offset);
    facts = ExpressionFacts();
    facts.error = message.text;
    facts.errorOffset = offset;
    // If the stack of the grammar is exhausted, that is reported as a syntax error.
    bool tooDeep =
        error->sqlerrcode == ERRCODE_SYNTAX_ERROR && std::count(text.utf8, text.utf8 + offset, '(') >= grammarStack / 4;
    switch (tooDeep ? ERRCODE_STATEMENT_TOO_COMPLEX : error->sqlerrcode) {
        case ERRCODE_STATEMENT_TOO_COMPLEX:
            facts.code = Code::E013;
            facts.error = sentenceOf(Code::E013);
            facts.hint = hintOf(Code::E013);
            break;
        case ERRCODE_UNTRANSLATABLE_CHARACTER:
        case ERRCODE_CHARACTER_NOT_IN_REPERTOIRE: facts.code = Code::E015; break;
        default:
            facts.code = Code::E002;
            recordKeywords(text.utf8, offset, facts);
            facts.hint = message.hint != nullptr ? message.hint : syntaxHint(text.utf8, text.utf8 + offset);
            break;
    }
}

}  // namespace

void gatherFacts(const std::vector<Text>& expressions, std::vector<ExpressionFacts>* facts) {
    facts->clear();
    facts->resize(expressions.size());
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "specql expression", ALLOCSET_SMALL_SIZES);
    int level = beginLookupPath();
    inBatches(
        static_cast<int>(expressions.size()),
        [&expressions, facts, work](int index) {
            CHECK_FOR_INTERRUPTS();
            const std::string& text = expressions[static_cast<size_t>(index)].value;
            ExpressionFacts& fact = (*facts)[static_cast<size_t>(index)];
            if (hasComment(text)) {
                refuseComment(fact, text);
                return;
            }
            MemoryContext before = MemoryContextSwitchTo(work);
            ExpressionText bothTexts = {text.c_str(), fromUtf8(text)};
            RawExpression* raw = parseExpression(bothTexts.server);
            ListCell* cell;
            foreach (cell, raw->names) {
                RawName* name = static_cast<RawName*>(lfirst(cell));
                toUtf8(name->fields);
                if (name->castTo != nullptr) name->castTo = specql::toUtf8(name->castTo);
            }
            foreach (cell, raw->tables) {
                RawTable* table = static_cast<RawTable*>(lfirst(cell));
                if (table->alias != nullptr) table->alias = specql::toUtf8(table->alias);
            }
            foreach (cell, raw->calls)
                toUtf8(static_cast<RawCall*>(lfirst(cell))->name);
            foreach (cell, raw->literals) {
                RawLiteral* literal = static_cast<RawLiteral*>(lfirst(cell));
                literal->text = specql::toUtf8(literal->text);
            }
            record(*raw, bothTexts, fact);
            MemoryContextSwitchTo(before);
            MemoryContextReset(work);
        },
        [&expressions, facts](int index, ErrorData* error) {
            const std::string& text = expressions[static_cast<size_t>(index)].value;
            bool readable = error->sqlerrcode != ERRCODE_UNTRANSLATABLE_CHARACTER &&
                            error->sqlerrcode != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
            ExpressionText bothTexts = {text.c_str(), readable ? fromUtf8(text) : text.c_str()};
            recordFailure(error, (*facts)[static_cast<size_t>(index)], bothTexts);
        });
    endLookupPath(level);
    MemoryContextDelete(work);
}

}  // namespace specql::catalog
