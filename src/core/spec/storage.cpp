// How the rows of an entity are kept: in partitions, and summed up in materialized views.
#include <algorithm>
#include <cstdlib>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words partitioningKeys = {"strategy", "column", "intervals", "retention", "premake"};
const Words strategies = {"range", "list", "hash"};
const Words periods = {"hourly", "daily", "weekly", "monthly", "quarterly", "yearly"};
const Words viewKeys = {"name", "query", "refresh", "concurrent", "unique", "description"};
const Words units = {"minute", "hour", "day", "week", "month", "year"};
const Words hints = {"async_execution", "batch_updates", "copy_mode"};
const Words dangerousHints = {"disable_triggers", "skip_triggers", "defer_triggers", "disable_constraints", "unlogged"};
constexpr int mostAhead = 1000;

// "24 months" as PostgreSQL reads it; empty if it is no length of time. A number that is left out is 1.
std::string lengthOfTime(std::string_view text) {
    std::vector<std::string> words(1);
    for (char c : text) {
        if (!isSpace(c)) {
            words.back() += toAsciiLower(c);
        } else if (!words.back().empty()) {
            words.emplace_back();
        }
    }
    if (words.back().empty()) {
        words.pop_back();
    }
    if (words.size() == 1) {
        words.insert(words.begin(), "1");
    }
    if (words.size() != 2 || words[0].size() > 6 || words[0].find_first_not_of("0123456789") != std::string::npos ||
        words[0].find_first_not_of('0') == std::string::npos) {
        return {};
    }
    std::string unit = words[1];
    if (unit.size() > 1 && unit.back() == 's') {
        unit.pop_back();
    }
    bool isKnown = std::find(units.begin(), units.end(), unit) != units.end();
    return isKnown ? words[0] + " " + unit + (words[0] == "1" ? "" : "s") : std::string();
}

void readPartitioning(ReadContext& context, const yaml::Node& node, Partitioning& partitioning) {
    const std::string what = "\"partitioning\"";
    context.checkKeys(node, partitioningKeys, what);
    Text strategy = context.choice(node, "strategy", strategies);
    if (node.find("strategy") == nullptr) {
        context.missing(node, "strategy", partitioningKeys, what);
    }
    if (strategy && strategy.value != "range") {
        context.diagnostics.report(Code::S210, strategy.pos,
                                   "tables are not partitioned by " + strategy.value + ": strategy is range",
                                   hintOf(Code::S210));
        return;
    }
    partitioning.column = context.requiredText(node, "column", partitioningKeys, what);
    if (const yaml::Entry* intervals = node.find("intervals")) {
        std::vector<Text> all = context.texts(intervals->value, "intervals");
        if (all.size() > 1) {
            context.diagnostics.report(Code::S211, all[1].pos);
        }
        for (const Text& one : all) {
            if (std::find(periods.begin(), periods.end(), one.value) == periods.end()) {
                context.diagnostics.report(Code::S006, one.pos, "\"intervals\" must be " + orList(periods),
                                           didYouMean(one.value, periods));
                return;
            }
        }
        partitioning.period = all.empty() ? Text() : all.front();
    } else {
        context.missing(node, "intervals", partitioningKeys, what);
    }
    if (Text retention = context.text(node, "retention")) {
        partitioning.retentionSql = lengthOfTime(retention.value);
        if (partitioning.retentionSql.empty()) {
            context.diagnostics.report(Code::S212, retention.pos,
                                       "\"retention\" is no length of time: " + retention.value, hintOf(Code::S212));
        }
    }
    if (Text premake = context.text(node, "premake")) {
        partitioning.premake = premake.value.size() > 4 ? 0 : std::atoi(premake.value.c_str());
        bool isNumber = premake.value.find_first_not_of("0123456789") == std::string::npos;
        if (!isNumber || partitioning.premake < 1 || partitioning.premake > mostAhead) {
            context.diagnostics.report(Code::S008, premake.pos,
                                       "\"premake\" must be a number from 1 to " + std::to_string(mostAhead));
        }
    }
    if (strategy && partitioning.column && partitioning.period) {
        partitioning.strategy = strategy;
    }
}

void readView(ReadContext& context, const yaml::Node& node, std::vector<MaterializedView>& into) {
    const std::string what = "a materialized view";
    if (node.kind != yaml::Node::Kind::mapping) {
        context.diagnostics.report(Code::S003, node.pos, "a materialized view must be a mapping",
                                   "for example {name: daily, query: \"SELECT …\", refresh: every 1 hour}");
        return;
    }
    context.checkKeys(node, viewKeys, what);
    MaterializedView view;
    view.pos = node.pos;
    view.name = context.requiredText(node, "name", viewKeys, what);
    view.query = context.requiredText(node, "query", viewKeys, what);
    view.description = context.text(node, "description");
    Text concurrent = context.boolean(node, "concurrent");
    bool valid = false;
    if (concurrent && booleanValue(concurrent.value, valid)) {
        view.concurrent = concurrent;
    }
    if (const yaml::Entry* unique = node.find("unique")) {
        view.unique = context.texts(unique->value, "unique");
    }
    view.refresh = context.text(node, "refresh");
    if (view.refresh) {
        const std::string every = "every ";
        bool isEvery = view.refresh.value.compare(0, every.size(), every) == 0;
        view.every = isEvery ? lengthOfTime(view.refresh.value.substr(every.size())) : std::string();
        if (view.every.empty()) {
            context.diagnostics.report(Code::S213, view.refresh.pos,
                                       "\"refresh\" does not say how often: " + view.refresh.value, hintOf(Code::S213));
        }
    }
    if (view.concurrent && view.unique.empty()) {
        context.diagnostics.report(Code::S214, view.concurrent.pos);
    }
    size_t end = view.query.value.find_last_not_of(" \t\r\n;");
    if (view.query && end != std::string::npos) {
        view.query.value.resize(end + 1);
    }
    if (view.query && splitTopLevel(view.query.value, ';').size() > 1) {
        context.diagnostics.report(Code::S217, view.query.pos);
    }
    if (view.name && view.query) {
        into.push_back(std::move(view));
    }
}

// Those that are known are how everything is done anyway.
void readHints(ReadContext& context, const yaml::Node& node) {
    std::vector<Text> names;
    if (node.kind == yaml::Node::Kind::mapping) {
        for (const yaml::Entry& entry : node.entries) {
            Text said = context.boolean(node, entry.key.value);
            bool valid = false;
            if (said && booleanValue(said.value, valid)) {
                names.push_back(entry.key);
            }
        }
    } else {
        names = context.texts(node, "performance_hints");
    }
    for (const Text& name : names) {
        if (std::find(dangerousHints.begin(), dangerousHints.end(), name.value) != dangerousHints.end()) {
            context.diagnostics.report(Code::S215, name.pos,
                                       name.value + " would let rows be written that no rule or constraint sees",
                                       hintOf(Code::S215));
        } else if (std::find(hints.begin(), hints.end(), name.value) == hints.end()) {
            std::string near = didYouMean(name.value, hints);
            context.diagnostics.report(Code::S216, name.pos, "unknown hint \"" + name.value + "\"",
                                       near.empty() ? "hints are " + orList(hints) : near);
        }
    }
}

}  // namespace

void readStorage(ReadContext& context, const yaml::Node& root, Entity& entity) {
    if (const yaml::Node* partitioning = context.mapping(root, "partitioning")) {
        readPartitioning(context, *partitioning, entity.partitioning);
    }
    if (const yaml::Entry* view = root.find("materialized_view")) {
        bool isList = view->value.kind == yaml::Node::Kind::sequence;
        for (size_t i = 0; i < (isList ? view->value.items.size() : 1); ++i) {
            readView(context, isList ? view->value.items[i] : view->value, entity.views);
        }
    }
    if (const yaml::Entry* hint = root.find("performance_hints")) {
        readHints(context, hint->value);
    }
}

}  // namespace specql::spec
