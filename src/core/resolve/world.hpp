// Everything that is known when names are resolved: the new text and the units installed before it as one world of
// entities, actions and services. Resolution always looks at the whole world, so that a trigger which was a custom
// event yesterday becomes a row event once its entity exists.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/facts.hpp"
#include "model/object.hpp"
#include "resolve/types.hpp"
#include "resolve/window.hpp"
#include "spec/spec.hpp"
#include "yaml/parse.hpp"

namespace specql::resolve {

// One text that was read: the new one, or that of an installed unit.
struct SpecFile {
    explicit SpecFile(std::string text) : source(std::move(text)) {}
    Source source;
    spec::Spec spec;
    int expressionBase = 0;  // added to ExpressionRef::id it gives the index into the world's expressions
    bool fresh = false;      // part of the text being applied now
    std::string label;       // of an installed unit, for messages
};

struct Unit {
    std::string kind, schema, name;
    const SpecFile* file = nullptr;
    uint32_t firstLine = 0, lastLine = 0;
    std::string text;  // reads to exactly this unit
    bool fresh() const { return file->fresh; }
    std::string key() const { return kind + ":" + schema + "." + name; }
};

struct ColumnInfo {
    std::string name;
    std::string type;                    // PostgreSQL's name of it
    const spec::Field* field = nullptr;  // null for implied columns (id, columns of adopted or step-made tables)
    std::string check;                   // of a rich type, over %s
    bool notNull = false;
    bool generated = false;
    bool hasEquality = true;  // of its type
    std::string identity;     // always or by default: PostgreSQL counts it; empty if not
    std::string defaultSql;   // of implied columns, and of states that say which is the first
};

struct EntityInfo {
    std::string name;            // InventoryEvent
    std::string home;            // the schema of its document, in which its names are looked up
    std::string word;            // inventory_event: what triggers, keys and generated names call it
    std::string schema, table;   // where the rows are: the same two, unless the document says table:
    const Unit* unit = nullptr;  // null: a plain table that no spec declares
    const SpecFile* file = nullptr;
    const spec::Entity* spec = nullptr;  // null: made by a step (append, create), or a plain table
    const TableView* present = nullptr;  // it exists in the database
    bool appendOnly = false;
    bool impliedByStep = false;
    Pos pos;
    std::vector<ColumnInfo> columns;
    std::string key;                      // the column that identifies a row; empty if there is none
    std::string partitionColumn;          // by whose time its rows are kept in partitions; empty if they are not
    std::vector<std::string> keyColumns;  // of the primary key; several columns leave `key` empty

    const ColumnInfo* column(std::string_view column) const;
    // The column of a field as a spec writes it: its exact name, createdAt, and the name before `_id` of a ref.
    const ColumnInfo* columnOf(const std::string& field) const;
    std::string shown() const { return schema + "." + table; }
};

struct ActionInfo {
    const Unit* unit = nullptr;
    const SpecFile* file = nullptr;
    const spec::Action* spec = nullptr;
    std::string schema;
    std::string base;                  // on_stock_change → stock_change
    const EntityInfo* home = nullptr;  // the entity that declares it; null in a rules document
    Place place;                       // see resolve/order.hpp
    std::string name() const { return schema + "." + spec->name.value; }
};

class World {
public:
    explicit World(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    // Asked now and then from every loop that may run long; throws Interrupted. May be null.
    void setInterrupt(yaml::InterruptCheck interrupt) { interrupt_ = interrupt; }
    void poll() const {
        if (interrupt_ && interrupt_()) throw yaml::Interrupted();
    }
    // A hint is searched for among all names there are. A text with more problems than this has no use for more hints.
    bool wantsHints() const { return diagnostics_.errorCount() < 200; }

    // Takes the files in; the first fresh one, then installed units that it does not replace.
    void addFile(std::unique_ptr<SpecFile> file, const std::vector<std::string>& onlyUnits);
    void build(const CatalogView& catalog, const std::vector<ExpressionFacts>& facts);

    // What tells the types of computed fields that say none; the answers in the same order.
    const std::vector<AnalysisRequest>& untyped() const { return untyped_; }
    void giveTypes(const std::vector<AnalysisResult>& results);

    const CatalogView& catalog() const { return *catalog_; }
    const ExpressionFacts& facts(int expression) const {
        auto refused = refused_.empty() ? refused_.end() : refused_.find(expression);
        return refused == refused_.end() ? (*facts_)[static_cast<size_t>(expression)] : refused->second;
    }
    const std::string& expressionText(int expression) const { return expressions_[expression].value; }
    const std::vector<Text>& expressions() const { return expressions_; }
    // The expression that stands for an interval, or a time zone, that the user wrote as plain text; -1 if there is
    // none.
    int literalExpression(const Text& text) const;
    // The pieces of a window's or correlation's condition that are expressions, term by term.
    const std::vector<TermExpressions>& termExpressions(const spec::Action& action) const {
        return termExpressions_.at(&action);
    }

    std::deque<Unit> units;
    std::deque<EntityInfo> entities;
    std::deque<ActionInfo> actions;
    std::vector<std::unique_ptr<SpecFile>> files;

    // "Product": the entity or plain table of `schema`; only if there is none the one entity of another schema, or
    // public's table. Several entities: null and `candidates` set. "sales.Backorder" is of that schema or nothing.
    EntityInfo* entity(std::string_view name, std::string_view schema, std::vector<std::string>* candidates = nullptr);
    // What somebody may have meant who wrote a name that entity() does not know; empty if nothing is near.
    std::string nearestEntity(const std::string& name) const;
    // By its word, or its table's name, of that schema alone; also plain tables of the database.
    EntityInfo* ofSchema(std::string_view word, std::string_view schema);
    // An entity that no text declares, made by a step; it has an id and whatever the step assigns.
    EntityInfo implied(const ActionInfo& action, std::string name, std::string schema, Pos pos, bool appendOnly);

    // Problems. Those of installed units carry no position and say which unit they are in.
    void report(const SpecFile& file, Code code, Pos pos, std::string message, std::string hint = {});
    void report(const SpecFile& file, Code code, Pos pos) { report(file, code, pos, sentenceOf(code), hintOf(code)); }
    // What is an error elsewhere, where it rests on a guess.
    void warn(const SpecFile& file, Code code, Pos pos, std::string message, std::string hint = {});
    // Reports a name that PostgreSQL would cut.
    void checkName(const SpecFile& file, const std::string& name, Pos pos, const char* what);
    // Reports a name that no column can have: PostgreSQL's own columns, and old and new, which are rows here.
    void checkColumn(const SpecFile& file, const std::string& name, Pos pos);
    Pos locate(int expression, size_t at) const;
    const SpecFile& fileOf(int expression) const { return *expressionFile_[expression]; }
    Diagnostics& diagnostics() { return diagnostics_; }

    // While resolution is tried out under several readings, problems are only counted.
    struct Trial {
        explicit Trial(World& world) : world_(world), before_(world.trial_) { world.trial_ = &count; }
        ~Trial() { world_.trial_ = before_; }
        size_t count = 0;

    private:
        World& world_;
        size_t* before_;
    };
    bool trying() const { return trial_ != nullptr; }

    void addExplanation(Explanation explanation) {
        if (!trial_) explanations.push_back(std::move(explanation));
    }
    std::vector<Explanation> explanations;

private:
    void buildEntity(EntityInfo& entity);
    void buildKey(EntityInfo& entity);
    void buildPartitioning(EntityInfo& entity);
    void checkField(const EntityInfo& entity, const spec::Field& field, const ColumnInfo& column);
    void refuseQueries();
    void askOfComputed();
    // Reports that the table of an entity was moved: an empty one must not be made in its place.
    void checkPlace(const EntityInfo& entity, Pos pos);
    EntityInfo* addPlainTable(const TableView& plain);
    int addExpression(const SpecFile& file, Text text);
    void addLiterals(const SpecFile& file, const spec::Action& action);
    void addWindow(const SpecFile& file, const spec::Action& action);

    Diagnostics& diagnostics_;
    yaml::InterruptCheck interrupt_ = nullptr;
    std::set<std::string> unitKeys_;
    const CatalogView* catalog_ = nullptr;
    const std::vector<ExpressionFacts>* facts_ = nullptr;
    std::map<int, ExpressionFacts> refused_;  // of expressions with queries, where none can be
    std::vector<AnalysisRequest> untyped_;
    std::vector<ColumnInfo*> untypedColumns_;
    std::vector<Text> expressions_;
    std::vector<const SpecFile*> expressionFile_;
    std::map<const Text*, int> literals_;
    std::map<const spec::Action*, std::vector<TermExpressions>> termExpressions_;
    size_t* trial_ = nullptr;
};

// The column that a field would be which is written like this: createdAt is created_at, and a ref customer customer_id.
std::string columnName(const spec::Field& field, const std::string& written);
// The comment of a table that World::implied() makes; it tells one that an apply left whose record is gone.
std::string impliedComment(bool appendOnly);
// A longer text that begins, or ends, with the shorter one.
bool startsWith(const std::string& text, const std::string& prefix);
bool endsWith(const std::string& text, const std::string& suffix);
// The words of a snake-case name.
std::vector<std::string> words(std::string_view name);
// True if every word of `part` is among the words of `whole`.
bool containsWords(std::string_view whole, std::string_view part);

}  // namespace specql::resolve
