// What every name in an action means under one binding: language.md sections 5 and 6.
#include <algorithm>

#include "emit/quote.hpp"
#include "resolve/resolver.hpp"
#include "spec/sql_text.hpp"

namespace specql {

namespace {

bool startsWith(const std::string& text, const std::string& prefix) {
    return text.size() > prefix.size() && text.compare(0, prefix.size(), prefix) == 0;
}

bool endsWith(const std::string& text, const std::string& suffix) {
    return text.size() > suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

struct NamedType { const char* name; const char* type; };
constexpr NamedType metaNames[] = {{"event_id", "uuid"}, {"event_type", "text"},
                                   {"event_time", "timestamp with time zone"}, {"event_data", "jsonb"}};
constexpr NamedType matchNames[] = {{"match_count", "bigint"}, {"match_key", "text"},
                                    {"first_at", "timestamp with time zone"}, {"last_at", "timestamp with time zone"},
                                    {"event_ids", "uuid[]"}};

// The type of new minus old.
std::string differenceType(const std::string& type) {
    if (startsWith(type, "timestamp")) return "interval";
    return type == "date" ? "integer" : type;
}

}  // namespace

// Where an expression stands: what its names may mean there.
struct Scope {
    EntityInfo* target = nullptr;        // the rows an update or delete is about
    bool targetFirst = false;            // WHERE, ORDER BY: a bare name is the target's column if it has one
    std::string assigned;                // SET: the column whose current value its own name means
    EntityInfo* handled = nullptr;       // steps after a bulk operation
    std::vector<Value> locals;
};

class ActionResolver {
public:
    ActionResolver(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding, bool withKeys)
        : resolver_(resolver), world_(world), action_(action), withKeys_(withKeys) {
        result_.info = &action;
        result_.binding = binding;
        result_.base = action.base;
        bulk_ = isBulk(action);
    }

    ResolvedAction run() {
        const Action& spec = *action_.spec;
        if (spec.windowed || spec.correlated) result_.window = readWindow(world_, action_);
        if (withKeys_) findKeys();
        Scope scope;
        for (const Branch& branch : spec.branches) {
            ResolvedBranch resolved;
            resolved.spec = &branch;
            ExpressionRef condition = branch.condition ? branch.condition : spec.plainCondition;
            if (condition) resolved.condition = bind(condition, "boolean", scope);
            resolved.steps = bindSteps(branch.steps, scope);
            Scope otherwise;
            resolved.otherwise = bindSteps(branch.otherwise, otherwise);
            result_.branches.push_back(std::move(resolved));
        }
        if (!spec.onTimeout.empty()) {
            ResolvedBranch resolved;
            resolved.steps = bindSteps(spec.onTimeout, scope);
            result_.branches.push_back(std::move(resolved));
        }
        inferPayloadTypes();
        return std::move(result_);
    }

private:
    // --- keys: the entities whose rows the event names -----------------------------------------------------------

    void addKey(EntityInfo* entity, Value key) {
        if (!entity || entity == result_.binding.entity || entity->key.empty() || entity->impliedByStep) return;
        for (const Context& known : keys_)
            if (known.entity == entity) return;
        Context context;
        context.entity = entity;
        context.key = std::move(key);
        keys_.push_back(std::move(context));
    }

    void findKeys() {
        if (!result_.binding.custom) {
            EntityInfo& entity = *result_.binding.entity;
            for (const ColumnInfo& column : entity.columns) {
                if (!endsWith(column.name, "_id")) continue;
                EntityInfo* named = column.field && !column.field->refTarget.empty()
                    ? world_.entity(column.field->refTarget.value, entity.schema)
                    : knownTable(column.name.substr(0, column.name.size() - 3));
                addKey(named, eventColumn(entity, column, false, "rule 3: column of the event's row"));
            }
            return;
        }
        for (const Branch& branch : action_.spec->branches) {
            findKeysIn(branch.condition);
            findKeysIn(branch.steps);
            findKeysIn(branch.otherwise);
        }
        findKeysIn(action_.spec->plainCondition);
        for (const Param& param : action_.spec->params) addPayloadKey(param.name.value);
    }
    EntityInfo* knownTable(const std::string& table) {
        EntityInfo* found = nullptr;
        for (EntityInfo& entity : world_.entities) {
            if (entity.table != table || entity.impliedByStep) continue;
            if (entity.schema == action_.schema) return &entity;
            if (entity.unit) found = &entity;
        }
        return found;
    }
    void addPayloadKey(const std::string& name) {
        if (endsWith(name, "_id")) addKey(knownTable(name.substr(0, name.size() - 3)), payloadValue(name));
    }
    void findKeysIn(ExpressionRef ref) {
        if (!ref) return;
        for (const NameUse& use : world_.facts(ref.id + action_.file->expressionBase).names)
            if (use.parts.size() == 1) addPayloadKey(use.parts.front());
    }
    void findKeysIn(const std::vector<Step>& steps) {
        for (const Step& step : steps) {
            for (const Assignment& assignment : step.set) findKeysIn(assignment.value);
            for (ExpressionRef ref : {step.where, step.limit, step.condition}) findKeysIn(ref);
            for (ExpressionRef ref : step.args) findKeysIn(ref);
            if ((step.kind == StepKind::update || step.kind == StepKind::remove) && !step.where)
                if (EntityInfo* entity = world_.entity(step.target.value, action_.schema))
                    addKey(entity, payloadValue(entity->table + "_id"));
            findKeysIn(step.then);
            findKeysIn(step.otherwise);
        }
    }

    // The context of a key's entity, made when first used.
    int useContext(const Context& key) {
        for (size_t i = 0; i < result_.contexts.size(); i++)
            if (result_.contexts[i].entity == key.entity) return static_cast<int>(i);
        result_.contexts.push_back(key);
        if (key.key.kind == ValueKind::payload) notePayload(key.key.name);
        return static_cast<int>(result_.contexts.size()) - 1;
    }

    // --- values ----------------------------------------------------------------------------------------------------

    Value eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old, std::string rule) const {
        bool useOld = old || result_.binding.ops == opDelete;
        Value value;
        value.kind = ValueKind::eventColumn;
        value.name = column.name;
        value.old = useOld;
        value.type = column.type;
        value.rule = std::move(rule);
        value.shown = entity.shown() + "." + column.name + (useOld ? " (old row)" : " (new row)");
        return value;
    }
    Value contextColumn(const Context& key, const ColumnInfo& column, std::string rule) {
        Value value;
        value.kind = ValueKind::context;
        value.context = useContext(key);
        value.name = column.name;
        value.type = column.type;
        value.rule = std::move(rule);
        value.shown = key.entity->shown() + "." + column.name + " of the row that " + key.key.name + " names";
        result_.contexts[value.context].columns.insert(column.name);
        return value;
    }
    static Value payloadValue(const std::string& name) {
        Value value;
        value.kind = ValueKind::payload;
        value.name = name;
        value.rule = "rule 8: key of the event's payload";
        return value;
    }
    static Value simple(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown) {
        Value value;
        value.kind = kind;
        value.name = std::move(name);
        value.type = std::move(type);
        value.rule = std::move(rule);
        value.shown = std::move(shown);
        return value;
    }

    // The field that a word names: the exact one, else the changed one if it contains the word, else the only one.
    const ColumnInfo* fieldNamed(const EntityInfo& entity, const std::string& word) const {
        if (const ColumnInfo* exact = entity.column(word)) return exact;
        const std::string& changed = result_.binding.changedColumn;
        if (&entity == result_.binding.entity && !changed.empty() && containsWords(changed, word)) return entity.column(changed);
        const ColumnInfo* only = nullptr;
        for (const ColumnInfo& column : entity.columns) {
            if (!containsWords(column.name, word)) continue;
            if (only) return nullptr;
            only = &column;
        }
        return only;
    }

    bool lookupTarget(const Scope& scope, const NameUse& use, Value& value) const {
        const std::string& name = use.parts.back();
        if (!scope.target) return false;
        bool qualified = use.parts.size() == 2 && (use.parts[0] == scope.target->table);
        bool bare = use.parts.size() == 1 && ((scope.targetFirst && !use.rightTwin) || name == scope.assigned);
        const ColumnInfo* column = qualified || bare ? scope.target->column(name) : nullptr;
        if (!column) return false;
        value = simple(ValueKind::target, name, column->type, "section 5: the target's own column",
                       scope.target->shown() + "." + name + " (the row being written)");
        return true;
    }

    bool lookupQualified(const Scope& scope, const NameUse& use, Value& value) {
        const std::string& first = use.parts[0];
        const std::string& name = use.parts[1];
        const Binding& binding = result_.binding;
        if (!binding.custom && (first == "new" || first == "old" || first == binding.entity->table)) {
            const ColumnInfo* column = binding.entity->column(name);
            if (!column) return false;
            value = eventColumn(*binding.entity, *column, first == "old", "rule 2: " + first + ".column");
            if (first == "new") value.old = false;
            return true;
        }
        if (scope.handled && first == scope.handled->table) return lookupHandled(scope, name, value);
        for (const Context& key : keys_) {
            if (key.entity->table != first) continue;
            if (const ColumnInfo* column = key.entity->column(name)) {
                value = contextColumn(key, *column, "rule 7: column of a row the event names");
                return true;
            }
        }
        return false;
    }

    bool lookupHandled(const Scope& scope, const std::string& name, Value& value) const {
        const ColumnInfo* column = scope.handled ? scope.handled->column(name) : nullptr;
        if (!column) return false;
        value = simple(ValueKind::handled, name, column->type, "section 7: column of the handled row",
                       scope.handled->shown() + "." + name + " (the row that was handled)");
        return true;
    }

    bool lookupWindow(const std::string& name, Value& value) const {
        if (!result_.window) return false;
        for (const NamedType& known : matchNames)
            if (name == known.name)
                return value = simple(ValueKind::match, name, known.type, "section 9: value of the match", "of the match"), true;
        return false;
    }

    // Rules 2 to 4: the row the event is about.
    bool lookupRow(const std::string& name, Value& value) {
        const Binding& binding = result_.binding;
        if (binding.custom) return false;
        EntityInfo& entity = *binding.entity;
        if (name == "new" || name == "old") {
            value = simple(ValueKind::eventRow, name, "record", "rule 2: the whole row", "the " + name + " row of " + entity.shown());
            value.old = name == "old";
            return true;
        }
        if (const ColumnInfo* column = entity.column(name))
            return value = eventColumn(entity, *column, false, "rule 3: column of the event's row"), true;
        if (!entity.key.empty() && (name == entity.table + "_id" || name == snakeCase(entity.name) + "_id"))
            return value = eventColumn(entity, *entity.column(entity.key), false, "rule 4: <entity>_id is that row's id"), true;
        return false;
    }

    // Rule 5: old and new value of the field that a word names.
    bool lookupPrefixed(const std::string& name, Value& value) {
        const Binding& binding = result_.binding;
        for (const char* prefix : {"previous_", "old_", "new_", "current_", "available_"}) {
            if (!startsWith(name, prefix)) continue;
            std::string word = name.substr(std::string(prefix).size());
            bool old = prefix[0] == 'p' || prefix[0] == 'o';
            std::string rule = std::string("rule 5: ") + prefix + "<field>";
            if (!binding.custom) {
                if (const ColumnInfo* column = fieldNamed(*binding.entity, word))
                    return value = eventColumn(*binding.entity, *column, old, rule), true;
            }
            for (const Context& key : keys_) {
                const ColumnInfo* column = old ? nullptr : fieldNamed(*key.entity, word);
                if (column) return value = contextColumn(key, *column, rule + " of a row the event names"), true;
            }
        }
        if (binding.custom || !endsWith(name, "_change") || !(binding.ops & opUpdate)) return false;
        const ColumnInfo* column = fieldNamed(*binding.entity, name.substr(0, name.size() - 7));
        if (!column) return false;
        value = simple(ValueKind::eventChange, column->name, differenceType(column->type), "rule 5: <field>_change",
                       binding.entity->shown() + "." + column->name + ", new minus old");
        return true;
    }

    bool lookupMeta(const std::string& name, Value& value) const {
        for (const NamedType& known : metaNames)
            if (name == known.name)
                return value = simple(ValueKind::meta, name, known.type, "rule 6: of the event itself", "the event's " + name), true;
        return false;
    }

    // Rule 7. Two entities with such a column: an error that names both.
    bool lookupKeys(const std::string& name, Value& value, std::string& problem) {
        const Context* found = nullptr;
        for (const Context& key : keys_) {
            if (!key.entity->column(name)) continue;
            if (found) {
                problem = name + " can be " + found->entity->shown() + "." + name + " and " + key.entity->shown() + "." + name;
                return false;
            }
            found = &key;
        }
        if (!found) return false;
        value = contextColumn(*found, *found->entity->column(name), "rule 7: column of a row the event names");
        return true;
    }

    bool declaredParam(const std::string& name) const {
        return std::any_of(action_.spec->params.begin(), action_.spec->params.end(),
                           [&](const Param& param) { return param.name.value == name; });
    }

    bool lookup(const Scope& scope, const NameUse& use, Value& value, std::string& problem) {
        if (lookupTarget(scope, use, value)) return true;
        if (use.parts.size() == 2) return lookupQualified(scope, use, value);
        if (use.parts.size() != 1) return false;
        const std::string& name = use.parts.front();
        for (const Value& local : scope.locals)
            if (local.name == name) return value = local, true;
        if (lookupWindow(name, value) || lookupHandled(scope, name, value)) return true;
        if (declaredParam(name) && result_.binding.custom) return value = payloadValue(name), true;
        if (lookupRow(name, value) || lookupPrefixed(name, value) || lookupMeta(name, value)) return true;
        if (lookupKeys(name, value, problem)) return true;
        if (!problem.empty()) return false;
        if (result_.binding.custom && name != "new" && name != "old") return value = payloadValue(name), true;
        const ColumnInfo* own = scope.target && !scope.assigned.empty() ? scope.target->column(name) : nullptr;
        if (!own) return false;
        value = simple(ValueKind::target, name, own->type, "section 5: the target's own column",
                       scope.target->shown() + "." + name + " (the row being written)");
        return true;
    }

    // --- expressions -------------------------------------------------------------------------------------------------

    void notePayload(const std::string& name) {
        if (result_.payload.emplace(name, "").second) result_.payloadOrder.push_back(name);
    }

    std::vector<std::string> namesInReach(const Scope& scope) const {
        std::vector<std::string> names;
        auto add = [&](const EntityInfo* entity) {
            if (!entity) return;
            for (const ColumnInfo& column : entity->columns) names.push_back(column.name);
        };
        add(scope.target);
        add(scope.handled);
        add(result_.binding.entity);
        for (const Context& key : keys_) add(key.entity);
        if (const EntityInfo* entity = result_.binding.entity) {
            names.push_back(entity->table + "_id");
            for (const std::string& word : words(result_.binding.changedColumn)) {
                names.push_back("new_" + word);
                names.push_back("previous_" + word);
            }
        }
        for (const NamedType& known : metaNames) names.push_back(known.name);
        for (const Value& local : scope.locals) names.push_back(local.name);
        return names;
    }

    BoundExpression bind(ExpressionRef ref, const std::string& target, const Scope& scope, const ColumnInfo* column = nullptr) {
        BoundExpression bound;
        bound.expression = ref.id + action_.file->expressionBase;
        bound.target = target;
        const ExpressionFacts& facts = world_.facts(bound.expression);
        if (!facts.ok) {
            if (world_.trying() || resolver_.badExpressions_.insert(bound.expression).second)
                world_.error(*action_.file, facts.code.empty() ? "SPQL-E001" : facts.code,
                             world_.locate(bound.expression, facts.errorOffset), facts.error, facts.hint);
            return bound;
        }
        bool known = true;
        for (const NameUse& use : facts.names) {
            Value value;
            std::string problem;
            if (!lookup(scope, use, value, problem)) {
                unknownName(bound.expression, use, scope, column, problem);
                known = false;
            }
            if (value.kind == ValueKind::payload && !value.name.empty()) notePayload(value.name);
            bound.values.push_back(std::move(value));
        }
        hintPayloadTypes(facts, bound);
        checkEnum(facts, bound, column);
        if (!known) bound.values.clear();   // its type would only be a second complaint
        return bound;
    }

    void unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column, const std::string& problem) {
        std::string name = join(use.parts, ".");
        Pos pos = world_.locate(expression, use.offset);
        if (!problem.empty()) {
            world_.error(*action_.file, "SPQL-R041", pos, problem, "qualify it: <entity>." + use.parts.back());
            return;
        }
        std::string hint;
        if (column && column->field && use.parts.size() == 1) {
            const std::vector<std::string>& values = column->field->enumValues;
            if (std::find(values.begin(), values.end(), name) != values.end()) hint = "a text value is quoted: \"'" + name + "'\"";
        }
        if (hint.empty()) {
            std::string near = nearest(use.parts.back(), namesInReach(scope));
            hint = !near.empty() ? "did you mean " + near + "?"
                : use.parts.size() == 1 ? "a text value is quoted: \"'" + name + "'\"" : "";
        }
        world_.error(*action_.file, "SPQL-R040", pos, "unknown name " + name, hint);
    }

    void checkEnum(const ExpressionFacts& facts, const BoundExpression& bound, const ColumnInfo* column) {
        if (!column || !column->field || column->field->enumValues.empty() || !facts.isLiteral || facts.literalType != "text") return;
        const std::vector<std::string>& values = column->field->enumValues;
        if (std::find(values.begin(), values.end(), facts.literalValue) != values.end()) return;
        std::string near = nearest(facts.literalValue, values);
        world_.error(*action_.file, "SPQL-R042", world_.locate(bound.expression, 0), quoteLiteral(facts.literalValue) +
                     " is not a value of " + column->name, near.empty() ? "its values are " + join(values, ", ")
                                                                         : "did you mean '" + near + "'?");
    }

    // --- payload types: declared, else of the field of the same name, else …_id is uuid, else by use, else text --------

    void hint(const std::string& key, const std::string& type) {
        if (!type.empty() && type != "record" && !hints_.count(key)) hints_[key] = type;
    }

    void hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound) {
        for (size_t i = 0; i < bound.values.size(); i++) {
            if (bound.values[i].kind != ValueKind::payload) continue;
            const NameUse& use = facts.names[i];
            const std::string& key = bound.values[i].name;
            bool whole = facts.names.size() == 1 && use.length == world_.expressionText(bound.expression).size();
            if (whole) hint(key, bound.target);
            for (int peer : use.peers)
                if (bound.values.size() > static_cast<size_t>(peer) && bound.values[peer].kind != ValueKind::payload)
                    hint(key, bound.values[peer].type);
            if (!use.castTo.empty()) continue;
            hint(key, use.literalPeer);
            // `-ordered_quantity` assigned to an integer: one name, one number-like target
            bool number = bound.target == "integer" || bound.target == "bigint" || startsWith(bound.target, "numeric");
            if (number && facts.names.size() == 1 && facts.calls.empty()) hint(key, bound.target);
        }
    }

    void inferPayloadTypes() {
        for (auto& [key, type] : result_.payload) type = payloadType(key);
        auto fix = [&](Value& value) {
            if (value.kind != ValueKind::payload) return;
            value.type = result_.payload[value.name];
            value.shown = "payload key " + value.name + " (" + value.type + ")";
        };
        for (Context& context : result_.contexts) fix(context.key);
        forEachExpression(result_, [&](BoundExpression& bound) {
            for (Value& value : bound.values) fix(value);
        });
        if (!world_.trying()) explain();
    }

    std::string payloadType(const std::string& key) {
        for (const Param& param : action_.spec->params) {
            if (param.name.value != key) continue;
            ColumnType type = columnType(param.type.value, world_.catalog().types);
            if (type.ok) return type.sql;
            world_.error(*action_.file, "SPQL-R010", param.type.pos, "unknown type " + param.type.value + " of parameter " + key,
                         "use a type of the language or one PostgreSQL knows");
        }
        for (const Context& context : result_.contexts)
            if (context.key.kind == ValueKind::payload && context.key.name == key)
                return context.entity->column(context.entity->key)->type;
        for (const EntityInfo* entity : touched_)
            if (const ColumnInfo* column = entity->column(key))
                if (!column->type.empty()) return column->type;
        for (const Context& context : keys_)
            if (const ColumnInfo* column = context.entity->column(key)) return column->type;
        for (const EntityInfo& entity : world_.entities)
            if (entity.schema == action_.schema && entity.unit && !entity.impliedByStep)
                if (const ColumnInfo* column = entity.column(key)) return column->type;
        if (endsWith(key, "_id")) return "uuid";
        auto found = hints_.find(key);
        return found == hints_.end() ? "text" : found->second;
    }

public:
    template <typename Visit>
    static void forEachExpression(ResolvedAction& action, Visit visit) {
        for (ResolvedBranch& branch : action.branches) {
            if (branch.condition) visit(branch.condition);
            forEachIn(branch.steps, visit);
            forEachIn(branch.otherwise, visit);
        }
    }
    template <typename Visit>
    static void forEachIn(std::vector<ResolvedStep>& steps, Visit& visit) {
        for (ResolvedStep& step : steps) {
            for (BoundAssignment& assignment : step.set)
                if (assignment.value) visit(assignment.value);
            for (BoundExpression* bound : {&step.where, &step.limit, &step.condition})
                if (*bound) visit(*bound);
            for (BoundOrder& order : step.order) visit(order.value);
            for (BoundExpression& arg : step.args) visit(arg);
            forEachIn(step.then, visit);
            forEachIn(step.otherwise, visit);
        }
    }

private:
    void explain() {
        std::set<std::string> seen;
        forEachExpression(result_, [&](BoundExpression& bound) {
            const ExpressionFacts& facts = world_.facts(bound.expression);
            for (size_t i = 0; i < bound.values.size(); i++) {
                const Value& value = bound.values[i];
                std::string name = join(facts.names[i].parts, ".");
                if (value.rule.empty() || !seen.insert(name + "\n" + value.shown).second) continue;
                world_.addExplanation({action_.name(), name, value.shown, value.rule,
                                       world_.locate(bound.expression, facts.names[i].offset).line});
            }
        });
    }

    // --- steps -------------------------------------------------------------------------------------------------------

    std::vector<ResolvedStep> bindSteps(const std::vector<Step>& steps, Scope& scope) {
        std::vector<ResolvedStep> resolved;
        for (const Step& step : steps) {
            resolved.push_back(bindStep(step, scope));
            bool set = step.kind == StepKind::update || step.kind == StepKind::remove;
            if (bulk_ && set && resolved.back().target) scope.handled = resolved.back().target;
        }
        return resolved;
    }

    EntityInfo* targetOf(const Step& step) {
        std::vector<std::string> candidates;
        EntityInfo* entity = world_.entity(step.target.value, action_.schema, &candidates);
        if (entity) {
            touched_.push_back(entity);
            return entity;
        }
        std::string near = nearest(step.target.value, world_.entityNames());
        if (!candidates.empty())
            world_.error(*action_.file, "SPQL-R031", step.target.pos, step.target.value + " is more than one entity: " +
                         join(candidates, ", "), "write schema.Entity");
        else
            world_.error(*action_.file, "SPQL-R030", step.target.pos, "unknown entity " + step.target.value,
                         near.empty() ? "declare it in this text or apply it first" : "did you mean " + near + "?");
        return nullptr;
    }

    void bindSet(const Step& step, ResolvedStep& resolved, const Scope& outer) {
        for (const Assignment& assignment : step.set) {
            BoundAssignment bound;
            bound.column = snakeCase(assignment.column.value);
            const ColumnInfo* column = resolved.target ? resolved.target->column(bound.column) : nullptr;
            if (resolved.target && !column) {
                std::vector<std::string> names;
                for (const ColumnInfo& known : resolved.target->columns) names.push_back(known.name);
                std::string near = nearest(bound.column, names);
                world_.error(*action_.file, "SPQL-R032", assignment.column.pos, resolved.target->name + " has no field " +
                             assignment.column.value, near.empty() ? "its fields are " + join(names, ", ")
                                                                   : "did you mean " + near + "?");
            }
            Scope scope = outer;
            if (step.kind == StepKind::update) {
                scope.target = resolved.target;
                scope.assigned = bound.column;
            }
            bound.value = bind(assignment.value, column ? column->type : "", scope, column);
            resolved.set.push_back(std::move(bound));
        }
    }

    // create: columns take the event's values of the same name.
    void bindCreate(ResolvedStep& resolved, const Scope& scope) {
        for (const ColumnInfo& column : resolved.target->columns) {
            if (column.name == resolved.target->key || column.generated) continue;
            bool assigned = std::any_of(resolved.set.begin(), resolved.set.end(),
                                        [&](const BoundAssignment& set) { return set.column == column.name; });
            NameUse use;
            use.parts = {column.name};
            Value value;
            std::string problem;
            if (assigned || !lookup(scope, use, value, problem) || value.type == "record") continue;
            if (value.kind == ValueKind::payload) {
                // Nobody promised this key: absent means NULL, so it is taken without being required.
                value.kind = ValueKind::meta;
                value.name = "payload:" + column.name;
                value.type = column.type;
                value.shown = "payload key " + column.name + ", if there is one";
            }
            BoundAssignment taken;
            taken.column = column.name;
            taken.taken = std::move(value);
            resolved.set.push_back(std::move(taken));
        }
    }

    // Which row an update or delete without WHERE is about.
    void bindOwnRow(const Step& step, ResolvedStep& resolved) {
        if (resolved.target == result_.binding.entity && !resolved.target->key.empty()) {
            resolved.ownRow = true;
            return;
        }
        for (const Context& key : keys_) {
            if (key.entity != resolved.target) continue;
            resolved.byContext = useContext(key);
            result_.contexts[resolved.byContext].locked = true;
            return;
        }
        world_.error(*action_.file, "SPQL-R034", step.target.pos, "nothing says which row of " + resolved.target->name +
                     " is meant: the event is not about one and names none by its key",
                     "add WHERE; WHERE true means every row");
    }

    // LIMIT that shares a word with a field of the target allocates: rows are taken while the field's sum fits.
    void bindLimit(const Step& step, ResolvedStep& resolved, const Scope& scope) {
        if (step.limitSum) {
            resolved.allocated = snakeCase(step.limitSum.value);
            if (resolved.target && !resolved.target->column(resolved.allocated))
                world_.error(*action_.file, "SPQL-R032", step.limitSum.pos, resolved.target->name + " has no field " +
                             step.limitSum.value, "SUM takes a field of the rows that are updated");
        } else if (resolved.target) {
            const ExpressionFacts& facts = world_.facts(step.limit.id + action_.file->expressionBase);
            if (facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1) {
                std::vector<std::string> limitWords = words(facts.names[0].parts[0]);
                for (const ColumnInfo& column : resolved.target->columns) {
                    bool number = column.type == "integer" || column.type == "bigint" || column.type == "smallint" ||
                                  startsWith(column.type, "numeric") || column.type == "real" || column.type == "double precision";
                    std::vector<std::string> own = words(column.name);
                    bool shares = std::any_of(own.begin(), own.end(), [&](const std::string& word) {
                        return std::find(limitWords.begin(), limitWords.end(), word) != limitWords.end();
                    });
                    if (number && shares && resolved.allocated.empty()) resolved.allocated = column.name;
                }
            }
        }
        resolved.limit = bind(step.limit, resolved.allocated.empty() ? "bigint" : "numeric", scope);
    }

    ResolvedStep bindStep(const Step& step, Scope& scope) {
        ResolvedStep resolved;
        resolved.spec = &step;
        switch (step.kind) {
            case StepKind::insert:
            case StepKind::append:
            case StepKind::create:
                resolved.target = targetOf(step);
                bindSet(step, resolved, scope);
                if (step.kind == StepKind::append && resolved.target) resolved.target->appendOnly = true;
                if (step.kind == StepKind::create && resolved.target) bindCreate(resolved, scope);
                break;
            case StepKind::update:
            case StepKind::remove: {
                resolved.target = targetOf(step);
                bindSet(step, resolved, scope);
                Scope rows = scope;
                rows.target = resolved.target;
                rows.targetFirst = true;
                if (step.where) resolved.where = bind(step.where, "boolean", rows);
                else if (resolved.target) bindOwnRow(step, resolved);
                for (const OrderItem& item : step.orderBy) resolved.order.push_back({bind(item.value, "", rows), &item});
                if (step.limit) bindLimit(step, resolved, scope);
                break;
            }
            case StepKind::emit:
                for (const Assignment& assignment : step.set) {
                    BoundAssignment bound;
                    bound.column = assignment.column.value;
                    bound.value = bind(assignment.value, "", scope);
                    resolved.set.push_back(std::move(bound));
                }
                break;
            case StepKind::callExternal:
            case StepKind::notify:
            case StepKind::escalate:
                if (step.target.empty())
                    world_.error(*action_.file, "SPQL-R035", step.pos, step.verb.value + " needs a name and a text",
                                 "for example " + step.verb.value + ": name \"text\"");
                break;
            case StepKind::function:
            case StepKind::call:
                bindCall(step, resolved, scope);
                break;
            case StepKind::validate:
                resolved.condition = bind(step.condition, "boolean", scope);
                break;
            case StepKind::branch: {
                resolved.condition = bind(step.condition, "boolean", scope);
                Scope then = scope, otherwise = scope;
                resolved.then = bindSteps(step.then, then);
                resolved.otherwise = bindSteps(step.otherwise, otherwise);
                break;
            }
            case StepKind::foreach:
                bindForeach(step, resolved, scope);
                break;
            case StepKind::ret:
                break;
        }
        return resolved;
    }

    void bindForeach(const Step& step, ResolvedStep& resolved, Scope& scope) {
        resolved.condition = bind(step.condition, "", scope);
        std::string type = resolved.condition.values.size() == 1 ? resolved.condition.values[0].type : "";
        std::string element = type == "jsonb" ? "jsonb" : elementType(type);
        if (element.empty() && world_.facts(resolved.condition.expression).ok)
            world_.error(*action_.file, "SPQL-R036", world_.locate(resolved.condition.expression, 0),
                         "foreach goes over one name that is an array or jsonb", "for example foreach: item in items");
        Scope body = scope;
        body.locals.push_back(simple(ValueKind::local, step.variable.value, element, "rule 1: variable of foreach",
                                     "element of " + world_.expressionText(resolved.condition.expression)));
        resolved.then = bindSteps(step.then, body);
    }

    // <action>: "f(args)" calls the action; a function of that name is called; otherwise the call is queued.
    void bindCall(const Step& step, ResolvedStep& resolved, Scope& scope) {
        const std::string& function = step.target.value;
        size_t dot = function.rfind('.');
        std::string schema = dot == std::string::npos ? action_.schema : function.substr(0, dot);
        std::string name = dot == std::string::npos ? function : function.substr(dot + 1);

        for (const ActionInfo& other : world_.actions) {
            bool named = step.kind == StepKind::function ? other.spec->name.value == step.verb.value
                                                         : other.spec->name.value == name;
            if (!named || !isBulk(other) || (resolved.calledAction && other.schema != action_.schema)) continue;
            resolved.call = CallKind::action;
            resolved.calledAction = &other;
        }
        std::vector<std::string> arities;
        if (resolved.call == CallKind::none) {
            for (const FunctionView& view : world_.catalog().functions) {
                if (view.name != name || view.schema != schema) continue;
                int given = static_cast<int>(step.args.size());
                if (given > view.args || given < view.args - view.defaults) {
                    if (!view.variadic || given < view.args - 1) {
                        arities.push_back(std::to_string(view.args));
                        continue;
                    }
                }
                resolved.call = CallKind::function;
                resolved.calledFunction = quoteName(schema, name);
            }
        }
        for (ExpressionRef arg : step.args) resolved.args.push_back(bind(arg, "", scope));
        std::string shown = function + "(" + std::to_string(step.args.size()) + (step.args.size() == 1 ? " argument)" : " arguments)");
        if (resolved.call == CallKind::none && !arities.empty()) {
            world_.error(*action_.file, "SPQL-R037", step.target.pos, quoteName(schema, name) + " takes " + join(arities, " or ") +
                         " arguments, not " + std::to_string(step.args.size()), "give it as many as it takes");
        } else if (resolved.call == CallKind::none && step.kind == StepKind::call) {
            world_.error(*action_.file, "SPQL-R038", step.target.pos, "no function " + schema + "." + name,
                         "create it first, or write <service>: \"" + name + "(…)\" to queue a call");
        } else if (resolved.call == CallKind::none) {
            resolved.call = CallKind::queued;
            world_.warning(*action_.file, "SPQL-R039", step.target.pos, "no action or function " + name + " yet: calls are queued for the service " +
                           step.verb.value, "create " + schema + "." + name + ", or leave it to the service");
        }
        std::string to = resolved.call == CallKind::action ? "action " + resolved.calledAction->name()
            : resolved.call == CallKind::function ? "function " + resolved.calledFunction
            : "queued call to service " + step.verb.value + ", operation " + name;
        if (resolved.call != CallKind::none) world_.addExplanation({action_.name(), shown, to, "section 6: " + step.verb.value, step.pos.line});
    }

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    bool withKeys_;
    bool bulk_ = false;
    ResolvedAction result_;
    std::vector<Context> keys_;              // entities that the event names by key
    std::vector<const EntityInfo*> touched_; // targets of steps so far
    std::map<std::string, std::string> hints_;
};

ResolvedAction resolveUnder(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding, bool withKeys) {
    return ActionResolver(resolver, world, action, binding, withKeys).run();
}

void visitExpressions(ResolvedAction& action, const std::function<void(BoundExpression&)>& visit) {
    ActionResolver::forEachExpression(action, visit);
}

}  // namespace specql
