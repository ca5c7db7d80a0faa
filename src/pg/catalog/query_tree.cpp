// Queries in values: (SELECT … FROM Entity …) and EXISTS (…), with what is allowed in them.
#include <algorithm>
#include <initializer_list>

#include "pg/catalog/expression_walk.hpp"

extern "C" {
#include "common/keywords.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
}

namespace specql::catalog {

namespace {

bool isWordPart(char c) {
    return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || (c & 0x80) != 0;
}

// A keyword that no table can have as a name without quotes.
bool isTakenWord(const char* word, size_t length) {
    char lower[NAMEDATALEN];
    if (length == 0 || length >= NAMEDATALEN) return false;
    for (size_t i = 0; i < length; ++i)
        lower[i] = static_cast<char>(pg_ascii_tolower(static_cast<unsigned char>(word[i])));
    lower[length] = '\0';
    int keyword = ScanKeywordLookup(lower, &ScanKeywords);
    return keyword >= 0 && (ScanKeywordCategories[keyword] == RESERVED_KEYWORD ||
                            ScanKeywordCategories[keyword] == TYPE_FUNC_NAME_KEYWORD);
}

struct Word {
    const char* text;
    size_t length;
};

bool isAnyOf(const Word& word, std::initializer_list<const char*> known) {
    return std::any_of(known.begin(), known.end(), [&](const char* one) {
        return word.length == strlen(one) && pg_strncasecmp(word.text, one, word.length) == 0;
    });
}

// What is open at a place of a text.
struct Level {
    bool isQuery;  // a parenthesis, with SELECT behind it
    bool isFirst;  // no word so far
};

bool refuse(Walk* walk, Code code, int offset, const char* message, const char* hint) {
    walk->result->refusal = {code, message, hint, Max(offset, 0)};
    return true;
}

constexpr char functionHint[] = "put the query into an SQL function and call that";

bool refusePart(Walk* walk, int offset, const char* part) {
    return refuse(
        walk, Code::E016, offset, psprintf("a query in a value cannot have %s", part),
        "it has SELECT, FROM with entities and JOIN … ON, WHERE, ORDER BY and LIMIT; for more, put the query into "
        "an SQL function and call that");
}

bool walkTable(::Node** link, int query, Walk* walk) {
    check_stack_depth();
    ::Node* node = *link;
    if (IsA(node, JoinExpr)) {
        JoinExpr* join = reinterpret_cast<JoinExpr*>(node);
        if (join->isNatural || join->usingClause != NIL) return refusePart(walk, query, "NATURAL or USING");
        if (join->jointype == JOIN_FULL || join->jointype == JOIN_RIGHT || join->alias != nullptr)
            return refusePart(walk, query, "a FULL or RIGHT JOIN, or a name for a JOIN");
        return walkTable(&join->larg, query, walk) || walkTable(&join->rarg, query, walk) ||
               walkNode(join->quals, walk);
    }
    if (!IsA(node, RangeVar)) return refusePart(walk, query, "anything but entities behind FROM");
    RangeVar* table = reinterpret_cast<RangeVar*>(node);
    if (table->catalogname != nullptr || !table->inh || (table->alias != nullptr && table->alias->colnames != NIL))
        return refusePart(walk, table->location, "ONLY, a database or names of columns behind an entity");
    RawTable* found = static_cast<RawTable*>(palloc0(sizeof(RawTable)));
    found->offset = table->location;
    found->query = walk->query;
    found->alias = table->alias != nullptr ? table->alias->aliasname : nullptr;
    found->called = found->alias != nullptr ? found->alias : table->relname;
    found->link = link;
    walk->result->tables = lappend(walk->result->tables, found);
    return false;
}

// What stands in a query that may not. `offset`: of the query.
bool refuseParts(const SelectStmt* statement, int offset, Walk* walk) {
    struct {
        const char* name;
        bool isThere;
    } const parts[] = {
        {"WITH", statement->withClause != nullptr},
        {"FOR UPDATE or another lock", statement->lockingClause != NIL},
        {"UNION, INTERSECT or EXCEPT", statement->op != SETOP_NONE},
        {"VALUES", statement->valuesLists != NIL},
        {"INTO", statement->intoClause != nullptr},
        {"DISTINCT ON", statement->distinctClause != NIL && linitial(statement->distinctClause) != nullptr},
        {"GROUP BY or HAVING", statement->groupClause != NIL || statement->havingClause != nullptr},
        {"WINDOW", statement->windowClause != NIL},
        {"WITH TIES", statement->limitOption == LIMIT_OPTION_WITH_TIES},
    };
    for (const auto& part : parts)
        if (part.isThere) return refusePart(walk, offset, part.name);
    if (list_length(statement->fromClause) == 0)
        return refuse(walk, Code::E016, offset, "a query in a value needs FROM and an entity",
                      "write the value alone, or look it up: (SELECT field FROM Entity WHERE …)");
    if (list_length(statement->fromClause) > 1) return refusePart(walk, offset, "several entities separated by commas");
    return false;
}

bool isStar(const ::Node* node) {
    return node != nullptr && IsA(node, ColumnRef) &&
           IsA(llast(reinterpret_cast<const ColumnRef*>(node)->fields), A_Star);
}

bool walkParts(SelectStmt* statement, bool exists, Walk* walk) {
    ListCell* cell;
    foreach (cell, statement->fromClause)
        if (walkTable(reinterpret_cast<::Node**>(&lfirst(cell)), walk->queryOffset, walk)) return true;
    foreach (cell, statement->targetList) {
        ResTarget* target = lfirst_node(ResTarget, cell);
        if (exists && isStar(target->val)) continue;
        if (walkNode(target->val, walk)) return true;
    }
    if (walkNode(statement->whereClause, walk)) return true;
    foreach (cell, statement->sortClause) {
        SortBy* sort = lfirst_node(SortBy, cell);
        if (sort->useOp != NIL) return refusePart(walk, sort->location, "ORDER BY … USING");
        if (walkNode(sort->node, walk)) return true;
    }
    return walkNode(statement->limitCount, walk) || walkNode(statement->limitOffset, walk);
}

}  // namespace

bool walkQuery(SubLink* link, Walk* walk) {
    bool exists = link->subLinkType == EXISTS_SUBLINK;
    if (!exists && link->subLinkType != EXPR_SUBLINK)
        return refuse(walk, Code::E016, link->location, "a query can be one value, or EXISTS (…)",
                      "for IN (SELECT …) write EXISTS (SELECT FROM Entity WHERE …)");
    if (walk->query > 0)
        return refuse(walk, Code::E016, link->location, "a query cannot stand in another one",
                      "JOIN the entities, or put it into an SQL function and call that");
    if (link->subselect == nullptr || !IsA(link->subselect, SelectStmt))
        return refuse(walk, Code::E016, link->location, "only a SELECT can stand here", functionHint);
    SelectStmt* statement = reinterpret_cast<SelectStmt*>(link->subselect);
    if (refuseParts(statement, link->location, walk)) return true;
    if (!exists && list_length(statement->targetList) != 1)
        return refuse(walk, Code::E016, link->location, "a query in a value selects one value", nullptr);
    walk->result->queries = lappend_int(walk->result->queries, link->location);
    RawPart* part = walk->part;
    walk->query = list_length(walk->result->queries);
    walk->queryOffset = link->location;
    bool refused = walkParts(statement, exists, walk);
    walk->query = 0;
    walk->part = part;
    walk->covered = walk->direct = false;
    return refused;
}

char* withoutTakenWords(const char* text) {
    char* masked = pstrdup(text);
    Level levels[64] = {};
    int depth = 0, queries = 0;
    Word word = {"", 0}, before = word, earlier = word;
    for (size_t at = 0; text[at] != '\0';) {
        char c = text[at];
        if (c == '\'' || c == '"') {
            const char* end = strchr(text + at + 1, c);
            if (end == nullptr) break;
            at = static_cast<size_t>(end - text) + 1;
            levels[depth].isFirst = false;
        } else if (c == '(') {
            if (++depth >= static_cast<int>(lengthof(levels))) break;
            levels[depth] = {false, true};
            ++at;
        } else if (c == ')') {
            if (depth == 0) break;
            queries -= levels[depth].isQuery ? 1 : 0;
            --depth;
            ++at;
        } else if (isWordPart(c)) {
            size_t end = at;
            while (isWordPart(text[end]))
                ++end;
            earlier = before;
            before = word;
            word = {text + at, end - at};
            bool opens = levels[depth].isFirst && isAnyOf(word, {"select", "with", "delete"});
            if (opens) {
                levels[depth].isQuery = true;
                ++queries;
            }
            levels[depth].isFirst = false;
            // FROM and JOIN name a table; a '.' stands behind the name of one.
            bool isName = levels[depth].isQuery && !opens && !isAnyOf(word, {"only", "lateral"});
            bool behindFrom = isAnyOf(before, {"from"}) && !isAnyOf(earlier, {"distinct"});
            bool namesTable = isName && (behindFrom || isAnyOf(before, {"join", "only"}));
            bool isQualifier = queries > 0 && text[end] == '.';
            if ((namesTable || isQualifier) && isTakenWord(word.text, word.length))
                memset(masked + at, '_', word.length);
            at = end;
        } else {
            if (!isspace(static_cast<unsigned char>(c))) levels[depth].isFirst = false;
            ++at;
        }
    }
    return masked;
}

void restoreTakenWords(const char* text, const char* masked, RawExpression* expression) {
    ListCell* cell;
    foreach (cell, expression->names) {
        RawName* name = static_cast<RawName*>(lfirst(cell));
        if (masked[name->offset] != '_' || text[name->offset] == '_') continue;
        size_t length = strcspn(text + name->offset, ". \t\n\r");
        char* word = asc_tolower(text + name->offset, length);
        name->fields = list_copy(name->fields);
        linitial(name->fields) = makeString(word);
    }
    foreach (cell, expression->tables) {
        RawTable* table = static_cast<RawTable*>(lfirst(cell));
        if (table->alias != nullptr || masked[table->offset] != '_' || text[table->offset] == '_') continue;
        size_t length = 0;
        while (isWordPart(text[table->offset + length]))
            ++length;
        table->called = asc_tolower(text + table->offset, length);
    }
}

void replaceTable(const RawTable* table, const char* columns) {
    const char* text = psprintf("SELECT FROM (SELECT %s) AS %s", columns, quote_identifier(table->called));
    SelectStmt* statement = castNode(SelectStmt, linitial_node(RawStmt, raw_parser(text, RAW_PARSE_DEFAULT))->stmt);
    *table->link = static_cast<::Node*>(linitial(statement->fromClause));
}

}  // namespace specql::catalog
