#include "spec/process.hpp"

#include <algorithm>

#include "spec/parts.hpp"
#include "spec/workflow.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

constexpr int64_t longestTimeoutMs = 366LL * 24 * 3600 * 1000;
constexpr int mostRetries = 1000;

bool isName(const std::string& text) {
    return !text.empty() && !isAsciiDigit(text[0]) && nameLength(text, 0) == text.size();
}

}  // namespace

Text Stages::name(const yaml::Node& node, const char* key, const Words& known, const std::string& what) {
    Text name = context_.requiredText(node, key, known, what);
    if (!name) {
        return {};
    }
    if (!isName(name.value)) {
        context_.diagnostics.report(Code::S361, name.pos, name.value + " is no name for a step", hintOf(Code::S361));
        return {};
    }
    if (find(name.value) > 0) {
        context_.diagnostics.report(Code::S352, name.pos, "two steps of the process are called " + name.value,
                                    hintOf(Code::S352));
        return {};
    }
    return name;
}

int Stages::add(const Text& name, Pos pos, StageKind kind, int parent) {
    Step& step = steps_.emplace_back();
    step.kind = StepKind::stage;
    step.verb = written("step", name);
    step.label = name;
    step.pos = pos;
    step.stage.emplace();
    step.stage->kind = kind;
    step.stage->parent = parent;
    return count();
}

int Stages::find(const std::string& name) const {
    for (size_t i = 0; i < steps_.size(); i++) {
        if (steps_[i].label.value == name) {
            return static_cast<int>(i) + 1;
        }
    }
    return 0;
}

void Stages::link() {
    for (int place = 1; place <= count(); place++) {
        if (at(place).stage->kind != StageKind::choose) {
            continue;
        }
        std::set<std::string> chosen;
        for (const Step& choice : at(place).then) {
            for (const Text& name : choice.taken) {
                if (chosen.insert(name.value).second) {
                    choose(place, name);
                }
            }
        }
    }
}

void Stages::choose(int chooser, const Text& name) {
    const int place = find(name.value);
    if (place == 0) {
        Words names;
        for (const Step& step : steps_) {
            names.push_back(step.label.value);
        }
        const std::string hint = didYouMean(name.value, names);
        context_.diagnostics.report(Code::S355, name.pos, "no step is called " + name.value,
                                    hint.empty() ? "the steps are " + join(names, ", ") : hint);
        return;
    }
    const std::string& own = at(chooser).label.value;
    if (place <= chooser) {
        context_.diagnostics.report(Code::S356, name.pos,
                                    place == chooser ? own + " would choose itself"
                                                     : name.value + " comes before " + own + ", which would choose it",
                                    hintOf(Code::S356));
        return;
    }
    Stage& stage = *at(place).stage;
    if (stage.chosenBy != 0 || stage.parent != 0) {
        context_.diagnostics.report(
            Code::S357, name.pos,
            name.value + (stage.parent != 0 ? " is a part of " + at(stage.parent).label.value
                                            : " is chosen already, by " + at(stage.chosenBy).label.value),
            stage.parent != 0 ? "choose " + at(stage.parent).label.value : std::string(hintOf(Code::S357)));
        return;
    }
    stage.chosenBy = chooser;
}

void readPatience(ReadContext& context, const yaml::Node& node, Stage& stage) {
    stage.timeout = context.text(node, "timeout");
    if (stage.timeout) {
        context.checkDuration("timeout", stage.timeout, longestTimeoutMs);
    }
    const Text retries = context.text(node, "retries");
    const std::string& count = retries.value;
    if (!retries) {
        return;
    }
    if (count.empty() || count.size() > 4 || !std::all_of(count.begin(), count.end(), isAsciiDigit) ||
        std::stoi(count) > mostRetries) {
        context.diagnostics.report(Code::S358, retries.pos);
        return;
    }
    stage.retries = std::stoi(count);
}

std::vector<Step> readPlainSteps(ReadContext& context, const yaml::Node& node, const char* key) {
    std::vector<Step> steps;
    const yaml::Entry* entry = node.find(key);
    if (entry == nullptr) {
        return steps;
    }
    std::vector<yaml::Node> items;
    if (entry->value.kind == yaml::Node::Kind::mapping) {
        items.push_back(entry->value);
    } else if (entry->value.kind == yaml::Node::Kind::sequence) {
        items = entry->value.items;
    } else {
        context.diagnostics.report(Code::S359, entry->key.pos, std::string("\"") + key + "\" must be steps",
                                   hintOf(Code::S359));
    }
    const Text name = written(key, entry->key);
    for (const yaml::Node& item : items) {
        if (item.kind == yaml::Node::Kind::mapping && item.find("action") != nullptr) {
            Step step;
            if (readActionForm(context, item, name, {}, step)) {
                steps.push_back(std::move(step));
            }
            continue;
        }
        yaml::Node list = entry->value;
        list.kind = yaml::Node::Kind::sequence;
        list.entries.clear();
        list.items = {item};
        readSteps(context, list, key, steps);
    }
    return steps;
}

void readChoices(ReadContext& context, const yaml::Node& branches, Step& step) {
    static const Words keys = {"condition", "steps"};
    for (const yaml::Node& item : branches.items) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context.diagnostics.report(Code::S003, item.pos, "a branch must be a mapping",
                                       "for example {condition: \"express\", steps: [ship_by_air]}");
            continue;
        }
        context.checkKeys(item, keys, "a branch");
        Step choice;
        choice.kind = StepKind::branch;
        choice.pos = item.pos;
        const yaml::Entry* condition = item.find("condition");
        choice.verb = written(condition == nullptr ? "else" : "if", condition == nullptr ? step.label : condition->key);
        if (condition != nullptr) {
            choice.condition = context.queryable(context.scalar(condition->value, "condition"));
        }
        const yaml::Entry* named = item.find("steps");
        if (named == nullptr) {
            context.missing(item, "steps", keys, "a branch");
        } else {
            choice.taken = context.texts(named->value, "steps");
        }
        step.then.push_back(std::move(choice));
    }
    for (size_t i = 0; i + 1 < step.then.size(); i++) {
        if (!step.then[i].condition && step.then[i].verb.value == "else") {
            context.diagnostics.report(Code::S362, step.then[i].pos);
        }
    }
}

}  // namespace specql::spec
