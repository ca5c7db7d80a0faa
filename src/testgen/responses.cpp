#include "testgen/responses.hpp"

#include <algorithm>
#include <map>

#include "testgen/candidates.hpp"
#include "testgen/steps.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// A value somewhere in the response.
struct Leaf {
    std::vector<std::string> path;  // keys, and numbers of elements
    bool isJson = false;            // it is taken as JSON, not as text
    std::vector<std::string> values;
};

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

void skipBlanks(const std::string& text, size_t& at) {
    while (at < text.size() && isSpace(text[at]))
        ++at;
}

bool take(const std::string& text, size_t& at, const std::string& word) {
    if (text.compare(at, word.size(), word) != 0) return false;
    at += word.size();
    skipBlanks(text, at);
    return true;
}

// 'key' or a number; empty if it is neither.
std::string takeKey(const std::string& text, size_t& at) {
    std::string key;
    if (at < text.size() && text[at] == '\'') {
        const size_t end = text.find('\'', at + 1);
        if (end == std::string::npos) return "";
        key = text.substr(at + 1, end - at - 1);
        at = end + 1;
    } else {
        while (at < text.size() && isDigit(text[at]))
            key += text[at++];
    }
    skipBlanks(text, at);
    return key;
}

// What is read of the response whose name ends at `at`, which moves behind it.
Leaf readLeaf(const std::string& text, size_t& at) {
    Leaf leaf;
    leaf.isJson = true;
    skipBlanks(text, at);
    for (;;) {
        const bool asText = take(text, at, "->>"), asJson = !asText && take(text, at, "->");
        const bool pathText = !asText && !asJson && take(text, at, "#>>");
        const bool pathJson = !asText && !asJson && !pathText && take(text, at, "#>");
        if (!asText && !asJson && !pathText && !pathJson) return leaf;
        std::string key = takeKey(text, at);
        if (key.empty()) return leaf;
        leaf.isJson = asJson || pathJson;
        if (asText || asJson) {
            leaf.path.push_back(key);
            continue;
        }
        key.erase(std::remove_if(key.begin(), key.end(), [](char c) { return c == '{' || c == '}' || c == ' '; }),
                  key.end());
        for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
            end = key.find(',', begin);
            leaf.path.push_back(key.substr(begin, end == std::string::npos ? end : end - begin));
        }
    }
}

// The type that what stands before `at` is cast to; empty if it is to none.
std::string castAt(const std::string& text, size_t at) {
    while (at < text.size() && (isSpace(text[at]) || text[at] == ')'))
        ++at;
    if (text.compare(at, 2, "::") != 0) return "";
    at += 2;
    std::string type;
    while (at < text.size() && isNamePart(text[at]))
        type += toAsciiLower(text[at++]);
    if (type == "timestamptz" || type == "timestamp") return "timestamp with time zone";
    if (type == "int" || type == "int4") return "integer";
    if (type == "decimal") return "numeric";
    return type == "bool" ? "boolean" : type;
}

class Reader {
public:
    Reader(const resolve::World& world, const TestTables& tables, size_t place)
        : world_(world), tables_(tables), place_(place) {}

    void read(const std::vector<resolve::ResolvedStep>& steps) {
        for (const resolve::ResolvedStep& step : steps) {
            const TestTable* table =
                step.target ? findTable(tables_, step.target->schema, step.target->table) : nullptr;
            for (const resolve::BoundAssignment& assignment : step.set)
                read(assignment.value, table ? table->column(assignment.column) : nullptr, table);
            read(step.condition);
            read(step.where);
            for (const std::vector<resolve::BoundExpression>* list :
                 {&step.args, &step.targetValues, &step.messageValues})
                for (const resolve::BoundExpression& bound : *list)
                    read(bound);
            read(step.then);
            read(step.otherwise);
        }
    }

    const std::vector<Leaf>& leaves() const { return leaves_; }

private:
    void read(const resolve::BoundExpression& bound, const TestColumn* into = nullptr,
              const TestTable* table = nullptr) {
        if (!bound) return;
        const std::string& text = world_.expressionText(bound.expression);
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            if (bound.values[i].kind != resolve::ValueKind::answer || bound.values[i].name != "response") continue;
            size_t end = facts.names[i].offset + facts.names[i].length;
            Leaf leaf = readLeaf(text, end);
            if (leaf.path.empty()) continue;
            const bool isWhole = facts.names[i].offset == 0 && end == text.size();
            std::string type = castAt(text, end);
            spec::ConditionText spoken = spec::readCondition(text);
            // What the response itself is asked for is no value of it.
            for (const std::string& key : leaf.path)
                spoken.texts.erase(std::remove(spoken.texts.begin(), spoken.texts.end(), key), spoken.texts.end());
            std::vector<std::string> labels;
            if (isWhole && into) {
                type = into->baseType;
                labels = into->labels;
                for (const TestCheck& check : table->checks)
                    if (check.columns == std::vector<std::string>{into->name}) {
                        spec::ConditionText said = spec::readCondition(check.sql);
                        spoken.texts.insert(spoken.texts.end(), said.texts.begin(), said.texts.end());
                        spoken.numbers.insert(spoken.numbers.end(), said.numbers.begin(), said.numbers.end());
                    }
            }
            if (type.empty()) type = spoken.texts.empty() && !spoken.numbers.empty() ? "numeric" : "text";
            add(std::move(leaf), type, candidates(type, labels, spoken, place_ + leaves_.size()));
        }
    }

    void add(Leaf leaf, const std::string& type, std::vector<std::string> values) {
        constexpr size_t most = 8;
        if (values.size() > most) values.resize(most);
        values.erase(std::remove(values.begin(), values.end(), "NULL"), values.end());
        if (values.empty()) values.emplace_back("'value'");
        for (std::string& value : values) {
            const bool isPlain = isNumeric(type) || type == "boolean" || type == "jsonb";
            value = isPlain ? typedValue(value, type) : "(" + typedValue(value, type) + ")::text";
        }
        for (Leaf& known : leaves_)
            if (known.path == leaf.path) {
                known.values.insert(known.values.end(), values.begin(), values.end());
                return;
            }
        leaf.values = std::move(values);
        leaves_.push_back(std::move(leaf));
    }

    const resolve::World& world_;
    const TestTables& tables_;
    const size_t place_;
    std::vector<Leaf> leaves_;
};

bool isNumber(const std::string& key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), isDigit);
}

// The object that has these leaves, `depth` keys down.
std::string objectOf(const std::vector<std::pair<const Leaf*, std::string>>& leaves, size_t depth) {
    std::map<std::string, std::vector<std::pair<const Leaf*, std::string>>> parts;
    for (const auto& leaf : leaves)
        if (leaf.first->path.size() > depth) parts[leaf.first->path[depth]].push_back(leaf);
    if (parts.empty()) return leaves.front().second;
    std::vector<std::string> pairs, elements;
    for (const auto& [key, inner] : parts) {
        const std::string value = objectOf(inner, depth + 1);
        pairs.push_back(quoteLiteral(key) + ", " + value);
        if (!isNumber(key) || key.size() > 1) continue;
        elements.resize(std::max(elements.size(), static_cast<size_t>(key[0] - '0') + 1), "NULL::text");
        elements[static_cast<size_t>(key[0] - '0')] = value;
    }
    return elements.size() > 0 && isNumber(parts.begin()->first) ? "jsonb_build_array(" + join(elements, ", ") + ")"
                                                                 : "jsonb_build_object(" + join(pairs, ", ") + ")";
}

}  // namespace

std::vector<std::string> responses(const resolve::World& world, const TestTables& tables,
                                   const std::vector<resolve::ResolvedStep>& steps, size_t place) {
    Reader reader(world, tables, place);
    reader.read(steps);
    std::vector<std::string> found;
    auto add = [&](const Leaf* other, size_t value) {
        std::vector<std::pair<const Leaf*, std::string>> leaves;
        for (const Leaf& leaf : reader.leaves())
            leaves.emplace_back(&leaf, leaf.values[&leaf == other ? value : 0]);
        if (!leaves.empty()) found.push_back(objectOf(leaves, 0));
    };
    add(nullptr, 0);
    for (const Leaf& leaf : reader.leaves())
        for (size_t i = 1; i < leaf.values.size(); i++)
            add(&leaf, i);
    found.push_back(found.empty() ? "jsonb_build_object('answer', " + std::to_string(place) + ")" : "'{}'::jsonb");
    return found;
}

}  // namespace specql::testgen
