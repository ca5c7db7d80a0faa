#include "emit/sums.hpp"

#include <algorithm>

#include "emit/fold.hpp"
#include "emit/steps.hpp"
#include "spec/condition.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

bool same(const resolve::Value& one, const resolve::Value& other) {
    return one.kind == other.kind && one.name == other.name && one.old == other.old;
}

bool isInteger(const std::string& type) {
    return type == "smallint" || type == "integer" || type == "bigint";
}

std::string withoutModifier(const std::string& type) {
    return type.substr(0, type.find('('));
}

// Digits behind the point of a whole number or of numeric(p,s); -1 if they are not known.
int scaleOf(const std::string& type) {
    if (isInteger(type)) return 0;
    if (type.compare(0, 8, "numeric(") != 0) return -1;
    size_t comma = type.find(',');
    if (comma == std::string::npos) return 0;
    return type[comma + 1] == '-' ? -1 : std::stoi(type.substr(comma + 1));
}

class Reader {
public:
    Reader(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
           const resolve::ResolvedStep& step)
        : world_(world), resolver_(resolver), action_(action), step_(step) {}

    std::optional<SumUpdate> read() {
        // The handler of a custom event loops over the events, so there is no set to add up.
        if (action_.binding.custom && !resolve::isFunction(*action_.info)) return {};
        if (step_.spec->kind != spec::StepKind::update || step_.limit || !step_.order.empty() || !step_.target)
            return {};
        for (const resolve::BoundAssignment& set : step_.set)
            if (!readAssignment(set)) return {};
        // A row that VIA leads to and WHERE may still leave out is looked at event by event.
        bool bound = step_.where ? step_.byContext < 0 && readWhere() : readKey();
        if (!bound || sum_.sums.empty() || sum_.keys.empty()) return {};
        for (const resolve::BoundAssignment& set : step_.set)
            if (sum_.read.count(set.column)) return {};
        return std::move(sum_);
    }

private:
    const AnalysisResult* analysed(const resolve::BoundExpression& bound) const {
        return bound.request < 0 ? nullptr : &resolver_.results()[static_cast<size_t>(bound.request)];
    }
    // Is the value the same for two events that agree in the columns of the set? Functions that change or read tables
    // may give two.
    bool steady(const resolve::BoundExpression& bound) const {
        const AnalysisResult* result = analysed(bound);
        bool named = world_.facts(bound.expression).names.size() == bound.values.size();
        return result && result->ok && !result->isVolatile && !result->readsRows && named;
    }
    bool ofRow(const resolve::Value& value) const { return isOfRow(value, action_); }
    bool ofAll(const resolve::Value& value) const {
        bool function = resolve::isFunction(*action_.info);
        return function && (value.kind == resolve::ValueKind::payload || value.kind == resolve::ValueKind::context ||
                            (value.kind == resolve::ValueKind::local && value.context < 0));
    }

    bool readAssignment(const resolve::BoundAssignment& set) {
        if (set.taken || !steady(set.value)) return false;
        const std::vector<resolve::Value>& values = set.value.values;
        if (std::all_of(values.begin(), values.end(), [&](const resolve::Value& value) { return ofAll(value); })) {
            sum_.constants.push_back(&set);
            return true;
        }
        size_t own = values.size();
        for (size_t i = 0; i < values.size(); i++) {
            bool isOwn = values[i].kind == resolve::ValueKind::target && values[i].name == set.column &&
                         own == values.size() && world_.facts(set.value.expression).names[i].addend > 0;
            if (isOwn)
                own = i;
            else if (!ofRow(values[i]) && !ofAll(values[i]))
                return false;
        }
        if (own == values.size() || !exact(set, own)) return false;
        sum_.sums.push_back({&set, own});
        return true;
    }

    // Whole numbers, and decimals of which no addition rounds anything away, have the same sum in any order. A text
    // or a NULL among the terms has no type of its own to be summed under.
    bool exact(const resolve::BoundAssignment& set, size_t own) const {
        const std::string& column = step_.target->column(set.column)->type;
        const std::string& text = world_.expressionText(set.value.expression);
        const std::string& type = analysed(set.value)->type;
        if (text.find('\'') != std::string::npos) return false;
        bool names = set.value.values.size() > 1;
        if (!names && text.find_first_of("0123456789") == std::string::npos) return false;
        if (isInteger(column)) return isInteger(type);
        if (withoutModifier(column) != "numeric") return false;
        if (withoutModifier(type) != "numeric" && !isInteger(type)) return false;
        if (column == "numeric") return true;
        int scale = scaleOf(column);
        return scale >= 0 && fits(set, own, scale);
    }

    // A bound on the digits behind the point that a term of nothing but + - * can have.
    bool fits(const resolve::BoundAssignment& set, size_t own, int scale) const {
        const ExpressionFacts& facts = world_.facts(set.value.expression);
        const std::string& text = world_.expressionText(set.value.expression);
        size_t at = 0;
        for (size_t i = 0; i <= facts.names.size(); i++) {
            size_t end = i < facts.names.size() ? facts.names[i].offset : text.size();
            if (text.substr(at, end - at).find_first_not_of("0123456789.+-*() \n\r\t") != std::string::npos)
                return false;
            if (i < facts.names.size()) at = end + facts.names[i].length;
        }
        std::vector<int> digits;
        for (const std::string& number : spec::readCondition(text).numbers) {
            size_t point = number.find('.');
            digits.push_back(point == std::string::npos ? 0 : static_cast<int>(number.size() - point) - 1);
        }
        for (size_t i = 0; i < set.value.values.size(); i++)
            if (i != own) digits.push_back(scaleOf(set.value.values[i].type));
        int most = 0, sum = 0;
        for (int one : digits) {
            if (one < 0) return false;
            most = std::max(most, one);
            sum += one;
        }
        return (text.find('*') == std::string::npos ? most : sum) <= scale;
    }

    // In an adopted table two different texts may be equal, by a collation of its own, and name one row.
    bool addKey(const resolve::Value& value, const std::string& column) {
        bool ours = !step_.target->present || step_.target->present->owned;
        if (!ofRow(value) || (!ours && sameWhenEqual(value.type, "text"))) return false;
        if (std::none_of(sum_.keys.begin(), sum_.keys.end(),
                         [&](const resolve::Value& key) { return same(key, value); })) {
            sum_.keys.push_back(value);
            sum_.keyColumns.push_back(column);
        }
        return true;
    }

    bool readKey() {
        if (step_.rowKey) return addKey(*step_.rowKey, step_.target->key);
        return step_.byContext >= 0 &&
               addKey(action_.contexts[static_cast<size_t>(step_.byContext)].key, step_.target->key);
    }

    // Each row of the target has one value for each column, so it is found by one group of events at most.
    bool readWhere() {
        if (!steady(step_.where)) return false;
        const ExpressionFacts& facts = world_.facts(step_.where.expression);
        const std::string& text = world_.expressionText(step_.where.expression);
        size_t seen = 0;
        for (const spec::Atom& atom : spec::readCondition(text).atoms) {
            std::vector<size_t> names;
            for (size_t i = 0; i < facts.names.size(); i++)
                if (facts.names[i].offset >= atom.begin && facts.names[i].offset < atom.end) names.push_back(i);
            seen += names.size();
            if (!readAtom(atom, names)) return false;
        }
        return seen == facts.names.size();
    }

    bool readAtom(const spec::Atom& atom, const std::vector<size_t>& names) {
        const std::vector<resolve::Value>& values = step_.where.values;
        bool reads = false;
        for (size_t name : names) {
            const resolve::Value& value = values[name];
            // A generated column changes with the columns that it is computed from.
            if (value.kind == resolve::ValueKind::target && step_.target->column(value.name)->generated) return false;
            if (value.kind == resolve::ValueKind::target)
                sum_.read.insert(value.name);
            else if (ofRow(value))
                reads = true;
            else if (!ofAll(value))
                return false;
        }
        if (!reads) return true;
        if (names.size() != 2 || !atom.conjunct || !isEquality(world_, step_.where, atom, names[0])) return false;
        const resolve::Value &one = values[names[0]], &other = values[names[1]];
        if ((one.kind == resolve::ValueKind::target) == (other.kind == resolve::ValueKind::target)) return false;
        if (!sameWhenEqual(one.type, other.type)) return false;
        return one.kind == resolve::ValueKind::target ? addKey(other, one.name) : addKey(one, other.name);
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    const resolve::ResolvedStep& step_;
    SumUpdate sum_;
};

}  // namespace

bool sameWhenEqual(const std::string& one, const std::string& other) {
    auto family = [](const std::string& type) -> std::string {
        for (const char* known : {"uuid", "text", "date", "boolean", "bytea", "inet"})
            if (type == known) return type;
        std::string base = withoutModifier(type);
        if (isInteger(base)) return "integer";
        if (base == "character varying") return "text";
        if (base == "numeric") return base;
        if (base.compare(0, 9, "timestamp") != 0) return "";
        return type.find("with time zone") != std::string::npos ? "timestamptz" : "timestamp";
    };
    return !family(one).empty() && family(one) == family(other);
}

bool isEquality(const resolve::World& world, const resolve::BoundExpression& condition, const spec::Atom& atom,
                size_t name) {
    const std::vector<NameUse>& names = world.facts(condition.expression).names;
    if (name + 1 >= names.size()) return false;
    const NameUse &left = names[name], &right = names[name + 1];
    size_t end = left.offset + left.length;
    if (left.offset != atom.begin || right.offset + right.length != atom.end) return false;
    std::string between = world.expressionText(condition.expression).substr(end, right.offset - end);
    between.erase(std::remove_if(between.begin(), between.end(),
                                 [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }),
                  between.end());
    return between == "=";
}

bool isOfRow(const resolve::Value& value, const resolve::ResolvedAction& action) {
    switch (value.kind) {
        case resolve::ValueKind::eventColumn:
        case resolve::ValueKind::eventChange:
        case resolve::ValueKind::match:
        case resolve::ValueKind::answer: return true;
        case resolve::ValueKind::handled: return !value.name.empty();
        case resolve::ValueKind::meta: return value.name.compare(0, 8, "payload:") != 0;
        case resolve::ValueKind::payload: return !resolve::isFunction(*action.info);
        default: return false;
    }
}

std::optional<SumUpdate> readSum(const resolve::World& world, const resolve::Resolver& resolver,
                                 const resolve::ResolvedAction& action, const resolve::ResolvedStep& step) {
    return Reader(world, resolver, action, step).read();
}

bool independent(const resolve::World& world, const SumUpdate& one, const SumUpdate& other) {
    auto sums = [](const SumUpdate& update, const std::string& column) {
        return std::any_of(update.sums.begin(), update.sums.end(),
                           [&](const SumUpdate::Sum& sum) { return sum.set->column == column; });
    };
    for (const resolve::BoundAssignment* set : one.constants) {
        if (sums(other, set->column) || other.read.count(set->column)) return false;
        for (const resolve::BoundAssignment* twin : other.constants)
            if (twin->column == set->column &&
                world.expressionText(twin->value.expression) != world.expressionText(set->value.expression))
                return false;
    }
    return std::none_of(one.sums.begin(), one.sums.end(),
                        [&](const SumUpdate::Sum& sum) { return other.read.count(sum.set->column) > 0; });
}

// Is the value the same however often, and whenever, it is computed while the events are handled?
bool StepEmitter::isSteady(const resolve::BoundExpression& bound) const {
    if (bound.request < 0 || !bound.tables.empty()) return false;
    const AnalysisResult& result = printer_.resolver().results()[static_cast<size_t>(bound.request)];
    return !result.isVolatile && !result.readsRows;
}

// Steps that are one statement over the whole set, and come to the same as event by event.
bool StepEmitter::setBased(const std::vector<const resolve::ResolvedStep*>& steps) const {
    std::vector<std::pair<const resolve::EntityInfo*, SumUpdate>> sums;
    std::vector<const resolve::EntityInfo*> folded;
    bool lets = false;
    for (const resolve::ResolvedStep* step : steps) {
        switch (step->spec->kind) {
            case spec::StepKind::update:
            case spec::StepKind::remove: {
                if (isOwnRow(*step)) break;
                std::optional<SumUpdate> sum = readSum(world_, printer_.resolver(), action_, *step);
                if (!sum && !readFold(world_, printer_.resolver(), action_, *step)) return false;
                if (sum)
                    sums.emplace_back(step->target, std::move(*sum));
                else
                    folded.push_back(step->target);
                break;
            }
            case spec::StepKind::let:
                if (!isSteady(step->condition)) return false;
                lets = true;
                break;
            case spec::StepKind::branch:
            case spec::StepKind::foreach:
            case spec::StepKind::each:
            case spec::StepKind::find:
            case spec::StepKind::upsert:
            case spec::StepKind::assign:
            case spec::StepKind::validate:
            case spec::StepKind::ret: return false;
            default: break;
        }
    }
    // Events that are numbered one by one are read without what stands beside them.
    if (lets && !folded.empty()) return false;
    // A query sees what the steps have written for all events before, and row by row what they have for each.
    auto looksAtWritten = [&](const resolve::BoundExpression& bound) {
        return std::any_of(bound.tables.begin(), bound.tables.end(), [&](const resolve::EntityInfo* looked) {
            return std::any_of(steps.begin(), steps.end(),
                               [&](const resolve::ResolvedStep* step) { return step->target == looked; });
        });
    };
    for (const resolve::ResolvedStep* step : steps) {
        bool any = std::any_of(step->set.begin(), step->set.end(),
                               [&](const resolve::BoundAssignment& set) { return looksAtWritten(set.value); });
        if (any || std::any_of(step->targetValues.begin(), step->targetValues.end(), looksAtWritten) ||
            std::any_of(step->messageValues.begin(), step->messageValues.end(), looksAtWritten) ||
            looksAtWritten(step->idempotencyKey))
            return false;
    }
    // A function that a step between them calls could see how many of the updates are done.
    auto reads = [&](const resolve::BoundExpression& bound) {
        return bound.request >= 0 && printer_.resolver().results()[static_cast<size_t>(bound.request)].readsRows;
    };
    auto looks = [&](const resolve::ResolvedStep* step) {
        return step->spec->kind == spec::StepKind::emit || step->call == resolve::CallKind::action ||
               step->call == resolve::CallKind::function || reads(step->where) || reads(step->idempotencyKey) ||
               std::any_of(step->targetValues.begin(), step->targetValues.end(), reads) ||
               std::any_of(step->messageValues.begin(), step->messageValues.end(), reads) ||
               std::any_of(step->set.begin(), step->set.end(),
                           [&](const resolve::BoundAssignment& set) { return reads(set.value); });
    };
    if ((!sums.empty() || !folded.empty()) && std::any_of(steps.begin(), steps.end(), looks)) return false;
    auto stepsOn = [&](const resolve::EntityInfo* target) {
        return std::count_if(steps.begin(), steps.end(), [&](const resolve::ResolvedStep* step) {
            return step->target == target && step->spec->kind != spec::StepKind::lock;
        });
    };
    for (const resolve::EntityInfo* target : folded)
        if (stepsOn(target) != 1) return false;
    for (const auto& [target, sum] : sums) {
        long others = stepsOn(target);
        for (const auto& [otherTarget, other] : sums) {
            if (otherTarget != target) continue;
            if (!independent(world_, sum, other)) return false;
            others--;
        }
        if (others > 0) return false;
    }
    return true;
}

// What is added to the column, or taken away from it: the right side of the one operator, else all of the expression
// with a zero of the column's type in its place, so that each operator works in the types that it has row by row.
static std::string sumTerm(const resolve::World& world, const SumUpdate::Sum& sum, const std::string& type,
                           bool& subtracted,
                           const std::function<std::string(size_t, size_t, const std::string&)>& print) {
    const NameUse& own = world.facts(sum.set->value.expression).names[sum.own];
    const std::string& text = world.expressionText(sum.set->value.expression);
    size_t at = text.find_first_not_of(" \t\r\n", own.offset + own.length);
    bool leads = own.offset == 0 && own.addend == 1 && at != std::string::npos;
    subtracted = leads && text[at] == '-';
    std::string zero = type == "integer" ? "0" : "0::" + withoutModifier(type);
    if (!leads) return print(0, text.size(), zero);
    return print(std::min(text.find_first_not_of(" \t\r\n", at + 1), text.size()), text.size(), "");
}

std::string StepEmitter::sumUpdate(const resolve::ResolvedStep& step, const SumUpdate& update, const StepPlace& place) {
    auto keyName = [&](const resolve::Value& value) {
        for (size_t i = 0; i < update.keys.size(); i++)
            if (same(update.keys[i], value)) return "s.key_" + std::to_string(i + 1);
        return printer_.print(value, false);
    };
    std::vector<std::string> columns, groups, sets;
    for (size_t i = 0; i < update.keys.size(); i++) {
        groups.push_back(printer_.print(update.keys[i], true));
        columns.push_back(groups.back() + " AS key_" + std::to_string(i + 1));
    }
    for (const resolve::BoundAssignment& set : step.set) {
        auto sum = std::find_if(update.sums.begin(), update.sums.end(),
                                [&](const SumUpdate::Sum& one) { return one.set == &set; });
        std::string column = quoteName(set.column);
        if (sum == update.sums.end()) {
            sets.push_back(column + " = " + assignmentSql(set));
            continue;
        }
        const resolve::Value& own = set.value.values[sum->own];
        bool subtracted = false;
        const std::string& type = step.target->column(set.column)->type;
        std::string term =
            sumTerm(world_, *sum, type, subtracted, [&](size_t begin, size_t end, const std::string& zero) {
                return printBound(
                    world_, printer_.resolver(), set.value, begin, end,
                    [&](const resolve::Value& value) { return &value == &own ? zero : printer_.print(value, false); },
                    printTables(set.value));
            });
        std::string name = quoteName("sum_" + set.column);
        bool known = set.value.values.size() == 1;  // a number, which is never NULL
        columns.push_back(
            (known ? "sum(" + term + ")" : "CASE WHEN count(" + term + ") = count(*) THEN sum(" + term + ") END") +
            " AS " + name);
        sets.push_back(column + " = t." + column + (subtracted ? " - s." : " + s.") + name);
    }
    const std::string table = quoteName(step.target->schema, step.target->table);
    std::string where;
    if (step.where)
        where = printBound(world_, printer_.resolver(), step.where, 0,
                           world_.expressionText(step.where.expression).size(), keyName, nullptr);
    else
        where = "t." + quoteName(step.target->key) + " = s.key_1";
    std::vector<std::string> found;
    for (const std::string& column : update.keyColumns)
        found.push_back("t." + quoteName(column));
    const std::string keys = join(groups, ", "), order = join(found, ", ");
    std::string lock = "PERFORM FROM " + table + " AS t\nWHERE " + (found.size() > 1 ? "(" + order + ")" : order) +
                       " IN (SELECT " + keys + " FROM " + place.from + ")\nORDER BY " + order +
                       "\nFOR NO KEY UPDATE;\n";
    if (place.rows == StepPlace::Rows::set) lock = "IF specql.several() THEN\n" + indent(lock, 4) + "END IF;\n";
    lock = "-- in the order of their keys, so that sessions never wait for each other in a circle\n" + lock;
    return rowsThere(step, place) + lock + "UPDATE " + table + " AS t\nSET " + join(sets, ",\n    ") +
           "\nFROM (\n    -- what each row gets of all that name it; a sum with a NULL in it is NULL\n    SELECT " +
           join(columns, ",\n           ") + "\n    FROM " + place.from + "\n    GROUP BY " + keys +
           "\n) AS s\nWHERE " + where + ";\n";
}

// A key that names no row is an error here too, as it is where the rows are read one by one.
std::string StepEmitter::rowsThere(const resolve::ResolvedStep& step, const StepPlace& place) {
    if (step.byContext < 0 || place.rows != StepPlace::Rows::set) return "";
    const resolve::Context& context = action_.contexts[static_cast<size_t>(step.byContext)];
    const std::string owed = printer_.owed(context);
    if (owed.empty()) return "";
    const resolve::EntityInfo& target = *step.target;
    std::string value = printer_.print(context.key, true), column = "t." + quoteName(target.key);
    declare("v_missing text;");
    return "SELECT " + value + " INTO v_missing\nFROM " + place.from + "\nLEFT JOIN " +
           quoteName(target.schema, target.table) + " AS t ON " + column + " = " + value + "\nWHERE " + column +
           " IS NULL AND " + owed +
           "\nLIMIT 1;\nIF FOUND THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n        MESSAGE = "
           "format('" +
           context.key.name + " %s names no row of " + target.shown() + "', v_missing);\nEND IF;\n";
}

}  // namespace specql::emit
