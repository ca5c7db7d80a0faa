#include "resolve/graph.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "emit/quote.hpp"
#include "spec/sql_text.hpp"

namespace specql {

namespace {

// Something an action does that may raise an event.
struct Write {
    const EntityInfo* entity = nullptr;  // a row of it is written
    unsigned op = 0;
    std::map<std::string, std::string> literals;  // column → text literal it is set to
    std::vector<std::string> columns;             // assigned columns
    std::string event;                            // or: this custom event is emitted
};

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class Graph {
public:
    Graph(World& world, const Resolver& resolver) : world_(world), actions_(resolver.actions) {
        writes_.resize(actions_.size());
        for (size_t i = 0; i < actions_.size(); i++)
            collect(actions_[i], writes_[i]);
        edges_.resize(actions_.size());
        for (size_t from = 0; from < actions_.size(); from++)
            for (size_t to = 0; to < actions_.size(); to++)
                if (raises(from, to)) edges_[from].push_back(to);
    }

    void report() {
        std::vector<bool> reported(actions_.size(), false);
        for (size_t start = 0; start < actions_.size(); start++) {
            if (reported[start] || !actions_[start].info->file->fresh) continue;
            std::vector<size_t> cycle = shortestCycle(start);
            if (cycle.empty()) continue;
            std::vector<std::string> names;
            for (size_t node : cycle) {
                reported[node] = true;
                names.push_back(actions_[node].info->name());
            }
            names.push_back(names.front());
            const ActionInfo& info = *actions_[start].info;
            world_.warning(*info.file, "SPQL-R070", info.spec->name.pos,
                           names.size() == 2
                               ? "the action " + names.front() + " can set itself off: " + join(names, " → ")
                               : "these actions can set each other off: " + join(names, " → "),
                           "a cascade stops with an error at specql.max_cascade_depth; end it with a condition");
        }
    }

private:
    void collect(const ResolvedAction& action, std::vector<Write>& writes) {
        for (const ResolvedBranch& branch : action.branches) {
            collect(branch.steps, writes);
            collect(branch.otherwise, writes);
        }
    }

    void collect(const std::vector<ResolvedStep>& steps, std::vector<Write>& writes) {
        for (const ResolvedStep& step : steps) {
            collect(step.then, writes);
            collect(step.otherwise, writes);
            if (step.calledAction)
                for (const ResolvedAction& called : actions_)
                    if (called.info == step.calledAction && !calling_) {
                        calling_ = true;  // a bulk operation that calls itself adds nothing new
                        collect(called, writes);
                        calling_ = false;
                    }
            Write write;
            switch (step.spec->kind) {
                case StepKind::insert:
                case StepKind::append:
                case StepKind::create: write.op = opInsert; break;
                case StepKind::update: write.op = opUpdate; break;
                case StepKind::remove: write.op = opDelete; break;
                case StepKind::emit: write.event = step.spec->target.value; break;
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

    bool raises(size_t from, size_t to) const {
        return std::any_of(writes_[from].begin(), writes_[from].end(),
                           [&](const Write& write) { return raises(write, actions_[to]); });
    }

    bool raises(const Write& write, const ResolvedAction& listener) const {
        const Binding& binding = listener.binding;
        if (listener.window) return false;  // evaluated later, over committed events
        if (binding.custom) return !binding.event.empty() && write.event == binding.event;
        if (!write.entity || write.entity != binding.entity || !(write.op & binding.ops)) return false;
        if (!binding.changedColumn.empty() && !contains(write.columns, binding.changedColumn)) return false;
        auto set = write.literals.find(binding.valueColumn);
        if (!binding.value.empty() && set != write.literals.end() && set->second != binding.value) return false;
        return std::any_of(listener.branches.begin(), listener.branches.end(), [&](const ResolvedBranch& branch) {
            return (writesSomething(branch.steps) && possible(write, branch)) || writesSomething(branch.otherwise);
        });
    }

    // Only branches that write can go on.
    static bool writesSomething(const std::vector<ResolvedStep>& steps) {
        return std::any_of(steps.begin(), steps.end(), [](const ResolvedStep& step) {
            StepKind kind = step.spec->kind;
            bool writes = kind == StepKind::insert || kind == StepKind::update || kind == StepKind::remove ||
                          kind == StepKind::append || kind == StepKind::create || kind == StepKind::emit ||
                          step.call == CallKind::action;
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

}  // namespace

void reportCycles(World& world, const Resolver& resolver) {
    Graph(world, resolver).report();
}

}  // namespace specql
