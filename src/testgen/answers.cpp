// What is done with the answers to an action's calls: the test answers the call itself, in its own transaction, and
// what the steps do then is compared with the reference.
#include <algorithm>

#include "testgen/responses.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Whether these are steps with an answer to a call of the action, of the events that it has on this table.
bool isAnswerOf(const resolve::ResolvedAction& answer, const resolve::ResolvedAction& action) {
    const resolve::Binding &mine = action.binding, &other = answer.binding;
    return answer.isAnswer() && answer.info == action.info && other.entity == mine.entity && other.ops == mine.ops &&
           other.event == mine.event;
}

// payments.charge, of payments.charge.succeeded.
std::string callOf(const std::string& answer) {
    return answer.substr(0, answer.rfind('.'));
}

bool isCall(const resolve::ResolvedStep& step, const std::string& call) {
    return step.spec->kind == spec::StepKind::callExternal &&
           step.spec->target.value + "." + step.spec->message.value == call;
}

bool makes(const std::vector<resolve::ResolvedStep>& steps, const std::string& call) {
    return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& step) {
        return isCall(step, call) || makes(step.then, call) || makes(step.otherwise, call);
    });
}

bool makes(const resolve::ResolvedAction& action, const std::string& call) {
    return std::any_of(action.branches.begin(), action.branches.end(), [&](const resolve::ResolvedBranch& branch) {
        return makes(branch.steps, call) || makes(branch.otherwise, call);
    });
}

// Answers that lead from the action's own call to this one, which is the last.
std::vector<const resolve::ResolvedAction*> chainOf(const resolve::Resolver& resolver,
                                                    const resolve::ResolvedAction& action,
                                                    const resolve::ResolvedAction& answer) {
    if (makes(action, callOf(answer.answer))) return {&answer};
    for (const resolve::ResolvedAction& other : resolver.actions) {
        if (&other == &answer || !isAnswerOf(other, action) || !makes(other, callOf(answer.answer))) continue;
        std::vector<const resolve::ResolvedAction*> chain = chainOf(resolver, action, other);
        if (chain.empty()) continue;
        chain.push_back(&answer);
        return chain;
    }
    return {};
}

// Puts the steps of answers behind those of the action: what their names mean is one scenario.
class Joined {
public:
    Joined(const resolve::ResolvedAction& action, const std::vector<const resolve::ResolvedAction*>& chain)
        : action(action) {
        for (size_t level = 0; level < chain.size(); level++)
            add(*chain[level], static_cast<int>(level));
        told = *chain.back();
        told.branches = {branches_.back()};
        told.contexts = this->action.contexts;
    }

    resolve::ResolvedAction action;
    resolve::ResolvedAction told;  // the last answer's steps alone

private:
    void add(resolve::ResolvedAction answer, int level) {
        std::vector<int> places;
        for (const resolve::Context& context : answer.contexts) {
            auto same =
                std::find_if(action.contexts.begin(), action.contexts.end(), [&](const resolve::Context& known) {
                    return known.path == context.path && known.entity == context.entity;
                });
            places.push_back(static_cast<int>(same - action.contexts.begin()));
            if (same != action.contexts.end()) continue;
            action.contexts.push_back(context);
            move(action.contexts.back().key, places, level);
        }
        resolve::visitExpressions(answer, [&](resolve::BoundExpression& bound) {
            for (resolve::Value& value : bound.values)
                move(value, places, level);
        });
        for (resolve::ResolvedBranch& branch : answer.branches) {
            for (std::vector<resolve::ResolvedStep>* steps : {&branch.steps, &branch.otherwise})
                move(*steps, places, level);
            action.branches.push_back(branch);
            branches_.push_back(branch);
        }
        for (const std::string& key : answer.payloadOrder)
            if (action.payload.emplace(key, answer.payload.at(key)).second) action.payloadOrder.push_back(key);
    }

    static void move(resolve::Value& value, const std::vector<int>& places, int level) {
        if (value.kind == resolve::ValueKind::context) value.context = places[static_cast<size_t>(value.context)];
        if (value.kind == resolve::ValueKind::answer) value.context = level;
    }

    static void move(std::vector<resolve::ResolvedStep>& steps, const std::vector<int>& places, int level) {
        for (resolve::ResolvedStep& step : steps) {
            if (step.byContext >= 0) step.byContext = places[static_cast<size_t>(step.byContext)];
            if (step.rowKey) move(*step.rowKey, places, level);
            for (resolve::BoundAssignment& assignment : step.set)
                if (assignment.taken) move(*assignment.taken, places, level);
            move(step.then, places, level);
            move(step.otherwise, places, level);
        }
    }

    std::vector<resolve::ResolvedBranch> branches_;  // of the answers, in order
};

class AnswerTests {
public:
    AnswerTests(Writer& writer, const resolve::ResolvedAction& action, unsigned operation,
                const std::vector<const resolve::ResolvedAction*>& chain)
        : writer_(writer),
          chain_(chain),
          joined_(action, chain),
          stage_(writer.world, writer.resolver, writer.tables, joined_.action, operation, typesOf(chain)) {
        for (size_t level = 0; level < chain.size(); level++)
            makeUp(static_cast<int>(level));
    }

    void write() {
        const resolve::ResolvedAction& answer = *chain_.back();
        std::vector<Arm> own = namedArms(writer_.world, answer);
        const std::string title = stage_.action.info->name() + " on " + answer.answer;
        for (size_t i = 0; i < own.size(); i++) {
            Arm arm = stage_.arms[stage_.arms.size() - own.size() + i];
            arm.label = stage_.action.base + " on " + answer.answer +
                        (own.size() == 1 ? "" : " branch " + std::to_string(i + 1));
            std::string why = stage_.unfit;
            Fixture fixture;
            if (why.empty()) fixture = search(arm, why);
            writer_.begin(title);
            if (fixture)
                play(arm, fixture);
            else
                writer_.skip(arm.label + " does its steps", why);
        }
    }

private:
    static std::vector<std::string> typesOf(const std::vector<const resolve::ResolvedAction*>& chain) {
        std::vector<std::string> types;
        for (const resolve::ResolvedAction* answer : chain)
            types.push_back(answer->answer);
        return types;
    }

    // The values that the answers have.
    void makeUp(int level) {
        for (const char* name : {"response", "error"}) {
            const int known = stage_.dimension({Place::answer(level), name});
            if (known < 0) continue;
            Dimension& dimension = stage_.scenario.at(known);
            dimension.unique = name == std::string("error") && !dimension.essential;
            if (name == std::string("error")) continue;
            dimension.candidates.clear();
            const resolve::ResolvedBranch& branch =
                stage_.action.branches[stage_.action.branches.size() - chain_.size() + static_cast<size_t>(level)];
            for (std::string& response :
                 responses(writer_.world, writer_.tables, branch.steps, static_cast<size_t>(known)))
                dimension.candidates.push_back(std::move(response));
        }
    }

    // The way to the call, and what is done with its answer.
    bool whole(const Arm& arm, Arm& found) const {
        found = arm;
        size_t at = 0;
        for (size_t level = 0; level < chain_.size(); level++) {
            const std::string call = callOf(chain_[level]->answer);
            auto by = std::find_if(stage_.arms.begin() + static_cast<long>(at), stage_.arms.end(), [&](const Arm& one) {
                return std::any_of(one.steps.begin(), one.steps.end(),
                                   [&](const resolve::ResolvedStep* step) { return isCall(*step, call); });
            });
            if (by == stage_.arms.end()) return false;
            at = static_cast<size_t>(by - stage_.arms.begin()) + 1;
            found.parts.insert(found.parts.end(), by->parts.begin(), by->parts.end());
            found.steps.insert(found.steps.end(), by->steps.begin(), by->steps.end());
        }
        return true;
    }

    Fixture search(const Arm& arm, std::string& why) {
        Arm all;
        std::string condition, problem;
        if (!whole(arm, all)) return why = "the way to the call is not known", Fixture();
        if (!stage_.condition(all, Scenario::reference, condition, problem))
            return why = "its condition cannot be tested: " + problem, Fixture();
        std::vector<std::string> strict = stage_.wheres(all), telling = stage_.telling(all);
        strict.insert(strict.begin(), condition);
        telling.insert(telling.begin(), strict.begin(), strict.end());
        for (bool strictly : {true, false})
            for (const std::vector<std::string>& conditions : {telling, strict, {condition}}) {
                why.clear();
                Fixture fixture = writer_.find(stage_, conditions, {}, stage_.focus(all), why, strictly);
                if (fixture || why.empty()) return fixture;
            }
        return {};
    }

    // WHERE of the event that the answer of a level is; before the first one, that of the action's own.
    std::string event(int level, const std::string& alias) const {
        if (level < 0) {
            std::string condition = event_;
            for (size_t at; (at = condition.find(aliasMark)) != std::string::npos;)
                condition.replace(at, 1, alias);
            // Its answers are events of the same action, about the same row.
            return condition + " AND (" + alias + ".data ? 'specql.answer') IS NOT TRUE";
        }
        return alias + ".action = " + quoteLiteral(stage_.action.info->name()) + " AND " + alias +
               ".type = " + quoteLiteral(chain_[static_cast<size_t>(level)]->answer) + "\n    AND " + alias +
               ".caused_by = " + newest(level - 1);
    }

    // An earlier test may have raised one like it.
    std::string newest(int level) const {
        const std::string alias = level < 0 ? "v" : "v" + std::to_string(level + 1);
        return "(SELECT " + alias + ".id FROM specql.events AS " + alias + " WHERE " + event(level, alias) +
               " ORDER BY " + alias + ".id DESC LIMIT 1)";
    }

    // FROM and WHERE of the call that is answered.
    std::string delivery(int level) const {
        const std::string call = callOf(chain_[static_cast<size_t>(level)]->answer);
        const size_t dot = call.find('.');
        return "FROM specql.deliveries AS d\nWHERE d.action = " + quoteLiteral(stage_.action.info->name()) +
               " AND d.service = " + quoteLiteral(call.substr(0, dot)) +
               " AND d.operation = " + quoteLiteral(call.substr(dot + 1)) + "\n  AND d.event_id = " + newest(level - 1);
    }

    std::string said(int level, const char* name, const std::string& otherwise) const {
        const int known = stage_.dimension({Place::answer(level), name});
        return known < 0 ? otherwise : literal_(known);
    }

    std::string script(int level) const {
        const bool failed = resolve::endsWith(chain_[static_cast<size_t>(level)]->answer, ".failed");
        const std::string answer =
            failed ? "specql.nack(d.id, " + said(level, "error", "'refused by a test'") + ", final => true)"
                   : "specql.ack(d.id, (" + said(level, "response", "'{\"answer\": 1}'") + ")::jsonb)";
        return "DO $do$ BEGIN\nPERFORM " + answer + "\n" + delivery(level) + ";\nPERFORM specql.handle_own_answers(" +
               quoteLiteral(stage_.action.info->name()) + ");\nEND $do$";
    }

    // What names of the answer mean that no value of the test is.
    Outside told() const {
        const int last = static_cast<int>(chain_.size()) - 1;
        auto of = [this](int level, const std::string& column) {
            return "(SELECT " + column + " FROM specql.events AS v WHERE " + event(level, "v") +
                   " ORDER BY v.id DESC LIMIT 1)";
        };
        return {[this, of](const resolve::Value& value) -> std::string {
                    if (value.kind == resolve::ValueKind::meta && value.name == "event_type")
                        return quoteLiteral(chain_.back()->answer);
                    if (value.kind != resolve::ValueKind::answer || value.name != "attempts") return "";
                    return of(value.context, "(v.data -> 'specql.answer' ->> 'attempts')::integer");
                },
                [this, last](const std::string& alias) { return event(last, alias); }, of(last, "v.data")};
    }

    void play(const Arm& arm, const Fixture& fixture) {
        Stage::Render others = writer_.literals(stage_, fixture);
        literal_ = writer_.literals(stage_, fixture);
        const std::vector<Bystander> alone = bystanders(writer_, stage_, arm, literal_, others);
        writer_.rows(stage_, literal_);
        writer_.fire(stage_, stage_.fire(literal_), literal_);
        event_ = stage_.eventCondition(literal_, aliasMark);
        const int last = static_cast<int>(chain_.size()) - 1;
        for (int level = 0; level < last; level++)
            writer_.fixture(script(level));
        writer_.excuse("SELECT 'the call is not made' WHERE NOT EXISTS (SELECT " + delivery(last) + ")");
        stage_.outside = told();
        Reference reference(writer_.world, writer_.resolver, stage_, literal_, &joined_.told);
        for (const Bystander& row : alone)
            reference.watch(row.place, row.query);
        writer_.compare(stage_, reference, script(last), script(last));
        std::set<std::string> said;
        for (const resolve::ResolvedStep* step : effective(arm.steps)) {
            const std::string description = stepTitle(writer_.world, arm, *step);
            if (said.insert(description).second) writer_.checkStep(stage_, reference, *step, description);
        }
        for (const Bystander& row : alone)
            writer_.checkPlaces({row.place}, row.title);
        stage_.outside.reset();
    }

    static constexpr const char* aliasMark = "\001";  // in the place of an alias

    Writer& writer_;
    const std::vector<const resolve::ResolvedAction*> chain_;
    Joined joined_;
    Stage stage_;
    Stage::Render literal_;  // of the test that is being written
    std::string event_;      // the same: WHERE of the action's own event
};

}  // namespace

void writeAnswers(Writer& writer, const resolve::ResolvedAction& action, unsigned operation) {
    for (const resolve::ResolvedAction& answer : writer.resolver.actions) {
        if (!isAnswerOf(answer, action)) continue;
        const std::vector<const resolve::ResolvedAction*> chain = chainOf(writer.resolver, action, answer);
        if (!action.window && !chain.empty()) {
            AnswerTests(writer, action, operation, chain).write();
            continue;
        }
        writer.begin(action.info->name() + " on " + answer.answer);
        writer.skip(action.base + " on " + answer.answer,
                    "what is done with answers to calls of a match is not tested");
    }
}

}  // namespace specql::testgen
