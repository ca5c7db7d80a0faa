#include "resolve/waits.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// What steps read of the rows of one entity.
struct Read {
    EntityInfo* entity;
    std::set<std::string> columns;
    std::vector<Waiter> waiters;
};

class WaiterResolver {
public:
    WaiterResolver(Resolver& resolver, World& world, const ActionInfo& action, const ResolvedAction& process)
        : resolver_(resolver),
          world_(world),
          action_(action),
          process_(process),
          base_(process.base),
          stages_(process.branches.front().steps) {}

    void add() {
        for (size_t place = 0; place < stages_.size(); place++) {
            const spec::StageKind kind = stages_[place].spec->stage->kind;
            if (kind == spec::StageKind::waitFor) addEvent(place);
            const bool asks = kind == spec::StageKind::waitUntilTrue || kind == spec::StageKind::wait;
            if (asks && !stages_[place].args.empty()) addRows(place);
        }
        for (Read& read : reads_)
            listenTo(read);
        for (ResolvedAction& listener : listeners_) {
            world_.checkName(*action_.file, handlerName(listener), action_.spec->name.pos, "the generated function");
            resolver_.actions.push_back(std::move(listener));
        }
    }

private:
    ResolvedAction& listener(Binding binding, const std::string& source, const std::string& ending, Pos pos) {
        ResolvedAction& added = listeners_.emplace_back();
        added.info = &action_;
        added.binding = std::move(binding);
        added.source = source;
        added.base = base_ + ending;
        added.branches.emplace_back();
        world_.addExplanation(
            {action_.name(), added.binding.event, added.binding.shown(), added.binding.rule, pos.line});
        return added;
    }

    void addEvent(size_t place) {
        const Text& event = stages_[place].spec->stage->event;
        const std::string source = "event " + event.value;
        for (ResolvedAction& known : listeners_)
            if (known.source == source) return known.waiters.push_back({place, false});
        std::vector<Binding> bindings = resolveTrigger(resolver_, world_, action_, event);
        if (bindings.empty()) return;
        if (!bindings.front().custom || bindings.front().scheduled) {
            world_.report(*action_.file, Code::R373, event.pos,
                          "the step " + stages_[place].spec->label.value + " waits for an event, and " + event.value +
                              " is a change of rows: " + bindings.front().shown(),
                          hintOf(Code::R373));
            return;
        }
        bindings.front().rule = "a step waits for it";
        listener(std::move(bindings.front()), source, "_" + snakeCase(event.value) + "_awaited", event.pos)
            .waiters.push_back({place, false});
    }

    Read& readOf(EntityInfo* entity, size_t place, bool ofRow) {
        auto found =
            std::find_if(reads_.begin(), reads_.end(), [&](const Read& read) { return read.entity == entity; });
        if (found == reads_.end()) found = reads_.insert(reads_.end(), {entity, {}, {}});
        auto waiter = std::find_if(found->waiters.begin(), found->waiters.end(),
                                   [&](const Waiter& known) { return known.stage == place; });
        if (waiter == found->waiters.end())
            found->waiters.push_back({place, ofRow});
        else
            waiter->ofRow = waiter->ofRow && ofRow;
        return *found;
    }

    // The row that the process is about, or one that it refers to, and how that is found.
    void addContext(size_t context, const std::string& column, size_t place) {
        const Context& row = process_.contexts[context];
        const bool isOwn = row.entity == action_.home && row.key.kind == ValueKind::payload;
        readOf(row.entity, place, isOwn).columns.insert(column);
        if (row.key.kind == ValueKind::context) addContext(static_cast<size_t>(row.key.context), row.key.name, place);
    }

    void addRows(size_t place) {
        const BoundExpression& bound = stages_[place].args.front();
        bool reads = false;
        for (const Value& value : bound.values) {
            if (value.kind == ValueKind::context) addContext(static_cast<size_t>(value.context), value.name, place);
            reads = reads || value.kind == ValueKind::context;
        }
        for (EntityInfo* table : bound.tables) {
            if (!table) continue;
            Read& read = readOf(table, place, false);
            for (const Value& value : bound.values)
                if (value.kind == ValueKind::queryColumn && value.entity == table) read.columns.insert(value.name);
            reads = true;
        }
        if (reads || !bound || stages_[place].spec->stage->kind == spec::StageKind::wait) return;
        world_.report(
            *action_.file, Code::R372, world_.locate(bound.expression, 0),
            "what the step " + stages_[place].spec->label.value + " waits for reads no row, so it never changes",
            hintOf(Code::R372));
    }

    void listenTo(Read& read) {
        Binding binding;
        binding.entity = read.entity;
        binding.ops = everyRowChange;
        binding.event = "awaited";
        binding.rule = "what a step waits for reads these rows";
        // Where nothing tells an insertion from an update, every change counts.
        if (neverNull(*read.entity).empty()) read.columns.clear();
        for (const std::string& column : read.columns)
            if (binding.changedColumn.empty())
                binding.changedColumn = column;
            else
                binding.others.push_back(column);
        listener(std::move(binding), "rows", "_" + read.entity->word + "_awaited", action_.spec->pos).waiters =
            std::move(read.waiters);
    }

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    const ResolvedAction& process_;
    const std::string base_;
    const std::vector<ResolvedStep>& stages_;
    std::vector<Read> reads_;
    std::vector<ResolvedAction> listeners_;
};

}  // namespace

void addWaiters(Resolver& resolver, World& world, const ActionInfo& action, const ResolvedAction& process) {
    WaiterResolver(resolver, world, action, process).add();
}

}  // namespace specql::resolve
