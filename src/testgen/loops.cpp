// What a foreach goes over in a test: an array of two elements that differ, whose values are dimensions of their own.
#include <algorithm>
#include <cstdlib>

#include "testgen/stage.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Keys of elements, and the whole numbers that conditions compare them with.
void collectKeys(const resolve::World& world, const std::vector<resolve::ResolvedStep>& steps,
                 std::vector<std::string>& keys, std::vector<long>& numbers) {
    auto add = [&](const resolve::BoundExpression& bound, bool compared) {
        if (!bound) return;
        spec::ConditionText text = spec::readCondition(world.expressionText(bound.expression));
        for (const std::string& key : text.keys)
            if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
        for (const std::string& number : text.numbers)
            if (compared && number.find('.') == std::string::npos && number.size() < 9)
                numbers.push_back(std::atol(number.c_str()));
    };
    for (const resolve::ResolvedStep& step : steps) {
        for (const resolve::BoundAssignment& assignment : step.set)
            add(assignment.value, false);
        for (const resolve::BoundExpression& arg : step.args)
            add(arg, false);
        add(step.where, false);
        add(step.condition, true);
        collectKeys(world, step.then, keys, numbers);
        collectKeys(world, step.otherwise, keys, numbers);
    }
}

// A number does for a text too, but not for a uuid.
std::string objectOf(const std::vector<std::string>& keys, size_t place, long number) {
    std::vector<std::string> pairs;
    for (const std::string& key : keys)
        pairs.push_back(quoteLiteral(key) + ", " +
                        (resolve::endsWith(key, "_id")
                             ? uniqueValue("uuid", 500000 + static_cast<int>(place)) + "::text"
                             : std::to_string(number)));
    return keys.empty() ? "to_jsonb(" + std::to_string(number) + ")" : "jsonb_build_object(" + join(pairs, ", ") + ")";
}

}  // namespace

int Stage::loopOf(const resolve::ResolvedStep& step) const {
    for (size_t i = 0; i < loops_.size(); i++)
        if (loops_[i].step == &step) return static_cast<int>(i);
    return -1;
}

bool Stage::isEmptied(int loop, const Render& literal) const {
    return literal(loops_[static_cast<size_t>(loop)].array).find("'{}'") == 0 ||
           literal(loops_[static_cast<size_t>(loop)].array).find("'[]'") == 0;
}

void Stage::useLoop(const resolve::ResolvedStep& step) {
    if (loop_ >= 0 || step.condition.values.size() != 1) return;
    const resolve::Value& value = step.condition.values.front();
    int array = use(value, {}, nullptr);
    if (array < 0) return;
    Loop loop{&step, array, {}};
    std::string type = scenario.dimensions[static_cast<size_t>(array)].baseType;
    bool json = type == "jsonb";
    std::string element = json ? "jsonb" : resolve::elementType(type);
    if (element.empty()) return;
    if (scenario.dimensions[static_cast<size_t>(array)].elements.empty()) {
        std::vector<std::string> keys;
        std::vector<long> numbers;
        collectKeys(world_, step.then, keys, numbers);
        for (int k = 0; k < 2; k++) {
            size_t place = scenario.dimensions.size();
            Dimension dimension;
            dimension.type = dimension.baseType = element;
            dimension.unique = element == "uuid" || isText(element);
            dimension.essential = !dimension.unique && !isNumeric(element) && (!json || !numbers.empty());
            dimension.fixed = json;
            if (json) {
                for (long number : numbers)
                    for (long shift : {0, 1, -1})
                        dimension.candidates.push_back(objectOf(keys, place, number + shift));
                dimension.candidates.push_back(objectOf(keys, place, static_cast<long>(place) + 3));
            } else {
                dimension.candidates = candidates(element, {}, spec::ConditionText(), place);
            }
            loop.elements.push_back(scenario.add(std::move(dimension)));
        }
        Dimension& dimension = scenario.dimensions[static_cast<size_t>(array)];
        dimension.elements = loop.elements;
        dimension.candidates = {"", json ? "'[]'" : "'{}'"};
        dimension.unique = false;
        dimension.fixed = true;
        scenario.demands.push_back(Scenario::reference(loop.elements[0]) + " IS DISTINCT FROM " +
                                   Scenario::reference(loop.elements[1]));
    } else {
        loop.elements = scenario.dimensions[static_cast<size_t>(array)].elements;
    }
    loops_.push_back(loop);
    loop_ = static_cast<int>(loops_.size()) - 1;
    for (element_ = 0; element_ < 2; element_++) {
        resolve::Value variable;
        variable.kind = resolve::ValueKind::local;
        variable.name = step.spec->variable.value;
        scenario.names[nameOf(variable, {})] = loop.elements[static_cast<size_t>(element_)];
        useSteps(step.then);
    }
    loop_ = -1;
    element_ = 0;
}

}  // namespace specql::testgen
