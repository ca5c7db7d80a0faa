// What an action over several entities says of the elements of its array: of each of them, or of all that are about one
// row, which are added up.
#include <algorithm>

#include "resolve/coordinated.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

constexpr const char* aggregates[] = {"sum", "min", "max", "avg", "count", "bool_and", "bool_or", "every"};

bool isNumber(const std::string& type) {
    for (const char* known : {"smallint", "integer", "bigint", "numeric", "real", "double precision", "interval"})
        if (type == known || startsWith(type, known)) return true;
    return false;
}

bool isWithin(const std::vector<Slice>& slices, size_t offset) {
    return std::any_of(slices.begin(), slices.end(),
                       [&](const Slice& slice) { return offset >= slice.begin && offset < slice.end; });
}

// Calls of aggregates, as far as their closing parentheses.
std::vector<Slice> aggregatesOf(const ExpressionFacts& facts, const std::string& text) {
    std::vector<Slice> found;
    for (const CallUse& call : facts.calls) {
        const std::string& name = call.name.back();
        if (std::find(std::begin(aggregates), std::end(aggregates), name) == std::end(aggregates)) continue;
        const size_t open = text.find('(', call.offset);
        const size_t close = open == std::string::npos ? open : closingParen(text, open);
        if (close == std::string::npos || isWithin(found, call.offset)) continue;
        Slice slice;
        slice.begin = call.offset;
        slice.end = close + 1;
        found.push_back(slice);
    }
    std::sort(found.begin(), found.end(), [](const Slice& one, const Slice& other) { return one.begin < other.begin; });
    return found;
}

bool readsItems(const BoundExpression& bound) {
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const Value& value) { return value.kind == ValueKind::handled; });
}

}  // namespace

void CoordinatedBinder::checkValues(std::vector<ResolvedStep>& steps) {
    for (size_t i = 0; i < steps.size(); i++) {
        ResolvedStep& step = steps[i];
        const bool isItems = result_.items && i == result_.items->step;
        checkWhere(step);
        for (BoundAssignment& set : step.set) {
            if (!isItems) {
                checkBound(step, set.value, nullptr);
                continue;
            }
            for (size_t name = 0; name < set.value.values.size(); name++)
                noteItem(set.value, name);
        }
        for (ResolvedStep& check : step.then) {
            checkParentThere(check.condition);
            checkMessage(check, isItems);
            if (!isItems) {
                checkBound(step, check.condition, &check);
            } else {
                check.ofItems = true;
                for (size_t name = 0; name < check.condition.values.size(); name++)
                    knowItem(check.condition, name);
            }
        }
        if (isItems) {
            checkRefs(step);
            checkCircles(step);
        }
    }
}

// Whoever reads a row that an element leads to must be able to find it.
void CoordinatedBinder::checkRefs(const ResolvedStep& step) {
    Items& items = *result_.items;
    for (const Items::Ref& ref : items.refs) {
        const NamedRow& row = result_.rows[static_cast<size_t>(ref.row)];
        if (row.columns.empty()) continue;
        items.needed.insert(ref.column);
        if (std::any_of(step.set.begin(), step.set.end(),
                        [&](const BoundAssignment& set) { return set.column == ref.column; }))
            continue;
        world_.report(*action_.file, Code::R274, step.spec->target.pos,
                      "a value is read of the " + row.entity->name + " of each element of " + items.parameter +
                          ", and the elements have no " + ref.column,
                      "add " + row.name + " to the fields: of " + items.entity->name);
    }
}

void CoordinatedBinder::checkMessage(const ResolvedStep& check, bool ofItems) {
    for (const BoundExpression& bound : check.messageValues) {
        checkParentThere(bound);
        for (size_t i = 0; i < bound.values.size(); i++) {
            if (bound.values[i].kind != ValueKind::handled) continue;
            const NameUse& use = world_.facts(bound.expression).names[i];
            if (ofItems)
                knowItem(bound, i);
            else
                world_.report(*action_.file, Code::R272, world_.locate(bound.expression, use.offset),
                              join(use.parts, ".") + " is of each element, and the message is of one row",
                              "name a column of that row");
        }
    }
}

// An element's value that something is made of must be there.
void CoordinatedBinder::noteItem(const BoundExpression& bound, size_t name) {
    knowItem(bound, name);
    if (bound.values[name].kind == ValueKind::handled) result_.items->needed.insert(bound.values[name].name);
}

void CoordinatedBinder::knowItem(const BoundExpression& bound, size_t name) {
    const Value& value = bound.values[name];
    if (value.kind != ValueKind::handled) return;
    const Items& items = *result_.items;
    const spec::Step& step = action_.spec->branches.front().steps[items.step];
    const Pos pos = world_.locate(bound.expression, world_.facts(bound.expression).names[name].offset);
    const bool isGiven = std::find(items.given.begin(), items.given.end(), value.name) != items.given.end();
    const bool isSet = std::any_of(step.set.begin(), step.set.end(), [&](const spec::Assignment& set) {
        const ColumnInfo* column = items.entity->columnOf(set.column.value);
        return column && column->name == value.name;
    });
    if (!isGiven && !isSet)
        world_.report(*action_.file, Code::R274, pos,
                      "the elements of " + items.parameter + " have no " + (value.name.empty() ? "new" : value.name),
                      "add it to the fields: of " + items.entity->name);
}

void CoordinatedBinder::checkParentThere(const BoundExpression& bound) {
    if (result_.parentRow < 0) return;
    for (size_t i = 0; i < bound.values.size(); i++) {
        const Value& value = bound.values[i];
        if (value.kind != ValueKind::row || value.context != result_.parentRow) continue;
        const NameUse& use = world_.facts(bound.expression).names[i];
        world_.report(*action_.file, Code::R276, world_.locate(bound.expression, use.offset),
                      join(use.parts, ".") + " is not known yet: what must hold is asked before the " + parent_->name +
                          " is inserted",
                      "use it in fields: or computed: of another entity");
    }
}

void CoordinatedBinder::checkWhere(ResolvedStep& step) {
    if (!step.where) return;
    checkParentThere(step.where);
    const ExpressionFacts& facts = world_.facts(step.where.expression);
    if (step.where.values.size() != facts.names.size()) return;
    for (size_t i = 0; i < step.where.values.size(); i++) {
        if (step.where.values[i].kind != ValueKind::handled) continue;
        noteItem(step.where, i);
        step.ofItems = true;
        const bool isFound =
            std::any_of(facts.comparisons.begin(), facts.comparisons.end(), [&](const ComparisonUse& comparison) {
                if (!comparison.isEqual || !comparison.leftIsName || !comparison.rightIsName) return false;
                const int left = comparison.left.front(), right = comparison.right.front(), own = static_cast<int>(i);
                const int other = left == own ? right : left;
                return (left == own || right == own) &&
                       step.where.values[static_cast<size_t>(other)].kind == ValueKind::target &&
                       isDemanded(facts.condition, comparison);
            });
        if (isFound) continue;
        world_.report(*action_.file, Code::R277, world_.locate(step.where.expression, facts.names[i].offset),
                      "rows are found by the elements if a column is equal to a value of theirs, and not like this",
                      "write " + quoteName(step.target->key.empty() ? "column" : step.target->key) + " = " +
                          join(facts.names[i].parts, ".") + ", and other conditions beside it with AND");
        return;
    }
}

// Nothing but + and - around the values of elements, so that their sum can stand in the place of each.
bool CoordinatedBinder::isLinear(const BoundExpression& bound) const {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    const std::string& text = world_.expressionText(bound.expression);
    if (findKeyword(text, "CASE") != std::string::npos || !facts.tables.empty()) return false;
    std::string word;
    for (size_t at = 0; at < text.size(); at++) {
        if (isWithin(bound.aggregates, at)) continue;
        const char c = text[at];
        if (c == '\'') {
            at = text.find('\'', at + 1);
            if (at == std::string::npos) return false;
            continue;
        }
        if (c == '*' || c == '/' || c == '%' || c == '^' || c == '|' || c == ':' || c == '[') return false;
        if (c == '(' && !word.empty() && word != "and" && word != "or" && word != "not") return false;
        if (isNamePart(c))
            word = (at > 0 && isNamePart(text[at - 1]) ? word : "") + toAsciiLower(c);
        else if (c != ' ' && c != '\n' && c != '\t')
            word.clear();
    }
    return true;
}

void CoordinatedBinder::checkBound(ResolvedStep& step, BoundExpression& bound, ResolvedStep* check) {
    if (!bound || !result_.items) return;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (bound.values.size() != facts.names.size()) return;
    bound.aggregates = aggregatesOf(facts, world_.expressionText(bound.expression));
    std::vector<size_t> bare;
    bool numbers = false, others = false;
    for (size_t i = 0; i < bound.values.size(); i++) {
        const Value& value = bound.values[i];
        const bool within = isWithin(bound.aggregates, facts.names[i].offset);
        if (within &&
            (value.kind == ValueKind::target || (value.kind == ValueKind::row && value.context == result_.parentRow)))
            world_.report(*action_.file, Code::R273, world_.locate(bound.expression, facts.names[i].offset),
                          join(facts.names[i].parts, ".") + " is no value of the elements that are added up",
                          "write it outside of the parentheses");
        if (value.kind != ValueKind::handled) continue;
        noteItem(bound, i);
        if (within) continue;
        bare.push_back(i);
        (isNumber(value.type) ? numbers : others) = true;
    }
    if (bare.empty()) {
        // A sum of nothing of theirs is none that PostgreSQL should be asked for.
        if (!readsItems(bound)) bound.aggregates.clear();
        return;
    }
    const std::string name = join(facts.names[bare.front()].parts, ".");
    const Pos pos = world_.locate(bound.expression, facts.names[bare.front()].offset);
    if (!step.ofItems) {
        world_.report(*action_.file, Code::R272, pos, name + " is of each element, and one value is wanted",
                      "write sum(" + name + "), min(" + name + ") or max(" + name + ")");
        return;
    }
    // A text is asked of each element that is about the row.
    if (check && others && !numbers && bound.aggregates.empty()) {
        check->ofItems = true;
        return;
    }
    if (!others && isLinear(bound)) return;
    world_.report(*action_.file, Code::R273, pos,
                  "several elements may be about one row of " + step.target->name + ", and this says not how " + name +
                      " is added up",
                  others ? "write max(" + name + ") or min(" + name + ")"
                         : "write what is added up as sum(…), for example sum(" + name + ")");
}

// A value that is made of another must not be what that is made of.
void CoordinatedBinder::checkCircles(const ResolvedStep& step) {
    std::map<std::string, std::set<std::string>> needs;
    for (const BoundAssignment& set : step.set) {
        for (const Value& value : set.value.values)
            if (value.kind == ValueKind::handled) needs[set.column].insert(value.name);
        if (!isLate(result_, set) || !result_.items->needed.count(set.column)) continue;
        world_.report(*action_.file, Code::R276, step.spec->target.pos,
                      set.column + " of " + step.target->name +
                          " is not known yet when other values are made of it: it is made of the parent",
                      "use the value of the parent in their place");
    }
    for (const auto& start : needs) {
        std::set<std::string> reached = start.second;
        for (size_t before = 0; before != reached.size();) {
            before = reached.size();
            for (const std::string& name : std::set<std::string>(reached))
                if (auto found = needs.find(name); found != needs.end())
                    reached.insert(found->second.begin(), found->second.end());
        }
        if (!reached.count(start.first)) continue;
        world_.report(*action_.file, Code::R278, step.spec->target.pos,
                      start.first + " of " + step.target->name + " is made of itself",
                      "take it, or what it is made of, from the elements: add it to fields: as a name alone");
        return;
    }
}

}  // namespace specql::resolve
