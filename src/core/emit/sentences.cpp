#include "emit/sentences.hpp"

#include <algorithm>
#include <map>

#include "emit/printer.hpp"
#include "emit/states.hpp"
#include "spec/coordinated.hpp"
#include "spec/states.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

class Sentences {
public:
    Sentences(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action)
        : world_(world), resolver_(resolver), action_(action) {}

    void tell() {
        if (action_.isAnswer()) return tellAnswer();
        if (action_.required)
            add("requires", "refuses whoever calls it (42501) unless " + said(action_.required), "requires",
                lineOf(action_.required));
        if (action_.info->spec->process)
            for (const auto& [key, type] : action_.parameters())
                add("parameter " + key, type, "params", action_.info->spec->pos.line);
        if (action_.binding.isDue()) tellDue();
        if (action_.window && action_.window->understood) tellWindow(*action_.window);
        bool numbered = action_.branches.size() > 1 || (!action_.branches.empty() && action_.branches[0].condition);
        for (size_t i = 0; i < action_.branches.size(); i++) {
            const resolve::ResolvedBranch& branch = action_.branches[i];
            std::string prefix = numbered ? std::to_string(i + 1) + "." : "";
            std::string condition = branch.onTimeout   ? "if it was not completed in time"
                                    : branch.condition ? "if " + said(branch.condition)
                                    : numbered         ? "always"
                                                       : "";
            if (numbered) add("condition " + std::to_string(i + 1), condition, "if", lineOf(branch.condition));
            tellSteps(branch.steps, prefix);
            tellSteps(branch.otherwise, prefix + "else.");
        }
        tellErrors("retry_on", action_.info->spec->retryOn, "are tried again, up to max_attempts");
        tellErrors("park_on", action_.info->spec->parkOn, "are tried once more, and then parked");
    }

private:
    void tellAnswer() {
        size_t dot = action_.answer.rfind('.');
        bool good = action_.answer.substr(dot) == ".succeeded";
        std::string call = action_.answer.substr(0, dot);
        const char* key = good ? "on_response" : "on_failure";
        for (const resolve::ResolvedBranch& branch : action_.branches) {
            if (branch.steps.empty()) continue;
            add(key, "when " + call + (good ? " has succeeded" : " has failed for good") + ", after that call's event",
                key, branch.steps.front().spec->pos.line);
            tellSteps(branch.steps, call + (good ? " response " : " failure "));
        }
    }

    bool isDueRow(const resolve::Context& context) const {
        return action_.binding.isDue() && context.key.kind == resolve::ValueKind::payload;
    }

    void tellDue() {
        const spec::Action& spec = *action_.info->spec;
        const resolve::DueTime& due = action_.binding.due;
        const std::string& backfill = spec.backfill.value;
        std::string sentence = "comes once for each row of " + due.entity->shown() + ", ";
        if (!due.offset.empty()) sentence += due.offset + (due.isBefore ? " before " : " after ");
        sentence += (due.offset.empty() ? "at its " : "its ") + due.column + " by " + due.zone;
        sentence += spec.missed.value == "skip" ? "; not if that has passed when the row is written"
                                                : "; at once if that has passed when the row is written";
        sentence += backfill == "all"    ? "; for all rows that are there already"
                    : backfill == "none" ? "; for no row that is there already"
                                         : "; for rows that are there already if their time is to come";
        add("due", sentence, "on", spec.on.pos.line);
    }

    // --- windows and correlations: what is counted, over what time, by which key -------------------------------------

    void tellWindow(const resolve::Window& window) {
        const spec::Action& spec = *action_.info->spec;
        std::string condition;
        for (size_t at = 0; at < window.joined.size();) {
            size_t digits = window.joined.find_first_not_of("0123456789", at);
            size_t end = digits == std::string::npos ? window.joined.size() : digits;
            if (end == at) {
                condition += window.joined[at++];
                continue;
            }
            const resolve::WindowTerm& term = window.terms[std::stoul(window.joined.substr(at, end - at)) - 1];
            condition += !window.correlation ? counted(term)
                         : term.filter       ? term.source + " with " + commentText(term.filter.value)
                                             : term.source;
            at = end;
        }
        std::string sentence = "matches when " + condition;
        if (window.correlation)
            sentence += " within " + spec.correlationWindow.value + sameKey(spec);
        else if (!window.terms.empty() && !window.terms.front().by.empty())
            sentence += ", for each " + join(spec::matchKeyNames(spec), " and ") + " by itself";
        const std::string& after = spec.afterMatch.value;
        sentence += after == "edge"    ? "; again when it has ceased to hold in between"
                    : after == "every" ? "; with each event under which it holds"
                                       : "; the events so far are used up then";
        if (!spec.cooldown.empty()) sentence += "; at most once in " + spec.cooldown.value;
        add("condition", sentence, window.correlation ? "correlation" : "window", spec.condition.pos.line);
    }

    // "the number of reading_created with celsius > -10 is at least 3 within 15 minutes"
    static std::string counted(const resolve::WindowTerm& term) {
        static const std::map<std::string, const char*> aggregates = {{"count", "the number"},
                                                                      {"sum", "the sum"},
                                                                      {"avg", "the average"},
                                                                      {"min", "the smallest"},
                                                                      {"max", "the greatest"}};
        static const std::map<std::string, const char*> comparisons = {
            {">=", "at least "}, {">", "more than "}, {"<=", "at most "}, {"<", "less than "}, {"=", ""}};
        auto comparison = comparisons.find(term.comparison);
        std::string what = aggregates.at(term.aggregate);
        if (term.distinct) what += " of different values";
        if (term.field) what += " of " + term.field.value;
        return what + (term.field ? " in " : " of ") + term.source +
               (term.filter ? " with " + commentText(term.filter.value) : "") + " is " +
               (comparison == comparisons.end() ? "not " : comparison->second) + term.number + " within " +
               term.interval.value;
    }

    static std::string sameKey(const spec::Action& spec) {
        if (spec.correlateBy.empty()) return "";
        std::vector<std::string> keys;
        for (size_t i = 0; i < spec.correlateBy.size(); i++)
            keys.push_back(
                (spec.correlateBy.size() > 1 && i < spec.triggers.size() ? spec.triggers[i].value + "." : "") +
                spec.correlateBy[i].value);
        return keys.size() == 1 ? ", with the same " + keys.front() : ", with " + join(keys, " = ");
    }

    // Which errors are not treated as others are.
    void tellErrors(const char* key, const std::vector<Text>& codes, const char* what) {
        std::vector<std::string> shown;
        for (const Text& code : codes)
            shown.push_back((code.value.size() == 2 ? "class " : "") + code.value);
        if (!codes.empty())
            add("errors", "events that fail with " + join(shown, ", ") + " " + what, key, codes.front().pos.line);
    }

    // --- steps -------------------------------------------------------------------------------------------------------

    uint32_t lineOf(const resolve::BoundExpression& bound) const {
        return bound ? world_.locate(bound.expression, 0).line : 0;
    }

    void add(const std::string& name, const std::string& sentence, const std::string& verb, uint32_t line) {
        world_.addExplanation({action_.info->name(), name, sentence, verb, line});
    }

    void tellSteps(const std::vector<resolve::ResolvedStep>& steps, const std::string& prefix) {
        std::string each;
        for (size_t i = 0; i < steps.size(); i++) {
            const resolve::ResolvedStep& step = steps[i];
            std::string number = prefix + std::to_string(i + 1);
            const std::string label = step.spec->label ? " (" + commentText(step.spec->label.value) + ")" : "";
            const bool ofElements = action_.items && prefix.empty() && i == action_.items->step;
            if (ofElements) each = "for each element of " + action_.items->parameter + ", ";
            add("step " + number + label, each + sentence(step), step.spec->verb.value, step.spec->pos.line);
            if (step.takes) each = "for each row that was taken, ";
            if (step.spec->kind == spec::StepKind::stage) {
                if (step.spec->stage->kind == spec::StageKind::choose) tellSteps(step.then, number + ".");
                continue;
            }
            tellSteps(step.then, number + ".");
            tellSteps(step.otherwise, number + ".else.");
            if (ofElements) each.clear();
        }
    }

    // A name as it would be written out.
    std::string name(const resolve::Value& value) const {
        const resolve::Binding& binding = action_.binding;
        bool either =
            !binding.custom && (binding.ops & resolve::opDelete) && binding.ops != resolve::opDelete && !value.strict;
        switch (value.kind) {
            case resolve::ValueKind::eventColumn:
                return std::string(value.old ? "old." : either ? "(new or old)." : "new.") + quoteName(value.name);
            case resolve::ValueKind::eventChange:
                return "(new." + quoteName(value.name) + " - old." + quoteName(value.name) + ")";
            case resolve::ValueKind::context:
                return written(action_.contexts[static_cast<size_t>(value.context)].path) + "." + quoteName(value.name);
            case resolve::ValueKind::payload: return "payload." + quoteName(value.name);
            case resolve::ValueKind::target:
                return (isStage(target_) ? "target" : target_) + "." + quoteName(value.name);
            case resolve::ValueKind::handled:
                return (action_.items ? action_.items->parameter : "taken") + "." + quoteName(value.name);
            case resolve::ValueKind::word: return quoteLiteral(value.name);
            case resolve::ValueKind::result: {
                const std::string& step =
                    action_.branches.front().steps[static_cast<size_t>(value.context)].spec->label.value;
                return value.name.empty() ? step + "_completed" : step + "." + quoteName(value.name);
            }
            case resolve::ValueKind::row:
            case resolve::ValueKind::queryColumn: return value.shown;
            case resolve::ValueKind::caller: return "caller." + quoteName(value.name);
            case resolve::ValueKind::meta:
                return value.name.compare(0, 8, "payload:") == 0 ? "payload." + quoteName(value.name.substr(8))
                                                                 : value.name;
            default: return value.name;
        }
    }

    // A path may begin with the target's name.
    std::string written(const std::string& path) const {
        if (action_.returned) return path;
        bool same = path == target_ || path.compare(0, target_.size() + 1, target_ + ".") == 0;
        return same && !target_.empty() ? (action_.binding.custom ? "payload." : "new.") + path : path;
    }

    std::string said(const resolve::BoundExpression& bound) const {
        const std::string& text = world_.expressionText(bound.expression);
        if (bound.values.size() != world_.facts(bound.expression).names.size()) return commentText(text);
        return commentText(printBound(
            world_, resolver_, bound, 0, text.size(), [&](const resolve::Value& value) { return name(value); },
            nullptr));
    }

    std::string values(const resolve::ResolvedStep& step) const {
        std::vector<std::string> set;
        for (const resolve::BoundAssignment& assignment : step.set)
            set.push_back(quoteName(assignment.column) + " = " +
                          (assignment.taken ? name(*assignment.taken) : said(assignment.value)));
        return join(set, ", ");
    }

    bool wholeTable(const resolve::ResolvedStep& step) const {
        if (!step.where || step.ownRow || step.byContext >= 0) return false;
        const ExpressionFacts& facts = world_.facts(step.where.expression);
        return facts.isLiteral && facts.literalValue == "true";
    }

    bool namesEvent(const resolve::BoundExpression& bound) const {
        for (const resolve::Value& value : bound.values)
            if (value.kind != resolve::ValueKind::target) return true;
        return false;
    }

    // "the row of s.stock where …", as a step looks for it.
    std::string looked(const resolve::ResolvedStep& step) const {
        std::string text =
            wholeTable(step) ? step.target->shown() : step.target->shown() + " where " + said(step.where);
        std::vector<std::string> order;
        for (const resolve::BoundOrder& item : step.order)
            order.push_back(said(item.value) + (item.spec->descending ? " descending" : ""));
        if (!order.empty()) text += ", in the order of " + join(order, ", ");
        if (step.limit && step.spec->kind != spec::StepKind::find) text += ", at most " + said(step.limit);
        return text;
    }

    std::string found(const resolve::ResolvedStep& step) const {
        const bool first = bool(step.limit);
        std::string text = (first ? "looks for the first row of " : "looks for the one row of ") + looked(step) +
                           ", and calls it " + action_.rows[static_cast<size_t>(step.row)].name;
        if (step.spec->hasElse) text += "; if there is none, does other steps";
        const char* fails = step.spec->hasElse ? "there are several"
                            : first            ? "there is none"
                                               : "there is none, or several";
        return step.spec->hasElse && first ? text : text + "; fails if " + fails;
    }

    std::string upserted(const resolve::ResolvedStep& step) const {
        std::vector<std::string> changed;
        for (const resolve::BoundAssignment& assignment : step.set)
            if (std::find(step.key.begin(), step.key.end(), assignment.column) == step.key.end())
                changed.push_back(quoteName(assignment.column));
        return "inserts a row into " + step.target->shown() + " with " + values(step) +
               "; if there is one with the same " + join(step.key, ", ") + ", " +
               (changed.empty() ? "leaves it as it is" : "updates " + join(changed, ", ") + " of that one");
    }

    // "the row of s.account that debit leads to", "every row of s.stock where stock.product_id = new.product_id".
    std::string rows(const resolve::ResolvedStep& step) const {
        const std::string shown = step.target->shown();
        std::string and_ = step.where ? ", if " + said(step.where) : "";
        if (step.ofStage) return "the rows of " + shown + " that the step wrote";
        if (step.ownRow) return "the event's own row of " + shown + and_;
        if (step.byContext >= 0 && isDueRow(action_.contexts[static_cast<size_t>(step.byContext)]))
            return "the row of " + shown + " that is due" + and_;
        if (step.byContext >= 0)
            return "the one row of " + shown + " that " + action_.contexts[static_cast<size_t>(step.byContext)].path +
                   " leads to" + and_;
        if (step.rowKey) return "the row of " + shown + " with the key " + name(*step.rowKey) + and_;
        bool taken = step.limit || !step.order.empty();
        std::string text = wholeTable(step) ? std::string(taken ? "rows of " : "EVERY ROW of ") + shown +
                                                  (taken ? "" : ", the whole table")
                                            : (taken                               ? "rows of "
                                               : resolve::keyInWhere(world_, step) ? "the row of "
                                                                                   : "every row of ") +
                                                  shown + " where " + said(step.where);
        std::vector<std::string> order;
        for (const resolve::BoundOrder& item : step.order)
            order.push_back(said(item.value) + (item.spec->descending ? " descending" : ""));
        if (!order.empty()) text += ", in the order of " + join(order, ", ");
        if (step.limit && step.allocated.empty()) text += ", at most " + said(step.limit);
        if (step.limit && !step.allocated.empty())
            text += ", as long as the sum of their " + step.allocated + " fits in " + said(step.limit);
        bool same = step.where && !wholeTable(step) && !namesEvent(step.where) && !action_.window;
        return text + (same && !taken ? ", whatever the event" : "");
    }

    std::string call(const resolve::ResolvedStep& step) const {
        std::vector<std::string> args;
        for (const resolve::BoundExpression& arg : step.args)
            args.push_back(said(arg));
        std::string with = "(" + join(args, ", ") + ")";
        if (step.call == resolve::CallKind::action)
            return (step.calledAction->spec->process                ? "begins the process "
                    : spec::isTransition(*step.calledAction->spec)  ? "calls the transition "
                    : step.calledAction->spec->ofRow                ? "calls the workflow "
                    : spec::isCoordinated(*step.calledAction->spec) ? "calls the action "
                                                                    : "calls the bulk operation ") +
                   step.calledAction->name() + with;
        if (step.call == resolve::CallKind::function) return "calls the function " + step.calledFunction + with;
        return "queues a call of " + step.spec->target.value + with + " to the service " + step.spec->verb.value;
    }

    // A text with its values as they are meant.
    std::string filled(const Text& text, const spec::Template& parts,
                       const std::vector<resolve::BoundExpression>& values) const {
        std::string written = parts.empty() ? text.value : "";
        for (size_t i = 0; i < parts.size(); i++)
            written += parts[i].text + (parts[i].value ? "{" + said(values[i]) + "}" : "");
        return written;
    }

    std::string channel(const resolve::ResolvedStep& step) const {
        return filled(step.spec->target, step.spec->targetParts, step.targetValues);
    }

    // What leaves, if that is not the event's data.
    static std::string sent(const resolve::ResolvedStep& step, const std::string& set) {
        if (!step.spec->ownPayload) return "";
        return set.empty() ? ", with nothing" : ", with " + set + " and nothing else";
    }

    std::string once(const resolve::ResolvedStep& step) const {
        if (!step.idempotencyKey) return "";
        return ", once in " + (step.spec->dedupeFor ? step.spec->dedupeFor.value : "1 day") + " for each value of " +
               said(step.idempotencyKey);
    }

    // A step of a process: what it does, and what undoes that.
    std::string ofStage(const resolve::ResolvedStep& step) {
        const spec::Stage& stage = *step.spec->stage;
        std::vector<std::string> does, undoes;
        const bool isGroup = stage.kind == spec::StageKind::parallel || stage.kind == spec::StageKind::any;
        if (isGroup)
            does.emplace_back(stage.kind == spec::StageKind::any
                                  ? "begins its steps at once, and goes on with the first"
                                  : "does its steps at the same time");
        if (stage.kind == spec::StageKind::choose) does.emplace_back("chooses which steps are done");
        if (std::string waits = awaited(step); !waits.empty()) does.push_back(waits);
        for (const resolve::ResolvedStep& one : step.then)
            if (stage.kind != spec::StageKind::choose) does.push_back(sentence(one));
        for (const resolve::ResolvedStep& one : step.otherwise)
            undoes.push_back(one.spec->kind == spec::StepKind::branch && one.then.size() == 1
                                 ? sentence(one) + ", " + sentence(one.then.front())
                                 : sentence(one));
        std::string text = step.condition ? "if " + said(step.condition) + ": " : "";
        text += does.empty() ? "does nothing" : join(does, "; ");
        if (stage.kind == spec::StageKind::call) text += ", and waits for the answer";
        if (stage.timeout) text += ", up to " + stage.timeout.value;
        if (stage.retries > 0) text += ", tried again up to " + std::to_string(stage.retries) + " times";
        if (stage.parent > 0) text += "; a part of " + labelOf(stage.parent);
        if (stage.afterTimeoutOf > 0) text += "; if " + labelOf(stage.afterTimeoutOf) + " takes too long";
        if (stage.chosenBy > 0) text += "; if " + labelOf(stage.chosenBy) + " chooses it";
        return text + (undoes.empty() ? "" : "; undone: " + join(undoes, "; "));
    }

    // Is it the name of a step of a process, too?
    bool isStage(const std::string& name) const {
        const spec::Action& spec = *action_.info->spec;
        return spec.process && std::any_of(spec.branches.front().steps.begin(), spec.branches.front().steps.end(),
                                           [&](const spec::Step& step) { return step.label.value == name; });
    }

    // What a step of a process waits for.
    std::string awaited(const resolve::ResolvedStep& step) {
        const spec::Step& spec = *step.spec;
        const std::string value = step.args.empty() ? "" : said(step.args.front());
        switch (spec.stage->kind) {
            case spec::StageKind::wait: return spec.after ? "waits for " + spec.after.value : "waits until " + value;
            case spec::StageKind::waitFor:
                return "waits for the event " + spec.stage->event.value +
                       (value.empty() ? "" : " whose " + spec.key.front().value + " is " + value);
            case spec::StageKind::waitUntilTrue: return "waits until " + value;
            case spec::StageKind::ask: {
                std::vector<std::string> choices;
                for (const Text& choice : spec.taken)
                    choices.push_back(choice.value);
                return "asks " + channel(step) + ": " +
                       quoteLiteral(filled(spec.message, spec.messageParts, step.messageValues)) + " (" +
                       join(choices, ", ") + ")" + (spec.repeat ? ", again every " + spec.repeat.value : "");
            }
            default: return "";
        }
    }

    const std::string& labelOf(int place) const {
        return action_.branches.front().steps[static_cast<size_t>(place - 1)].spec->label.value;
    }

public:
    std::string sentence(const resolve::ResolvedStep& step) {
        const spec::Step& spec = *step.spec;
        // What must hold of the rows of an entity stands below it.
        if (step.target || !action_.returned) target_ = step.target ? step.target->word : "";
        std::string set = step.set.empty() ? "" : values(step);
        std::string message = quoteLiteral(filled(spec.message, spec.messageParts, step.messageValues));
        switch (spec.kind) {
            case spec::StepKind::insert:
            case spec::StepKind::create:
            case spec::StepKind::append:
                if (!step.target) return {};
                if (step.ofStage) return "inserts the rows of " + step.target->shown() + " again that the step deleted";
                return (spec.kind == spec::StepKind::append ? "appends a row to " : "inserts a row into ") +
                       step.target->shown() + (set.empty() ? ", all of defaults" : " with " + set);
            case spec::StepKind::update: return !step.target ? "" : "updates " + rows(step) + ": " + set;
            case spec::StepKind::remove: return !step.target ? "" : "deletes " + rows(step);
            case spec::StepKind::upsert: return !step.target ? "" : upserted(step);
            case spec::StepKind::find: return !step.target ? "" : found(step);
            case spec::StepKind::each:
                return !step.target ? "" : "for each row " + spec.variable.value + " of " + looked(step);
            case spec::StepKind::lock:
                return !step.target ? "" : "locks " + rows(step) + ", until the transaction ends";
            case spec::StepKind::assign: return "sets, before the row is written, " + set;
            case spec::StepKind::let: return spec.variable.value + " is " + said(step.condition);
            case spec::StepKind::callExternal:
                return "queues a call to the service " + spec.target.value + ", operation " + spec.message.value +
                       sent(step, set) + once(step) + (spec.after ? ", to leave after " + spec.after.value : "");
            case spec::StepKind::notify:
                return "queues a notification of " + channel(step) + ": " + message + sent(step, set);
            case spec::StepKind::escalate:
                return "queues an escalation to " + channel(step) + ": " + message + sent(step, set);
            case spec::StepKind::emit:
                return "raises the event " + spec.target.value +
                       (spec.after ? ", after " + spec.after.value + "," : "") +
                       (set.empty() ? " with the event's own data" : " with " + set);
            case spec::StepKind::function:
            case spec::StepKind::call: return call(step);
            case spec::StepKind::validate:
                return "fails unless " + said(step.condition) + (step.messageValues.empty() ? "" : ", with " + message);
            case spec::StepKind::branch: {
                std::vector<std::string> chosen;
                for (const Text& name : spec.taken)
                    chosen.push_back(name.value);
                return (step.condition ? "if " + said(step.condition) : "else") +
                       (spec.taken.empty() ? "" : ", " + join(chosen, ", "));
            }
            case spec::StepKind::foreach: return "for each " + spec.variable.value + " of " + said(step.condition);
            case spec::StepKind::ret: return "is done with this event";
            case spec::StepKind::stage: return ofStage(step);
        }
        return {};
    }

private:
    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    std::string target_;  // the table that the step at hand writes
};

}  // namespace

std::string sentenceOf(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                       const resolve::ResolvedStep& step) {
    return Sentences(world, resolver, action).sentence(step);
}

void explainSteps(resolve::World& world, const resolve::Resolver& resolver) {
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit && entity.unit->fresh())
            for (const ToldTransition& told : tellTransitions(world, entity))
                world.addExplanation({entity.home + "." + entity.name, told.on.empty() ? "transition" : told.on,
                                      told.sentence, "states", told.line});
    for (const resolve::ResolvedAction& action : resolver.actions)
        if (!action.isFeed() && action.info->unit->fresh()) Sentences(world, resolver, action).tell();
}

}  // namespace specql::emit
