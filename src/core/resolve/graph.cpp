#include "resolve/graph.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "resolve/answers.hpp"
#include "resolve/process_graph.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// Something an action does that may raise an event.
struct Write {
    size_t by = 0;  // the action whose step it is: the one that runs, or a bulk operation it calls
    spec::StepKind kind = spec::StepKind::insert;
    const EntityInfo* entity = nullptr;  // a row of it is written
    unsigned op = 0;
    std::map<std::string, std::string> literals;  // column → text literal it is set to
    std::vector<std::string> columns;             // assigned columns
    std::string event;                            // or: this custom event is emitted
};

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class Cascades {
public:
    Cascades(World& world, const Resolver& resolver) : world_(world), actions_(resolver.actions) {
        writes_.resize(actions_.size());
        for (size_t i = 0; i < actions_.size(); i++)
            collect(i, writes_[i]);
        findEdges();
    }

    // Which writes of `from` raise what `to` listens to.
    std::vector<const Write*> raising(size_t from, size_t to) const {
        std::vector<const Write*> found;
        for (const Write& write : writes_[from])
            if (raises(write, actions_[to])) found.push_back(&write);
        return found;
    }
    const std::vector<size_t>& after(size_t action) const { return edges_[action]; }
    // True if `to` is `from`, or what `from` sets off leads there.
    bool returns(size_t from, size_t to) const {
        std::vector<bool> seen(actions_.size(), false);
        std::deque<size_t> queue = {from};
        while (!queue.empty()) {
            size_t node = queue.front();
            queue.pop_front();
            if (node == to) return true;
            for (size_t next : edges_[node])
                if (!seen[next]) {
                    seen[next] = true;
                    queue.push_back(next);
                }
        }
        return false;
    }

    void report() {
        std::vector<bool> reported(actions_.size(), false), may = mayCycle();
        for (size_t start = 0; start < actions_.size(); start++) {
            if (!may[start] || reported[start] || !actions_[start].info->file->fresh) continue;
            std::vector<size_t> cycle = shortestCycle(start);
            if (cycle.empty()) continue;
            std::vector<std::string> names;
            for (size_t node : cycle) {
                reported[node] = true;
                names.push_back(actions_[node].info->name());
            }
            names.push_back(names.front());
            const ActionInfo& info = *actions_[start].info;
            world_.report(*info.file, Code::R070, info.spec->name.pos,
                          names.size() == 2
                              ? "the action " + names.front() + " can set itself off: " + join(names, " → ")
                              : "these actions can set each other off: " + join(names, " → "),
                          "a cascade stops with an error at specql.max_cascade_depth; end it with a condition");
        }
    }

private:
    // Only what listens to the event or the entity of a write is looked at.
    void findEdges() {
        std::map<std::string, std::vector<size_t>> byEvent;
        std::map<const EntityInfo*, std::vector<size_t>> byEntity;
        for (size_t i = 0; i < actions_.size(); i++)
            actions_[i].binding.custom ? byEvent[actions_[i].binding.event].push_back(i)
                                       : byEntity[actions_[i].binding.entity].push_back(i);
        edges_.resize(actions_.size());
        for (size_t from = 0; from < actions_.size(); from++) {
            std::set<size_t> raised;
            for (const Write& write : writes_[from]) {
                world_.poll();
                for (size_t to : write.entity ? byEntity[write.entity] : byEvent[write.event])
                    if (!raised.count(to) && raises(write, actions_[to])) raised.insert(to);
            }
            edges_[from].assign(raised.begin(), raised.end());
        }
    }

    // What nothing leads to, or what leads nowhere, lies on no cycle; nor does what only leads there.
    std::vector<bool> mayCycle() const {
        std::vector<std::vector<size_t>> before(actions_.size());
        std::vector<size_t> in(actions_.size()), out(actions_.size()), rest;
        for (size_t from = 0; from < actions_.size(); from++)
            for (size_t to : edges_[from]) {
                before[to].push_back(from);
                in[to]++;
                out[from]++;
            }
        std::vector<bool> may(actions_.size(), true);
        auto leave = [&](size_t node) {
            may[node] = false;
            rest.push_back(node);
        };
        for (size_t node = 0; node < actions_.size(); node++)
            if (!in[node] || !out[node]) leave(node);
        while (!rest.empty()) {
            size_t node = rest.back();
            rest.pop_back();
            for (size_t next : edges_[node])
                if (may[next] && !--in[next]) leave(next);
            for (size_t previous : before[node])
                if (may[previous] && !--out[previous]) leave(previous);
        }
        return may;
    }

    void collect(size_t action, std::vector<Write>& writes) {
        for (const ResolvedBranch& branch : actions_[action].branches) {
            collect(action, branch.steps, writes);
            collect(action, branch.otherwise, writes);
        }
    }

    void collect(size_t action, const std::vector<ResolvedStep>& steps, std::vector<Write>& writes) {
        for (const ResolvedStep& step : steps) {
            collect(action, step.then, writes);
            collect(action, step.otherwise, writes);
            if (step.calledAction)
                for (size_t called = 0; called < actions_.size(); called++)
                    if (actions_[called].info == step.calledAction && !calling_) {
                        calling_ = true;  // a bulk operation that calls itself adds nothing new
                        collect(called, writes);
                        calling_ = false;
                    }
            Write write;
            write.by = action;
            write.kind = step.spec->kind;
            switch (step.spec->kind) {
                case spec::StepKind::insert:
                case spec::StepKind::append:
                case spec::StepKind::create: write.op = opInsert; break;
                case spec::StepKind::update: write.op = opUpdate; break;
                case spec::StepKind::upsert: write.op = opInsert | opUpdate; break;
                case spec::StepKind::remove: write.op = opDelete; break;
                case spec::StepKind::emit:
                    if (step.spec->after) continue;  // handled later, after a commit
                    write.event = step.spec->target.value;
                    break;
                default: continue;
            }
            write.entity = step.target;
            for (const BoundAssignment& assignment : step.set) {
                write.columns.push_back(assignment.column);
                if (!assignment.value) continue;
                const ExpressionFacts& facts = world_.facts(assignment.value.expression);
                if (facts.ok && facts.isLiteral) write.literals[assignment.column] = facts.literalValue;
            }
            writes.push_back(std::move(write));
        }
    }

    bool raises(const Write& write, const ResolvedAction& listener) const {
        const Binding& binding = listener.binding;
        if (listener.window || listener.isAnswer()) return false;  // handled later, after a commit
        if (binding.custom) return !binding.event.empty() && write.event == binding.event;
        if (!write.entity || write.entity != binding.entity || !(write.op & binding.ops)) return false;
        // What an insertion leaves out may have a default.
        const std::vector<std::string> changed = binding.changed();
        const bool changes = changed.empty() || std::any_of(changed.begin(), changed.end(), [&](const auto& column) {
                                 return contains(write.columns, column);
                             });
        if (write.op == opUpdate && !changes) return false;
        auto set = write.literals.find(binding.valueColumn);
        if (!binding.value.empty() && set != write.literals.end() && set->second != binding.value) return false;
        return std::any_of(listener.branches.begin(), listener.branches.end(), [&](const ResolvedBranch& branch) {
            return (writesSomething(branch.steps) && possible(write, branch)) || writesSomething(branch.otherwise);
        });
    }

    // Only branches that write can go on.
    static bool writesSomething(const std::vector<ResolvedStep>& steps) {
        return std::any_of(steps.begin(), steps.end(), [](const ResolvedStep& step) {
            spec::StepKind kind = step.spec->kind;
            bool writes = kind == spec::StepKind::insert || kind == spec::StepKind::update ||
                          kind == spec::StepKind::remove || kind == spec::StepKind::append ||
                          kind == spec::StepKind::create || kind == spec::StepKind::upsert ||
                          kind == spec::StepKind::emit || step.call == CallKind::action;
            return writes || writesSomething(step.then) || writesSomething(step.otherwise);
        });
    }

    // False if the branch demands `column = literal` and the write sets that column to another literal.
    bool possible(const Write& write, const ResolvedBranch& branch) const {
        if (!branch.condition) return true;
        const std::string& text = world_.expressionText(branch.condition.expression);
        if (findKeyword(text, "OR") != std::string::npos) return true;
        size_t at = 0;
        while (at < text.size()) {
            size_t end = std::min(findKeyword(text, "AND", at), text.size());
            std::string conjunct = text.substr(at, end - at);
            at = end + 3;
            size_t equals = conjunct.find('=');
            if (equals == std::string::npos || equals == 0 ||
                std::string("<>!").find(conjunct[equals - 1]) != std::string::npos)
                continue;
            std::string column = commentText(conjunct.substr(0, equals)),
                        literal = commentText(conjunct.substr(equals + 1));
            if (column.compare(0, 4, "new_") == 0 || column.compare(0, 4, "new.") == 0) column = column.substr(4);
            auto set = write.literals.find(column);
            if (set == write.literals.end()) continue;
            bool quoted = literal.size() >= 2 && literal.front() == '\'' && literal.back() == '\'';
            std::string wanted = quoted ? literal.substr(1, literal.size() - 2) : literal;
            bool isLiteral = quoted || wanted.find_first_not_of("0123456789.") == std::string::npos ||
                             wanted == "true" || wanted == "false";
            if (isLiteral && wanted != set->second) return false;
        }
        return true;
    }

    std::vector<size_t> shortestCycle(size_t start) const {
        std::map<size_t, size_t> cameFrom;
        std::deque<size_t> queue = {start};
        while (!queue.empty()) {
            size_t node = queue.front();
            queue.pop_front();
            world_.poll();
            for (size_t next : edges_[node]) {
                if (next == start) {
                    std::vector<size_t> cycle = {node};
                    while (cycle.back() != start)
                        cycle.push_back(cameFrom[cycle.back()]);
                    std::reverse(cycle.begin(), cycle.end());
                    return cycle;
                }
                if (next != start && cameFrom.emplace(next, node).second) queue.push_back(next);
            }
        }
        return {};
    }

    World& world_;
    const std::vector<ResolvedAction>& actions_;
    std::vector<std::vector<Write>> writes_;
    std::vector<std::vector<size_t>> edges_;
    bool calling_ = false;
};

// The picture's nodes, each once, and its edges.
class Drawing {
public:
    Drawing(World& world, const Resolver& resolver)
        : world_(world), actions_(resolver.actions), cascades_(world, resolver) {}

    EventGraph draw() {
        for (const EntityInfo& entity : world_.entities)
            if (entity.unit || entity.impliedByStep) node(GraphNode::Kind::entity, entity.shown());
        for (const EntityInfo& entity : world_.entities)
            if (entity.spec && entity.spec->states) drawStates(entity);
        for (const Unit& unit : world_.units)
            if (unit.kind == "service") graph_.nodes[node(GraphNode::Kind::service, unit.name)].detail = paceOf(unit);
        for (const ResolvedAction& action : actions_) {
            if (action.isAnswer())
                edge(node(GraphNode::Kind::service, action.answer.substr(0, action.answer.find('.'))),
                     actionNode(action), "answer");
            else if (action.window)
                drawWindow(action);
            else if (action.isFeed() && action.binding.due)
                continue;  // the time of a row raises its action, and what keeps it does nothing else
            else if (action.binding.entity || !action.binding.event.empty())
                drawTrigger(action);
            // What is called for a row of its entity; transitions are drawn with the states.
            if (action.info->spec->ofRow && !action.result && !action.isAnswer())
                edge(node(GraphNode::Kind::entity, action.info->home->shown()), actionNode(action), "call");
            if (action.info->spec->process && !action.isFeed() && !action.isAnswer()) {
                drawStages(graph_, action, actionNode(action),
                           [&](size_t self, const std::vector<ResolvedStep>& steps, const std::string& prefix) {
                               drawSteps(self, steps, prefix);
                           });
                continue;
            }
            for (const ResolvedBranch& branch : action.branches) {
                drawSteps(actionNode(action), branch.steps, "");
                drawSteps(actionNode(action), branch.otherwise, "");
            }
        }
        for (size_t from = 0; from < actions_.size(); from++)
            for (size_t to : cascades_.after(from))
                if (cascades_.returns(to, from)) markCycle(from, to);
        return std::move(graph_);
    }

private:
    size_t node(GraphNode::Kind kind, const std::string& name) {
        for (size_t i = 0; i < graph_.nodes.size(); i++)
            if (graph_.nodes[i].kind == kind && graph_.nodes[i].name == name) return i;
        graph_.nodes.push_back({kind, name, false, ""});
        return graph_.nodes.size() - 1;
    }
    // What is done with an answer happens later than the rest, and stands by itself.
    size_t actionNode(const ResolvedAction& action) {
        if (action.isAnswer()) return node(GraphNode::Kind::answer, action.info->name() + ": " + action.answer);
        return node(GraphNode::Kind::action, action.info->name());
    }

    // How fast the calls of a service leave: 10 per second.
    static std::string paceOf(const Unit& unit) {
        std::vector<std::string> said;
        for (const spec::Service& service : unit.file->spec.services) {
            if (service.name.value != unit.name) continue;
            for (const spec::Option& option : service.options)
                if (option.name.value == "rate") said.push_back(option.json.substr(1, option.json.size() - 2));
        }
        return join(said, ", ");
    }

    // The operation of a call, and the keys that it sends, if it has chosen them.
    static std::string callLabel(const spec::Step& step) {
        constexpr size_t most = 4;
        if (!step.ownPayload) return step.message.value;
        std::vector<std::string> keys;
        for (const spec::Assignment& key : step.set)
            if (keys.size() < most) keys.push_back(key.column.value);
        if (step.set.size() > most) keys.push_back("…");
        return step.message.value + " (" + join(keys, ", ") + ")";
    }

    GraphEdge& edge(size_t from, size_t to, const std::string& label) {
        for (GraphEdge& known : graph_.edges)
            if (known.from == from && known.to == to && known.label == label) return known;
        graph_.edges.push_back({from, to, label, false});
        return graph_.edges.back();
    }

    void drawTrigger(const ResolvedAction& action) {
        size_t event = raisedBy(action.binding);
        edge(event, actionNode(action), overTime(*action.info->spec));
    }

    // From the table to the first state, and on by the transitions.
    void drawStates(const EntityInfo& entity) {
        auto state = [&](const Text& name) { return node(GraphNode::Kind::state, entity.shown() + " " + name.value); };
        edge(node(GraphNode::Kind::entity, entity.shown()), state(entity.spec->states->initial), "insert");
        for (const spec::Transition& transition : entity.spec->states->transitions)
            for (const Text& from : transition.from)
                edge(state(from), state(transition.to), transition.on.value);
    }

    // What a window counts, or within which time a correlation waits; empty for other actions.
    static std::string overTime(const spec::Action& spec) {
        if (spec.correlated) return "within " + spec.correlationWindow.value;
        return spec.windowed ? commentText(spec.condition.value) : "";
    }

    // The event that sets an action off, and the table whose changes raise it.
    size_t raisedBy(const Binding& binding) {
        if (binding.custom) {
            const size_t event = node(GraphNode::Kind::event, binding.event);
            if (binding.due) edge(node(GraphNode::Kind::entity, binding.due.entity->shown()), event, "time");
            const std::string service = answeringService(world_, binding.event);
            if (!service.empty()) edge(node(GraphNode::Kind::service, service), event, "answer");
            return event;
        }
        size_t event = node(GraphNode::Kind::event, binding.entity->shown() + "." + binding.event);
        edge(node(GraphNode::Kind::entity, binding.entity->shown()), event, join(operationWords(binding.ops), ", "));
        return event;
    }

    // What a window counts or a correlation waits for, and the event that a match raises.
    void drawWindow(const ResolvedAction& action) {
        const spec::Action& spec = *action.info->spec;
        size_t self = actionNode(action);
        // Its sources may be resolved as actions of their own, which say more exactly what raises them.
        bool fed = std::any_of(actions_.begin(), actions_.end(), [&](const ResolvedAction& other) {
            return other.info == action.info && !other.window && !other.isAnswer();
        });
        if (!fed && action.window->correlation)
            for (const Text& trigger : spec.triggers)
                edge(sourceOf(trigger.value), self, overTime(spec));
        else if (!fed)
            for (const WindowTerm& term : action.window->terms)
                edge(sourceOf(term.source), self, overTime(spec));
        if (spec.trigger) edge(self, node(GraphNode::Kind::event, spec.trigger.value), "match");
    }

    // The rows with this event_type, if an entity has such, else a custom event.
    size_t sourceOf(const std::string& event) {
        for (const EntityInfo& entity : world_.entities) {
            const ColumnInfo* column = entity.column("event_type");
            if (!column || !column->field || !contains(column->field->enumValues, event)) continue;
            size_t source = node(GraphNode::Kind::event, entity.shown() + "." + event);
            edge(node(GraphNode::Kind::entity, entity.shown()), source, "insert");
            return source;
        }
        return node(GraphNode::Kind::event, event);
    }

    // `prefix`: of what stands at the edges.
    void drawSteps(size_t self, const std::vector<ResolvedStep>& steps, const std::string& prefix) {
        for (const ResolvedStep& step : steps) {
            const spec::Step& spec = *step.spec;
            switch (spec.kind) {
                case spec::StepKind::callExternal:
                    edge(self, node(GraphNode::Kind::service, spec.target.value), prefix + callLabel(spec));
                    break;
                case spec::StepKind::notify:
                case spec::StepKind::escalate:
                    edge(self, node(GraphNode::Kind::channel, spec.target.value), prefix + spec.verb.value);
                    break;
                case spec::StepKind::emit:
                    edge(self, node(GraphNode::Kind::event, spec.target.value), prefix + "emit");
                    break;
                default: break;
            }
            if (step.call == CallKind::action)
                edge(self, node(GraphNode::Kind::action, step.calledAction->name()), "calls");
            if (step.call == CallKind::queued)
                edge(self, node(GraphNode::Kind::service, spec.verb.value),
                     spec.target.value.substr(spec.target.value.rfind('.') + 1));
            if (step.target)
                edge(self, node(GraphNode::Kind::entity, step.target->shown()), prefix + writeVerb(spec.kind));
            drawSteps(self, step.then, prefix);
            drawSteps(self, step.otherwise, prefix);
        }
    }

    static const char* writeVerb(spec::StepKind kind) {
        switch (kind) {
            case spec::StepKind::update: return "update";
            case spec::StepKind::remove: return "delete";
            case spec::StepKind::append: return "append";
            case spec::StepKind::create: return "create";
            case spec::StepKind::upsert: return "upsert";
            case spec::StepKind::find:
            case spec::StepKind::each: return "read";
            case spec::StepKind::lock: return "lock";
            case spec::StepKind::assign: return "set";
            default: return "insert";
        }
    }

    // The whole way from one action to the next that it sets off.
    void markCycle(size_t from, size_t to) {
        size_t source = actionNode(actions_[from]), target = actionNode(actions_[to]);
        graph_.nodes[source].cycle = graph_.nodes[target].cycle = true;
        size_t event = raisedBy(actions_[to].binding);
        edge(event, target, "").cycle = true;
        for (const Write* write : cascades_.raising(from, to)) {
            size_t writer = actionNode(actions_[write->by]);
            if (writer != source) edge(source, writer, "calls").cycle = graph_.nodes[writer].cycle = true;
            if (!write->entity) {
                edge(writer, event, "emit").cycle = true;
                continue;
            }
            size_t table = node(GraphNode::Kind::entity, write->entity->shown());
            edge(writer, table, writeVerb(write->kind)).cycle = true;
            edge(table, event, join(operationWords(actions_[to].binding.ops), ", ")).cycle = true;
        }
    }

    World& world_;
    const std::vector<ResolvedAction>& actions_;
    Cascades cascades_;
    EventGraph graph_;
};

}  // namespace

void reportCycles(World& world, const Resolver& resolver) {
    Cascades(world, resolver).report();
}

EventGraph eventGraph(World& world, const Resolver& resolver) {
    return Drawing(world, resolver).draw();
}

}  // namespace specql::resolve
