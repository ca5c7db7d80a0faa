#include "resolve/contradiction.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "emit/quote.hpp"
#include "spec/condition.hpp"

namespace specql {

namespace {

// How two values may stand to each other: less, equal, greater.
constexpr unsigned less = 1, equal = 2, greater = 4;

unsigned relationOf(const std::string& comparison) {
    if (comparison == "<") return less;
    if (comparison == "<=") return less | equal;
    if (comparison == ">") return greater;
    if (comparison == ">=") return greater | equal;
    return comparison == "=" ? equal : less | greater;
}

unsigned mirrored(unsigned relation) {
    return (relation & less ? greater : 0) | (relation & equal) | (relation & greater ? less : 0);
}

bool isInteger(const std::string& type) {
    return type == "integer" || type == "bigint" || type == "smallint";
}

// Types whose comparisons are those of one total order, so that intervals may be reasoned about.
bool isOrdered(const std::string& type) {
    return isInteger(type) || type == "numeric" || startsWith(type, "numeric(") || type == "text" || type == "date" ||
           startsWith(type, "timestamp") || type == "uuid";
}

bool isNumber(const std::string& type) {
    return isInteger(type) || type == "numeric" || startsWith(type, "numeric(");
}

// The numbers that a value may still be, and which part of the condition says so.
struct Interval {
    double low = -HUGE_VAL, high = HUGE_VAL;
    bool lowIn = true, highIn = true;
    std::string lowSaid, highSaid;

    bool empty(bool whole) const {
        double from = low, to = high;
        bool in = lowIn && highIn;
        if (whole && std::isfinite(from) && std::isfinite(to)) {
            from = lowIn ? std::ceil(from) : std::floor(from) + 1;
            to = highIn ? std::floor(to) : std::ceil(to) - 1;
            in = true;
        }
        return from > to || (from == to && !in);
    }
};

class Condition {
public:
    Condition(const World& world, const ResolvedAction& action, const BoundExpression& bound)
        : world_(world), action_(action), bound_(bound), text_(world.expressionText(bound.expression)) {
        const std::string& changed = action.binding.changedColumn;
        if (!changed.empty()) {
            std::string shown = "a change of " + changed;
            relate("new." + changed, "old." + changed, less | greater, shown);
        }
    }

    // The two parts that exclude each other, or the one that is never true; empty if none were found.
    std::string contradiction() {
        for (const Atom& atom : readCondition(text_).atoms)
            if (atom.conjunct && problem_.empty()) add(atom);
        return problem_;
    }

private:
    static std::string keyOf(const Value& value) {
        switch (value.kind) {
            case ValueKind::eventColumn: return (value.old ? "old." : "new.") + value.name;
            case ValueKind::context: return "c" + std::to_string(value.context) + "." + value.name;
            case ValueKind::payload: return "p." + value.name;
            default: return "";
        }
    }

    // In an adopted table two different texts may be equal, by a collation of its own.
    bool ours(const Value& value) const {
        const EntityInfo* entity = value.kind == ValueKind::eventColumn ? action_.binding.entity
                                   : value.kind == ValueKind::context
                                       ? action_.contexts[static_cast<size_t>(value.context)].entity
                                       : nullptr;
        return !entity || !entity->present || entity->present->owned;
    }

    // The values that the atom names, in text order.
    std::vector<const Value*> valuesIn(const Atom& atom) const {
        const std::vector<NameUse>& names = world_.facts(bound_.expression).names;
        auto first = std::lower_bound(names.begin(), names.end(), atom.begin,
                                      [](const NameUse& use, size_t offset) { return use.offset < offset; });
        std::vector<const Value*> values;
        for (; first != names.end() && first->offset < atom.end; ++first)
            values.push_back(&bound_.values[static_cast<size_t>(first - names.begin())]);
        return values;
    }

    // The row does not exist: it has no values, and nothing compares with them.
    const char* missingRow(const Value& value) const {
        if (value.kind != ValueKind::eventColumn) return nullptr;
        if (value.old && action_.binding.ops == opInsert) return "an insert has no old row";
        return !value.old && action_.binding.ops == opDelete ? "a delete has no new row" : nullptr;
    }

    void add(const Atom& atom) {
        std::string said = text_.substr(atom.begin, atom.end - atom.begin);
        if (isNeverTrue(said)) {
            problem_ = commentText(said) + " is never true";
            return;
        }
        std::vector<const Value*> values = valuesIn(atom);
        bool isNull = false;
        Bound bound;
        if (readNullTest(said, isNull)) {
            if (values.size() == 1) addNullTest(*values[0], isNull, said);
        } else if (readBound(said, bound)) {
            addBound(bound, values, said);
        }
    }

    void addNullTest(const Value& value, bool isNull, const std::string& said) {
        std::string key = keyOf(value);
        if (key.empty()) return;
        if (const char* missing = isNull ? nullptr : missingRow(value))
            problem_ = commentText(said) + " is never true: " + missing;
        auto& same = isNull ? null_ : notNull_;
        auto& other = isNull ? notNull_ : null_;
        auto found = other.find(key);
        if (found != other.end()) exclude(found->second, said);
        same.emplace(key, said);
    }

    void addBound(const Bound& bound, const std::vector<const Value*>& values, const std::string& said) {
        size_t names = bound.kind == Bound::Kind::name ? 2 : 1;
        if (names == 2 && values.size() == 1 && (bound.other == "null" || bound.name == "null")) {
            problem_ = commentText(said) + " is never true: write IS NULL, or IS NOT NULL";
            return;
        }
        if (values.size() != names) return;
        for (const Value* value : values)
            if (keyOf(*value).empty() || !isOrdered(value->type)) return;
        for (const Value* value : values) {
            if (const char* missing = missingRow(*value)) problem_ = commentText(said) + " is never true: " + missing;
            addNullTest(*value, false, said);
        }
        if (!problem_.empty()) return;
        std::string key = keyOf(*values[0]);
        if (names == 2) {
            relate(key, keyOf(*values[1]), relationOf(bound.comparison), said);
        } else if (bound.kind == Bound::Kind::number && isNumber(values[0]->type) && bound.other.size() < 15) {
            narrow(key, relationOf(bound.comparison), std::strtod(bound.other.c_str(), nullptr),
                   isInteger(values[0]->type), said);
        } else if (bound.kind == Bound::Kind::text && values[0]->type == "text" && ours(*values[0])) {
            compareText(key, bound, said);
        }
    }

    // Equal to one text, and to another, or not to that one.
    void compareText(const std::string& key, const Bound& bound, const std::string& said) {
        if (bound.comparison == "<>") {
            unequal_[key].emplace(bound.other, said);
        } else if (bound.comparison == "=") {
            auto [found, added] = equal_.emplace(key, std::pair(bound.other, said));
            if (!added && found->second.first != bound.other) exclude(found->second.second, said);
        }
        auto wanted = equal_.find(key);
        if (wanted == equal_.end()) return;
        auto refused = unequal_[key].find(wanted->second.first);
        if (refused != unequal_[key].end())
            bound.comparison == "=" ? exclude(refused->second, said) : exclude(wanted->second.second, said);
    }

    void relate(const std::string& left, const std::string& right, unsigned relation, const std::string& said) {
        if (left == right) {
            if (!(relation & equal)) problem_ = said + " compares a value with itself";
            return;
        }
        bool turned = right < left;
        auto [found, added] = relations_.emplace(turned ? std::pair(right, left) : std::pair(left, right),
                                                 std::pair(turned ? mirrored(relation) : relation, said));
        if (added) return;
        unsigned both = found->second.first & (turned ? mirrored(relation) : relation);
        if (!both) exclude(found->second.second, said);
        found->second.first = both;
    }

    void narrow(const std::string& key, unsigned relation, double number, bool whole, const std::string& said) {
        if (relation == (less | greater)) return;
        Interval& interval = intervals_[key];
        if (!(relation & greater) && (number < interval.high || (number == interval.high && !(relation & equal)))) {
            interval.high = number;
            interval.highIn = relation & equal;
            interval.highSaid = said;
        }
        if (!(relation & less) && (number > interval.low || (number == interval.low && !(relation & equal)))) {
            interval.low = number;
            interval.lowIn = relation & equal;
            interval.lowSaid = said;
        }
        if (!interval.empty(whole)) return;
        if (interval.lowSaid.empty() || interval.highSaid.empty() || interval.lowSaid == interval.highSaid)
            problem_ = "no value of its type satisfies " + said;
        else
            exclude(interval.lowSaid, interval.highSaid);
    }

    void exclude(const std::string& one, const std::string& other) {
        problem_ = commentText(one) + " and " + commentText(other) + " exclude each other";
    }

    const World& world_;
    const ResolvedAction& action_;
    const BoundExpression& bound_;
    const std::string& text_;
    std::map<std::pair<std::string, std::string>, std::pair<unsigned, std::string>> relations_;
    std::map<std::string, Interval> intervals_;
    // By value: the text it equals, those it does not, and what says that it is NULL or is not.
    std::map<std::string, std::pair<std::string, std::string>> equal_;
    std::map<std::string, std::map<std::string, std::string>> unequal_;
    std::map<std::string, std::string> null_, notNull_;
    std::string problem_;
};

}  // namespace

std::string contradictionIn(const World& world, const ResolvedAction& action, const BoundExpression& condition) {
    // Where a name is unknown there are no values: that has been reported.
    if (!condition || !world.facts(condition.expression).ok ||
        condition.values.size() != world.facts(condition.expression).names.size())
        return "";
    return Condition(world, action, condition).contradiction();
}

void reportContradictions(World& world, const Resolver& resolver) {
    std::set<int> reported;  // an action of several tables has its conditions several times
    for (const ResolvedAction& action : resolver.actions) {
        if (!action.info->file->fresh || action.window) continue;
        for (const ResolvedBranch& branch : action.branches) {
            std::string problem = contradictionIn(world, action, branch.condition);
            if (problem.empty() || !reported.insert(branch.condition.expression).second) continue;
            world.warning(*action.info->file, "SPQL-R075", world.locate(branch.condition.expression, 0),
                          "this branch can never fire: " + problem, "mend the condition, or take the branch out");
        }
    }
}

}  // namespace specql
