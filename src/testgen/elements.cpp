#include "testgen/elements.hpp"

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Keys of elements, and the whole numbers that conditions compare them with.
void collect(const resolve::World& world, const resolve::ResolvedStep& step, std::set<std::string>& keys,
             std::set<long>& numbers) {
    auto read = [&](const resolve::BoundExpression& bound) {
        spec::ConditionText text =
            bound ? spec::readCondition(world.expressionText(bound.expression)) : spec::ConditionText();
        keys.insert(text.keys.begin(), text.keys.end());
        return text.numbers;
    };
    for (const resolve::BoundAssignment& assignment : step.set)
        read(assignment.value);
    for (const std::vector<resolve::BoundExpression>* list : {&step.args, &step.targetValues, &step.messageValues})
        for (const resolve::BoundExpression& bound : *list)
            read(bound);
    read(step.where);
    read(step.idempotencyKey);
    for (const std::string& number : read(step.condition))
        if (number.find('.') == std::string::npos && number.size() < 9) numbers.insert(std::stol(number));
    for (const std::vector<resolve::ResolvedStep>* list : {&step.then, &step.otherwise})
        for (const resolve::ResolvedStep& inner : *list)
            collect(world, inner, keys, numbers);
}

// A number does for a text too, but not for a uuid.
std::string objectOf(const std::set<std::string>& keys, size_t place, long number) {
    std::vector<std::string> pairs;
    for (const std::string& key : keys)
        pairs.push_back(quoteLiteral(key) + ", " +
                        (resolve::endsWith(key, "_id")
                             ? uniqueValue("uuid", 500000 + static_cast<int>(place)) + "::text"
                             : std::to_string(number)));
    return keys.empty() ? "to_jsonb(" + std::to_string(number) + ")" : "jsonb_build_object(" + join(pairs, ", ") + ")";
}

}  // namespace

Dimension elementOf(const resolve::World& world, const resolve::ResolvedStep& loop, const std::string& type,
                    size_t place) {
    Dimension dimension{type, type, ""};
    if (type != "jsonb") {
        dimension.unique = type == "uuid" || isText(type);
        dimension.essential = !dimension.unique && !isNumeric(type);
        return dimension;
    }
    std::set<std::string> keys;
    std::set<long> numbers;
    for (const resolve::ResolvedStep& step : loop.then)
        collect(world, step, keys, numbers);
    for (long number : numbers)
        for (long shift : {0, 1, -1})
            dimension.candidates.push_back(objectOf(keys, place, number + shift));
    dimension.candidates.push_back(objectOf(keys, place, static_cast<long>(place) + 3));
    dimension.fixed = true;
    dimension.essential = !numbers.empty();
    return dimension;
}

}  // namespace specql::testgen
