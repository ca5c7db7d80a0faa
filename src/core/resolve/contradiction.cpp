#include "resolve/contradiction.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "spec/condition.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

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
    // `missingRows`: what is asked of a row that there never is counts as well.
    Condition(const World& world, const ResolvedAction& action, const BoundExpression& bound, bool missingRows)
        : world_(world),
          action_(action),
          bound_(bound),
          text_(world.expressionText(bound.expression)),
          missingRows_(missingRows) {
        const std::string& changed = action.binding.changedColumn;
        // Of an update that is one of several events, nothing is sure.
        const bool isSure = action.binding.ops == opUpdate || !action.binding.value.empty();
        if (!changed.empty() && action.binding.others.empty() && isSure) {
            std::string shown = "a change of " + changed;
            relate("new." + changed, "old." + changed, less | greater, shown);
        }
    }

    // The two parts that exclude each other, or the one that is never true; empty if none were found.
    std::string contradiction() {
        for (const spec::Atom& atom : spec::readCondition(text_).atoms)
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
    std::vector<const Value*> valuesIn(const spec::Atom& atom) const {
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
        if (value.kind != ValueKind::eventColumn || !missingRows_) return nullptr;
        if (value.old && action_.binding.ops == opInsert) return "an insert has no old row";
        return !value.old && action_.binding.ops == opDelete ? "a delete has no new row" : nullptr;
    }

    void add(const spec::Atom& atom) {
        std::string said = text_.substr(atom.begin, atom.end - atom.begin);
        if (spec::isNeverTrue(said)) {
            problem_ = commentText(said) + " is never true";
            return;
        }
        std::vector<const Value*> values = valuesIn(atom);
        bool isNull = false;
        spec::Bound bound, high;
        spec::Choice choice;
        if (spec::readNullTest(said, isNull)) {
            if (values.size() == 1) addNullTest(*values[0], isNull, said);
        } else if (spec::readBound(said, bound)) {
            addBound(bound, values, said);
        } else if (spec::readBetween(said, bound, high)) {
            if (bound.kind == spec::Bound::Kind::text && high.kind == bound.kind && high.other < bound.other &&
                sortsAlike(bound.other, high.other) && values.size() == 1) {
                problem_ = commentText(said) + " is never true: the smaller value comes first";
                return;
            }
            // Each end is a comparison with the values that it names.
            size_t middle = bound.kind == spec::Bound::Kind::name ? 2 : 1;
            if (values.size() < middle) return;
            addBound(bound, {values.begin(), values.begin() + static_cast<long>(middle)}, said);
            std::vector<const Value*> ofHigh = {values.front()};
            ofHigh.insert(ofHigh.end(), values.begin() + static_cast<long>(middle), values.end());
            if (problem_.empty()) addBound(high, ofHigh, said);
        } else if (spec::readChoice(said, choice)) {
            addChoice(choice, values, said);
        }
    }

    // Texts of digits, as dates and times are written, are in one order whatever the collation.
    static bool sortsAlike(const std::string& left, const std::string& right) {
        const char* plain = "0123456789-: ";
        return left.size() == right.size() && left.find_first_not_of(plain) == std::string::npos &&
               right.find_first_not_of(plain) == std::string::npos;
    }

    void addChoice(const spec::Choice& choice, const std::vector<const Value*>& values, const std::string& said) {
        bool empty = choice.numbers.empty() && choice.texts.empty();
        if (choice.hasNull && (choice.isNegated || empty)) {
            problem_ = commentText(said) + " is never true, because of the NULL: write IS NULL, or IS NOT NULL";
            return;
        }
        if (values.size() != 1 || choice.isNegated) return;
        std::string key = keyOf(*values[0]);
        if (key.empty()) return;
        addNullTest(*values[0], false, said);
        bool numbers = isNumber(values[0]->type) && choice.texts.empty();
        if (values[0]->type == "text" && ours(*values[0]) && choice.numbers.empty()) {
            allow(key, {choice.texts.begin(), choice.texts.end()}, said);
        } else if (numbers && std::all_of(choice.numbers.begin(), choice.numbers.end(), isShort)) {
            double low = HUGE_VAL, high = -HUGE_VAL;
            for (const std::string& number : choice.numbers) {
                low = std::min(low, std::strtod(number.c_str(), nullptr));
                high = std::max(high, std::strtod(number.c_str(), nullptr));
            }
            narrow(key, greater | equal, low, isInteger(values[0]->type), said);
            if (problem_.empty()) narrow(key, less | equal, high, isInteger(values[0]->type), said);
        }
    }

    // A double tells such numbers apart.
    static bool isShort(const std::string& number) { return number.size() < 15; }

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

    void addBound(const spec::Bound& bound, const std::vector<const Value*>& values, const std::string& said) {
        size_t names = bound.kind == spec::Bound::Kind::name ? 2 : 1;
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
        } else if (bound.kind == spec::Bound::Kind::number && isNumber(values[0]->type) && isShort(bound.other)) {
            narrow(key, relationOf(bound.comparison), std::strtod(bound.other.c_str(), nullptr),
                   isInteger(values[0]->type), said);
        } else if (bound.kind == spec::Bound::Kind::text && values[0]->type == "text" && ours(*values[0])) {
            compareText(key, bound, said);
        }
    }

    // Equal to one text, and to another, or not to that one.
    void compareText(const std::string& key, const spec::Bound& bound, const std::string& said) {
        if (bound.comparison == "=") allow(key, {bound.other}, said);
        if (bound.comparison != "<>") return;
        unequal_[key].emplace(bound.other, said);
        auto wanted = allowed_.find(key);
        if (wanted == allowed_.end()) return;
        wanted->second.first.erase(bound.other);
        if (wanted->second.first.empty()) exclude(wanted->second.second, said);
    }

    // One of these texts, and of those that were allowed before.
    void allow(const std::string& key, std::set<std::string> texts, const std::string& said) {
        std::string before;
        for (const auto& refused : unequal_[key])
            if (texts.erase(refused.first) && before.empty()) before = refused.second;
        auto [found, added] = allowed_.emplace(key, std::pair(texts, said));
        if (!added) {
            std::set<std::string>& kept = found->second.first;
            for (auto at = kept.begin(); at != kept.end();)
                at = texts.count(*at) ? std::next(at) : kept.erase(at);
            if (before.empty()) before = found->second.second;
        }
        if (found->second.first.empty()) exclude(before, said);
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
    bool missingRows_;
    std::map<std::pair<std::string, std::string>, std::pair<unsigned, std::string>> relations_;
    std::map<std::string, Interval> intervals_;
    // By value: the texts of which it is one, those it is not, and what says that it is NULL or is not.
    std::map<std::string, std::pair<std::set<std::string>, std::string>> allowed_;
    std::map<std::string, std::map<std::string, std::string>> unequal_;
    std::map<std::string, std::string> null_, notNull_;
    std::string problem_;
};

}  // namespace

std::string contradictionIn(const World& world, const ResolvedAction& action, const BoundExpression& condition,
                            bool missingRows) {
    // Where a name is unknown there are no values: that has been reported.
    if (!condition || !world.facts(condition.expression).ok ||
        condition.values.size() != world.facts(condition.expression).names.size())
        return "";
    return Condition(world, action, condition, missingRows).contradiction();
}

namespace {

class Contradictions {
public:
    Contradictions(World& world, const ResolvedAction& action, std::set<int>& reported)
        : world_(world), action_(action), reported_(reported) {}

    void report(const BoundExpression& condition, bool isBranch) {
        // Of values of a row that there never is R114 tells, where they stand in a step.
        std::string problem = contradictionIn(world_, action_, condition, isBranch);
        if (problem.empty() || !reported_.insert(condition.expression).second) return;
        world_.report(*action_.info->file, Code::R075, world_.locate(condition.expression, 0),
                      (isBranch ? "this branch can never fire: " : "this condition can never hold: ") + problem,
                      std::string("mend the condition, or take ") + (isBranch ? "the branch" : "it") + " out");
    }

    void reportSteps(const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            report(step.where, false);
            if (step.spec->kind == spec::StepKind::branch || step.spec->kind == spec::StepKind::validate)
                report(step.condition, false);
            reportSteps(step.then);
            reportSteps(step.otherwise);
        }
    }

private:
    World& world_;
    const ResolvedAction& action_;
    std::set<int>& reported_;
};

}  // namespace

void reportContradictions(World& world, const Resolver& resolver) {
    std::set<int> reported;  // an action of several tables has its conditions several times
    for (const ResolvedAction& action : resolver.actions) {
        if (!action.info->file->fresh) continue;
        Contradictions contradictions(world, action, reported);
        for (const ResolvedBranch& branch : action.branches) {
            if (!action.window) contradictions.report(branch.condition, !branch.feed);
            contradictions.reportSteps(branch.steps);
            contradictions.reportSteps(branch.otherwise);
        }
    }
}

}  // namespace specql::resolve
