#include <algorithm>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

constexpr int64_t longestDedupeMs = longestAfterMs;

// A table, not a chain of ifs: the word, its kind, and the keys that may stand beside it.
struct Verb {
    const char* word;
    StepKind kind;
    Words companions;
};

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> all = {
        {"insert", StepKind::insert, {}},
        {"update", StepKind::update, {}},
        {"delete", StepKind::remove, {}},
        {"append", StepKind::append, {}},
        {"create", StepKind::create, {}},
        {"upsert", StepKind::upsert, {}},
        {"find", StepKind::find, {"else", "error"}},
        {"lock", StepKind::lock, {}},
        {"let", StepKind::let, {}},
        {"set", StepKind::assign, {}},
        {"call_external",
         StepKind::callExternal,
         {"after", "idempotency_key", "dedupe_for", "on_response", "on_failure"}},
        {"notify", StepKind::notify, {}},
        {"escalate", StepKind::escalate, {}},
        {"emit", StepKind::emit, {"after"}},
        {"validate", StepKind::validate, {"error"}},
        {"if", StepKind::branch, {"then", "else"}},
        {"foreach", StepKind::foreach, {"do"}},
        {"call", StepKind::call, {"into"}},
        {"return", StepKind::ret, {}},
    };
    return all;
}

const Verb* findVerb(const std::string& word) {
    for (const Verb& verb : verbs()) {
        if (word == verb.word) {
            return &verb;
        }
    }
    return nullptr;
}

Words verbWords() {
    Words words;
    for (const Verb& verb : verbs()) {
        words.push_back(verb.word);
    }
    return words;
}

bool isStatement(StepKind kind) {
    return kind == StepKind::insert || kind == StepKind::update || kind == StepKind::remove ||
           kind == StepKind::append || kind == StepKind::create || kind == StepKind::upsert || kind == StepKind::emit;
}

// Whether it is said who is told, and what.
bool isAddressed(StepKind kind) {
    return kind == StepKind::callExternal || kind == StepKind::notify || kind == StepKind::escalate;
}

// "insert  InventoryEvent SET", as the dialect pass leaves a step whose columns stand below it.
bool isStatementKey(const std::string& key) {
    size_t blank = key.find_first_of(" \t");
    if (blank == std::string::npos || key.size() < blank + 5) {
        return false;
    }
    std::string_view tail = std::string_view(key).substr(key.size() - 4);
    return isSpaceOrTab(tail[0]) && toAsciiLower(tail[1]) == 's' && toAsciiLower(tail[2]) == 'e' &&
           toAsciiLower(tail[3]) == 't';
}

// "Order WHERE …": a name and a clause, where an array is a name alone.
bool isOverRows(const std::string& text) {
    size_t behind = text.find_first_not_of(" \t\n", nameLength(text, 0));
    for (const char* clause : {"WHERE", "ORDER BY", "LIMIT"}) {
        if (behind != std::string::npos && findKeyword(text, clause, behind) == behind) {
            return true;
        }
    }
    return false;
}

class StepReader {
public:
    StepReader(ReadContext& context, const yaml::Node& node) : context_(context), node_(node) {}

    // False if there is nothing to keep.
    bool read(Step& step) {
        step.pos = node_.pos;
        if (node_.kind != yaml::Node::Kind::mapping || node_.entries.empty()) {
            reportNoMapping();
            return false;
        }
        const yaml::Entry* main = &node_.entries[0];
        for (const yaml::Entry& entry : node_.entries) {
            const std::string& key = entry.key.value;
            const Verb* verb = findVerb(isStatementKey(key) ? firstWord(key) : key);
            if (verb != nullptr && !verb->companions.empty()) {
                main = &entry;
                break;
            }
        }
        step.verb = main->key;
        if (isStatementKey(main->key.value)) {
            return readStatementKey(*main, step);
        }
        const Verb* verb = findVerb(main->key.value);
        if (verb == nullptr) {
            return readFunction(*main, step);
        }
        step.kind = verb->kind;
        if (!checkCompanions(*main, verb->companions)) {
            return false;
        }
        size_t errorsBefore = context_.diagnostics.errorCount();
        readVerb(main->value, step);
        return isUsable(step, errorsBefore);
    }

private:
    void reportNoMapping() {
        std::string hint = "for example 'notify: sales_team \"…\"'";
        if (node_.kind == yaml::Node::Kind::scalar) {
            const std::string& text = node_.scalar.value;
            std::string word = text.substr(0, text.find_first_of(" :"));
            std::string known = nearest(word, verbWords());
            hint = known.empty() ? hint : "put a ':' and a blank behind \"" + known + "\"";
        }
        context_.diagnostics.report(Code::S014, node_.pos, sentenceOf(Code::S014), hint);
    }

    // Other keys than the step's own: either they belong to it, or the next step lacks its dash.
    bool checkCompanions(const yaml::Entry& main, const Words& companions) {
        for (const yaml::Entry& entry : node_.entries) {
            bool isKnown =
                &entry == &main || std::find(companions.begin(), companions.end(), entry.key.value) != companions.end();
            if (isKnown) {
                continue;
            }
            std::string hint = didYouMean(entry.key.value, companions);
            context_.diagnostics.report(Code::S015, entry.key.pos,
                                        "a step has one key; \"" + entry.key.value + "\" does not belong to \"" +
                                            firstWord(main.key.value) + "\"",
                                        hint.empty() ? "begin each step with '- '" : hint);
            return false;
        }
        return true;
    }

    static std::string firstWord(const std::string& key) { return key.substr(0, key.find_first_of(" \t")); }

    bool readStatementKey(const yaml::Entry& entry, Step& step) {
        size_t wordEnd = entry.key.value.find_first_of(" \t");
        step.verb = context_.source.piece(entry.key, 0, wordEnd);
        const Verb* verb = findVerb(step.verb.value);
        bool takesSet =
            verb != nullptr && verb->kind != StepKind::remove && (isStatement(verb->kind) || isAddressed(verb->kind));
        if (!takesSet) {
            reportUnknown(step.verb, {"insert", "update", "append", "create", "upsert", "emit", "call_external",
                                      "notify", "escalate"});
            return false;
        }
        step.kind = verb->kind;
        if (!checkCompanions(entry, verb->companions)) {
            return false;
        }
        if (entry.value.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S018, entry.value.pos, "SET must be followed by columns and their values",
                                        "write 'column: \"expression\"' on the lines below");
            return false;
        }
        Text statement = context_.source.piece(entry.key, wordEnd, entry.key.value.size());
        if (isAddressed(step.kind)) {
            size_t errorsBefore = context_.diagnostics.errorCount();
            readAddressed(context_, statement, &entry.value, step);
            readAfter(step);
            readKey(step);
            readAnswers(step);
            return isUsable(step, errorsBefore);
        }
        size_t errorsBefore = context_.diagnostics.errorCount();
        readStatement(context_, statement, &entry.value, step);
        readLater(step);
        return isUsable(step, errorsBefore);
    }

    void reportUnknown(const Text& verb, const Words& known) {
        std::string hint = didYouMean(verb.value, known);
        if (verb.value == "then" || verb.value == "else") {
            hint = "it belongs to an \"if\" in the same step";
        } else if (hint.empty()) {
            hint = "a step is " + orList(verbWords()) + ", or calls a function: 'name: \"f(arguments)\"'";
        }
        context_.diagnostics.report(Code::S016, verb.pos, "unknown step \"" + verb.value + "\"", hint);
    }

    // <anything>: "f(args)". A word that is one slip away from a known step is taken for that slip: a misspelt step
    // must not turn into a queued call that nobody answers.
    bool readFunction(const yaml::Entry& main, Step& step) {
        step.kind = StepKind::function;
        std::string known = nearest(main.key.value, verbWords());
        bool isSlip = !known.empty() && main.key.value.size() + 1 >= known.size() &&
                      known.size() + 1 >= main.key.value.size() && known.size() >= 4;
        bool isText = main.value.kind == yaml::Node::Kind::scalar;
        size_t errorsBefore = context_.diagnostics.errorCount();
        if (main.key.empty()) {
            context_.diagnostics.report(Code::S004, main.key.pos, "the name of a step is empty");
            return false;
        }
        if (isSlip || !isText || !readCall(context_, main.value.scalar, step)) {
            reportUnknown(main.key, verbWords());
            return false;
        }
        return checkCompanions(main, {}) && context_.diagnostics.errorCount() == errorsBefore;
    }

    // Later stages look into what is kept; without its target or condition a step is nothing to look at.
    bool isUsable(const Step& step, size_t errorsBefore) const {
        bool hasErrors = context_.diagnostics.errorCount() > errorsBefore;
        switch (step.kind) {
            case StepKind::validate:
            case StepKind::branch:
            case StepKind::let:
            case StepKind::foreach: return static_cast<bool>(step.condition);
            case StepKind::call:
            case StepKind::ret: return !hasErrors;
            case StepKind::assign: return !step.set.empty();
            case StepKind::upsert: return !hasErrors && step.target.present;
            default: return step.target.present;
        }
    }

    void readVerb(const yaml::Node& value, Step& step) {
        switch (step.kind) {
            case StepKind::validate:
                step.condition = context_.queryable(context_.scalar(value, "validate"));
                step.message = context_.text(node_, "error");
                step.messageParts = readTemplate(context_, step.message, 0);
                return;
            case StepKind::branch: readIf(value, step); return;
            case StepKind::foreach: readForeach(value, step); return;
            case StepKind::let: readLet(value, step); return;
            case StepKind::assign:
                if (value.kind == yaml::Node::Kind::mapping) {
                    readOwnFields(context_, Text(), &value, step);
                } else if (Text text = context_.scalar(value, "set")) {
                    readOwnFields(context_, text, nullptr, step);
                }
                return;
            case StepKind::find: readFind(value, step); return;
            case StepKind::call: readCallStep(value, step); return;
            case StepKind::ret:
                if (value.kind != yaml::Node::Kind::null) {
                    ExpressionRef result = context_.expression(context_.scalar(value, "return"));
                    if (result) {
                        step.args.push_back(result);
                    }
                }
                return;
            case StepKind::callExternal:
            case StepKind::notify:
            case StepKind::escalate:
                readAddress(value, step);
                readAfter(step);
                readKey(step);
                readAnswers(step);
                return;
            default:
                readStatementValue(value, step);
                readLater(step);
                return;
        }
    }

    void readStatementValue(const yaml::Node& value, Step& step) {
        if (value.kind == yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S003, value.pos,
                                        "\"" + step.verb.value + "\" must be a text, not a mapping",
                                        "write '" + step.verb.value + ": Entity SET' and the columns below it");
            return;
        }
        Text statement = context_.scalar(value, step.verb.value);
        if (statement) {
            readStatement(context_, statement, nullptr, step);
        }
    }

    void readAfter(Step& step) {
        step.after = context_.text(node_, "after");
        if (step.after) {
            context_.checkDuration("after", step.after, longestAfterMs);
        }
    }

    // Of an event its sentence may say it.
    void readLater(Step& step) {
        const yaml::Entry* after = node_.find("after");
        if (step.kind != StepKind::emit || after == nullptr) {
            return;
        }
        if (step.after) {
            context_.diagnostics.report(Code::S370, after->key.pos);
            return;
        }
        readAfter(step);
    }

    void readKey(Step& step) {
        if (const yaml::Entry* key = node_.find("idempotency_key")) {
            step.idempotencyKey = context_.queryable(context_.scalar(key->value, "idempotency_key"));
        }
        step.dedupeFor = context_.text(node_, "dedupe_for");
        if (!step.dedupeFor) {
            return;
        }
        context_.checkDuration("dedupe_for", step.dedupeFor, longestDedupeMs);
        if (node_.find("idempotency_key") == nullptr) {
            context_.diagnostics.report(Code::S185, step.dedupeFor.pos);
        }
    }

    void readAddress(const yaml::Node& value, Step& step) {
        if (value.kind == yaml::Node::Kind::mapping) {
            readAddressedMapping(context_, value, step);
            return;
        }
        Text text = context_.scalar(value, step.verb.value);
        if (text) {
            readAddressed(context_, text, nullptr, step);
        }
    }

    void readAnswers(Step& step) {
        if (const yaml::Node* steps = context_.list(node_, "on_response")) {
            readSteps(context_, *steps, "on_response", step.onResponse);
        }
        if (const yaml::Node* steps = context_.list(node_, "on_failure")) {
            readSteps(context_, *steps, "on_failure", step.onFailure);
        }
    }

    void readIf(const yaml::Node& value, Step& step) {
        step.condition = context_.queryable(context_.scalar(value, "if"));
        if (node_.find("then") == nullptr) {
            context_.missing(node_, "then", {"if", "then", "else"}, "\"if\"");
        }
        if (const yaml::Node* then = context_.list(node_, "then")) {
            readSteps(context_, *then, "then", step.then);
        }
        if (const yaml::Node* otherwise = context_.list(node_, "else")) {
            readSteps(context_, *otherwise, "else", step.otherwise);
        }
    }

    // "name = expression".
    void readLet(const yaml::Node& value, Step& step) {
        Text text = context_.scalar(value, "let");
        if (!text) {
            return;
        }
        size_t name = nameLength(text.value, 0);
        size_t equals = std::min(text.value.find_first_not_of(" \t\n", name), text.value.size());
        bool isPlainName = name > 0 && text.value[0] != '"' && text.value.find('.') >= name;
        if (!isPlainName || equals >= text.value.size() || text.value[equals] != '=') {
            context_.diagnostics.report(Code::S220, text.pos);
            return;
        }
        size_t begin = std::min(text.value.find_first_not_of(" \t\n", equals + 1), text.value.size());
        step.variable = context_.source.piece(text, 0, name);
        step.condition = context_.queryable(context_.source.piece(text, begin, text.value.size()));
    }

    // "Customer AS c WHERE …", and what is done, or said, where there is none.
    void readFind(const yaml::Node& value, Step& step) {
        readStatementValue(value, step);
        step.message = context_.text(node_, "error");
        step.messageParts = readTemplate(context_, step.message, 0);
        const yaml::Entry* otherwise = node_.find("else");
        if (otherwise != nullptr && step.message) {
            context_.diagnostics.report(Code::S009, otherwise->key.pos, "\"error\" and \"else\" exclude each other",
                                        "to fail after other steps, end them with 'validate: \"false\"' and its error");
        }
        if (const yaml::Node* steps = context_.list(node_, "else")) {
            step.hasElse = true;
            readSteps(context_, *steps, "else", step.otherwise);
        }
    }

    // "item in array", or "row in Entity WHERE …".
    void readForeach(const yaml::Node& value, Step& step) {
        Text text = context_.scalar(value, "foreach");
        if (text) {
            size_t name = nameLength(text.value, 0);
            size_t in = findKeyword(text.value, "in", name);
            bool isPlainName = name > 0 && text.value.find('.') >= name;
            if (!isPlainName || in == std::string::npos || text.value.find_first_not_of(" \t\n", name) != in) {
                context_.diagnostics.report(Code::S029, text.pos);
            } else {
                size_t begin = std::min(text.value.find_first_not_of(" \t\n", in + 2), text.value.size());
                step.variable = context_.source.piece(text, 0, name);
                Text over = context_.source.piece(text, begin, text.value.size());
                if (isOverRows(over.value)) {
                    step.kind = StepKind::each;
                    readStatement(context_, over, nullptr, step);
                } else {
                    step.condition = context_.expression(over);
                }
            }
        }
        if (node_.find("do") == nullptr) {
            context_.missing(node_, "do", {"foreach", "do"}, "\"foreach\"");
        }
        if (const yaml::Node* body = context_.list(node_, "do")) {
            readSteps(context_, *body, "do", step.then);
        }
    }

    void readCallStep(const yaml::Node& value, Step& step) {
        Text text = context_.scalar(value, "call");
        if (text && !readCall(context_, text, step)) {
            context_.diagnostics.report(Code::S023, text.pos, "\"call\" must be written 'function(arguments)'",
                                        "parentheses are needed even without arguments");
        }
        step.variable = context_.text(node_, "into");
    }

    ReadContext& context_;
    const yaml::Node& node_;
};

}  // namespace

void readSteps(ReadContext& context, const yaml::Node& steps, const std::string& key, std::vector<Step>& into) {
    if (steps.items.empty()) {
        context.diagnostics.report(Code::S004, steps.pos, "\"" + key + "\" is empty");
    }
    for (const yaml::Node& item : steps.items) {
        Step step;
        if (StepReader(context, item).read(step)) {
            into.push_back(std::move(step));
        }
    }
}

}  // namespace specql::spec
