#include "resolve/payload_types.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// A name that no parameter has.
std::string answerKey(const Value& value) {
    return std::to_string(value.context) + "." + value.name;
}

}  // namespace

std::string PayloadTypes::answerType(const Value& value) const {
    for (const auto* hints : {&hints_, &literalHints_})
        if (auto found = hints->find(answerKey(value)); found != hints->end()) return found->second;
    return "text";
}

void PayloadTypes::hint(const std::string& key, const std::string& type) {
    if (!type.empty() && type != "record" && !hints_.count(key)) hints_[key] = type;
}

bool PayloadTypes::give(const std::string& key, const std::string& type) {
    const std::string& known = given_.emplace(key, type).first->second;
    return known == type;
}

void PayloadTypes::hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound) {
    for (size_t i = 0; i < bound.values.size(); i++) {
        const Value& value = bound.values[i];
        const bool isAnswer = value.kind == ValueKind::result && value.type.empty();
        if (value.kind != ValueKind::payload && !isAnswer) continue;
        const NameUse& use = facts.names[i];
        const std::string key = isAnswer ? answerKey(value) : value.name;
        bool whole = facts.names.size() == 1 && use.length == world_.expressionText(bound.expression).size();
        if (whole) hint(key, bound.target);
        for (int peer : use.peers)
            if (bound.values.size() > static_cast<size_t>(peer) && bound.values[peer].kind != ValueKind::payload)
                hint(key, bound.values[peer].type);
        if (!use.castTo.empty()) continue;
        // A literal says less than a column: `price > 0` may well be a numeric.
        if (!use.literalPeer.empty()) literalHints_.emplace(key, use.literalPeer);
        // `-ordered_quantity` assigned to an integer: one name, one number-like target
        bool number = bound.target == "integer" || bound.target == "bigint" || startsWith(bound.target, "numeric");
        if (number && facts.names.size() == 1 && facts.calls.empty()) hint(key, bound.target);
    }
}

std::string PayloadTypes::payloadType(const std::string& key) {
    for (const spec::Param& param : action_.spec->params) {
        if (param.name.value != key) continue;
        ColumnType type = columnType(param.type.value, world_.catalog().types);
        if (type.ok) return type.sql;
        world_.report(*action_.file, Code::R010, param.type.pos,
                      "unknown type " + param.type.value + " of parameter " + key,
                      type.hint.empty() ? "use a type of the language or one PostgreSQL knows" : type.hint);
    }
    if (auto given = given_.find(key); given != given_.end()) return given->second;
    if (result_.binding.isDue() && key == dueTimeKey) return "timestamp with time zone";
    for (const MatchKey& known : event_.matchKeys())
        if (known.name == key && !known.type.empty()) return known.type;
    for (const Context& context : result_.contexts)
        if (context.key.kind == ValueKind::payload && context.key.name == key)
            return context.entity->column(context.entity->key)->type;
    for (const EntityInfo* entity : targets_)
        if (const ColumnInfo* column = entity->column(key))
            if (!column->type.empty()) return column->type;
    for (const Context& way : event_.ways())
        if (const ColumnInfo* column = way.entity->column(key)) return column->type;
    for (const EntityInfo& entity : world_.entities)
        if (entity.home == action_.schema && entity.unit && !entity.impliedByStep)
            if (const ColumnInfo* column = entity.column(key)) return column->type;
    if (endsWith(key, "_id")) return "uuid";
    auto found = hints_.find(key);
    if (found != hints_.end()) return found->second;
    found = literalHints_.find(key);
    return found == literalHints_.end() ? "text" : found->second;
}

}  // namespace specql::resolve
