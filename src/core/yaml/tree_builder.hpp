// Receives yaml-cpp's events and builds the located tree, refusing what a spec must not hold.
#pragma once

#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <map>
#include <string>
#include <vector>

#include "yaml/dialect.hpp"

namespace specql::yaml {

// Of what stands in the place of a document's mapping.
constexpr const char* oneRootHint =
    "each document is one mapping of keys to values; separate documents by a line '---'";

// Thrown after the reason was reported: the first ends the parsing of the text, the second that of the document.
struct TextRefused {};
struct DocumentRefused {};

class TreeBuilder : public YAML::EventHandler {
public:
    TreeBuilder(const Source& source, const Dialect& dialect, const Limits& limits, Diagnostics& diagnostics,
                InterruptCheck interrupt)
        : source_(source), dialect_(dialect), limits_(limits), diagnostics_(diagnostics), interrupt_(interrupt) {}

    // The next events belong to these lines of the text.
    void begin(const DocumentLines& lines);
    // Was there a root? An empty document has none.
    bool hasRoot() const { return hasRoot_; }
    Node takeRoot();

    // Where a mark of yaml-cpp (bytes, from 0, relative to the document's lines) stands in the source.
    size_t offsetOf(const YAML::Mark& mark) const;
    // The innermost bracket or brace that is open; false if there is none.
    bool openFlow(Pos& pos, char& bracket) const;
    // The innermost container of any kind that is open.
    const Node* openContainer() const { return stack_.empty() ? nullptr : &stack_.back().node; }

    void OnDocumentStart(const YAML::Mark& mark) override;
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override;
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override;
    void OnSequenceEnd() override { closeContainer(']'); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override;
    void OnMapEnd() override { closeContainer('}'); }

private:
    // What is being built: a container, and for a mapping the key that waits for its value.
    struct Frame {
        Node node;
        size_t begin = 0;
        size_t end = 0;       // offset behind the last thing inside
        size_t column = 0;    // bytes, from 0
        bool isFlow = false;  // opened by a bracket or brace
        bool hasKey = false;
        bool keyIsRefused = false;  // reported: its value is read and dropped
        Text key;
        size_t keyEnd = 0;
        std::map<std::string, Pos> keys;
    };

    void count(size_t offset);
    char at(size_t offset) const { return offset < source_.text().size() ? source_.text()[offset] : '\0'; }
    bool expectsKey() const;
    size_t refuseProperties(size_t offset, YAML::anchor_t anchor);
    Text scalarText(size_t offset, const std::string& value) const;
    void restoreMessage(Text& text) const;
    size_t scalarEnd(const Text& text) const;
    void addKey(const Text& text, size_t end);
    void addValue(Node node, size_t end);
    void openContainerAt(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind);
    void closeContainer(char bracket);
    size_t nullOffset(size_t markOffset) const;

    const Source& source_;
    const Dialect& dialect_;
    const Limits& limits_;
    Diagnostics& diagnostics_;
    InterruptCheck interrupt_;
    DocumentLines lines_;
    std::vector<Frame> stack_;
    Node root_;
    bool hasRoot_ = false;
    size_t starts_ = 0;     // roots seen in these lines
    size_t documents_ = 0;  // of the whole text
    size_t nodes_ = 0;      // of the whole text
    size_t events_ = 0;
};

}  // namespace specql::yaml
