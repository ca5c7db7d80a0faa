#include "yaml/tree_builder.hpp"

#include <algorithm>
#include <utility>

#include "text/ascii.hpp"
#include "text/utf8.hpp"

namespace specql::yaml {

namespace {

bool isNullWord(std::string_view text) {
    return text == "~" || text == "null" || text == "Null" || text == "NULL";
}

}  // namespace

void TreeBuilder::begin(const DocumentLines& lines) {
    lines_ = lines;
    stack_.clear();
    root_ = Node();
    hasRoot_ = false;
    starts_ = 0;
}

Node TreeBuilder::takeRoot() {
    return std::move(root_);
}

size_t TreeBuilder::offsetOf(const YAML::Mark& mark) const {
    uint32_t number = lines_.first + static_cast<uint32_t>(mark.line < 0 ? 0 : mark.line);
    bool isPastEnd = number > lines_.last;
    if (isPastEnd) {
        number = lines_.last;
    }
    std::string_view line = source_.line(number);
    size_t begin = line.data() - source_.text().data();
    size_t column = isPastEnd ? line.size() : static_cast<size_t>(mark.column < 0 ? 0 : mark.column);
    bool hasByteOrderMark = number == 1 && line.substr(0, 3) == "\xEF\xBB\xBF";
    if (hasByteOrderMark && !isPastEnd) {
        column += 3;
    }
    const std::vector<uint32_t>& indented = dialect_.indentedLines;
    if (column > 0 && std::binary_search(indented.begin(), indented.end(), number)) {
        --column;
    }
    return begin + (column < line.size() ? column : line.size());
}

bool TreeBuilder::openFlow(Pos& pos, char& bracket) const {
    for (auto frame = stack_.rbegin(); frame != stack_.rend(); ++frame) {
        if (frame->isFlow) {
            pos = frame->node.pos;
            bracket = at(frame->begin);
            return true;
        }
    }
    return false;
}

// Called for each event of the parser: checks the limit of nodes and interrupts.
void TreeBuilder::count(size_t offset) {
    if (interrupt_ != nullptr && ++events_ % 64 == 0 && interrupt_()) {
        throw Interrupted();
    }
    if (++nodes_ > limits_.nodes) {
        diagnostics_.report(Code::Y006, source_.position(offset),
                            "the text has more than " + std::to_string(limits_.nodes) + " keys and values",
                            "apply it in parts");
        throw TextRefused();
    }
}

bool TreeBuilder::expectsKey() const {
    return !stack_.empty() && stack_.back().node.kind == Node::Kind::mapping && !stack_.back().hasKey;
}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
    if (++starts_ > 1) {
        diagnostics_.report(Code::Y016, source_.position(offsetOf(mark)), "this stands behind the end of the document",
                            oneRootHint);
        throw DocumentRefused();
    }
    if (++documents_ > limits_.documents) {
        diagnostics_.report(Code::Y007, source_.position(offsetOf(mark)),
                            "the text has more than " + std::to_string(limits_.documents) + " documents",
                            "apply it in parts");
        throw TextRefused();
    }
}

// Reports anchors and tags, which stand where the node begins. Gives the offset of what they belong to.
size_t TreeBuilder::refuseProperties(size_t offset, YAML::anchor_t anchor) {
    char first = at(offset);
    if (anchor == 0 && first != '!' && first != '&') {
        return offset;
    }
    if (first == '!') {
        diagnostics_.report(Code::Y013, source_.position(offset));
    } else {
        diagnostics_.report(Code::Y011, source_.position(offset));
    }
    while (at(offset) == '!' || at(offset) == '&') {
        while (at(offset) != '\0' && !isSpace(at(offset))) {
            ++offset;
        }
        while (isSpace(at(offset))) {
            ++offset;
        }
    }
    return offset;
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t) {
    size_t offset = offsetOf(mark);
    count(offset);
    diagnostics_.report(Code::Y012, source_.position(offset));
    throw DocumentRefused();
}

// yaml-cpp also reports the words null and ~ as nulls. Here they are texts; only a missing value is a null.
void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
    size_t offset = offsetOf(mark);
    count(offset);
    std::string_view rest = std::string_view(source_.text()).substr(offset);
    std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n,]}:"));
    // For a missing value the mark is at the next token, which may be the word null as the next key: that one does
    // not stand deeper than the container.
    bool isInside = stack_.empty() || stack_.back().isFlow || expectsKey() ||
                    static_cast<size_t>(mark.column) > stack_.back().column;
    if (isNullWord(word) && isInside) {
        OnScalar(mark, "?", anchor, std::string(word));
        return;
    }
    if (refuseProperties(offset, anchor) != offset && stack_.empty()) {
        throw DocumentRefused();
    }
    if (stack_.empty()) {
        bool isStray = lines_.first + static_cast<uint32_t>(mark.line) <= lines_.last && !rest.empty() &&
                       std::string_view(",]}:").find(rest[0]) != std::string_view::npos;
        if (!isStray) {
            return;
        }
        diagnostics_.report(Code::Y016, source_.position(offset), "a document cannot begin with this", oneRootHint);
        throw DocumentRefused();
    }
    if (expectsKey()) {
        diagnostics_.report(Code::Y019, source_.position(offset), "a key is missing here", "write 'key: value'");
        throw DocumentRefused();
    }
    Node node;
    Frame& frame = stack_.back();
    if (frame.hasKey) {
        node.pos = frame.key.pos;
        node.end = frame.key.pos;
        addValue(std::move(node), frame.keyEnd);
        return;
    }
    size_t place = nullOffset(offset);
    node.pos = source_.position(place);
    node.end = node.pos;
    addValue(std::move(node), place);
}

// The dash of an empty list item: the mark is at whatever comes after it.
size_t TreeBuilder::nullOffset(size_t markOffset) const {
    const Frame& frame = stack_.back();
    if (frame.isFlow) {
        return markOffset;
    }
    for (uint32_t number = source_.position(markOffset).line; number >= lines_.first; --number) {
        std::string_view line = source_.line(number);
        size_t begin = line.data() - source_.text().data();
        bool hasDash = frame.column < line.size() && line[frame.column] == '-';
        if (hasDash && begin + frame.column < markOffset) {
            return begin + frame.column;
        }
        if (begin <= frame.begin) {
            break;
        }
    }
    return markOffset;
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                           const std::string& value) {
    size_t offset = offsetOf(mark);
    count(offset);
    if (value.size() > limits_.scalarBytes) {
        diagnostics_.report(Code::Y008, source_.position(offset),
                            "a value has more than " + std::to_string(limits_.scalarBytes) + " bytes",
                            "a missing quote or indentation may have swallowed the lines below");
        throw TextRefused();
    }
    offset = refuseProperties(offset, anchor);
    Text text = scalarText(offset, value);
    if (text.style == '"') {
        for (size_t i = 0; i < value.size();) {
            char32_t codePoint = decodeUtf8(value, i);
            if (codePoint == invalidCodePoint || isForbidden(codePoint)) {
                diagnostics_.report(Code::Y003, text.pos, "an escape stands for a character that is not allowed",
                                    "NUL, control and bidirectional characters cannot be in a spec");
                throw DocumentRefused();
            }
        }
    }
    size_t end = scalarEnd(text);
    if (expectsKey()) {
        addKey(text, end);
        return;
    }
    Node node;
    node.kind = Node::Kind::scalar;
    node.pos = text.pos;
    node.end = source_.position(end > offset ? end - 1 : end);
    node.scalar = std::move(text);
    addValue(std::move(node), end);
}

Text TreeBuilder::scalarText(size_t offset, const std::string& value) const {
    Text text;
    text.value = value;
    text.pos = source_.position(offset);
    text.offset = offset;
    text.present = true;
    char first = at(offset);
    if (first == '"' || first == '\'') {
        text.style = first;
        ++text.offset;
        return text;
    }
    if (first != '|' && first != '>') {
        restoreMessage(text);
        return text;
    }
    text.style = first;
    // The content starts on the line below the header, behind the indentation that is not part of it.
    uint32_t firstLine = text.pos.line + 1;
    std::string_view line = source_.line(firstLine);
    if (line.data() == nullptr) {
        text.offset = source_.text().size();
        return text;
    }
    size_t begin = line.data() - source_.text().data();
    size_t blanks = line.find_first_not_of(' ');
    size_t ownBlanks = value.find_first_not_of(' ');
    bool startsWithText = !value.empty() && value[0] != '\n';
    if (!startsWithText || blanks == std::string_view::npos || ownBlanks == std::string::npos || ownBlanks > blanks) {
        text.offset = begin + line.size();
    } else {
        text.offset = begin + blanks - ownBlanks;
    }
    return text;
}

// What the dialect pass has put aside in a message stands in the source, on the line where the text begins.
void TreeBuilder::restoreMessage(Text& text) const {
    const std::vector<uint32_t>& lines = dialect_.messageLines;
    if (!std::binary_search(lines.begin(), lines.end(), text.pos.line)) {
        return;
    }
    for (size_t i = 0; i < text.value.size() && at(text.offset + i) != '\n' && at(text.offset + i) != '\r'; ++i) {
        if (text.value[i] == '_') {
            text.value[i] = at(text.offset + i);
        }
    }
}

// The offset behind the scalar and its closing quote.
size_t TreeBuilder::scalarEnd(const Text& text) const {
    size_t size = text.value.size();
    if (text.style == '|' || text.style == '>') {
        while (size > 0 && text.value[size - 1] == '\n') {
            --size;
        }
        return source_.offsetOf(text, size);
    }
    size_t end = source_.offsetOf(text, size);
    if (text.style != 0) {
        size_t quote = source_.text().find(text.style, end);
        end = quote == std::string::npos ? end : quote + 1;
    }
    return end;
}

void TreeBuilder::addKey(const Text& text, size_t end) {
    Frame& frame = stack_.back();
    frame.hasKey = true;
    frame.keyIsRefused = false;
    frame.key = text;
    frame.keyEnd = end;
    frame.end = end;
    if (text.value == "<<" && text.style == 0) {
        diagnostics_.report(Code::Y014, text.pos);
        throw DocumentRefused();
    }
    auto known = frame.keys.emplace(text.value, text.pos);
    if (!known.second) {
        diagnostics_.report(Code::Y015, text.pos, "key \"" + text.value + "\" is given twice",
                            "the first is on line " + std::to_string(known.first->second.line) +
                                "; separate documents by a line '---'");
        frame.keyIsRefused = true;
    }
}

void TreeBuilder::addValue(Node node, size_t end) {
    if (stack_.empty()) {
        if (node.kind != Node::Kind::mapping) {
            diagnostics_.report(Code::Y016, node.pos,
                                node.kind == Node::Kind::sequence ? "a document cannot be a list"
                                                                  : "a document cannot be a single value",
                                oneRootHint);
            throw DocumentRefused();
        }
        root_ = std::move(node);
        hasRoot_ = true;
        return;
    }
    Frame& frame = stack_.back();
    if (end > frame.end) {
        frame.end = end;
    }
    if (frame.node.kind == Node::Kind::sequence) {
        frame.node.items.push_back(std::move(node));
        return;
    }
    frame.hasKey = false;
    if (!frame.keyIsRefused) {
        frame.node.entries.push_back({std::move(frame.key), std::move(node)});
    }
}

void TreeBuilder::openContainerAt(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    size_t offset = offsetOf(mark);
    count(offset);
    if (stack_.size() >= limits_.depth) {
        diagnostics_.report(Code::Y005, source_.position(offset),
                            "lists and mappings are nested more than " + std::to_string(limits_.depth) + " deep");
        throw TextRefused();
    }
    offset = refuseProperties(offset, anchor);
    if (expectsKey()) {
        // yaml-cpp takes what is never closed for a key.
        if (lines_.hasOpenFlow) {
            diagnostics_.report(Code::Y010, source_.position(lines_.openFlow),
                                std::string("this '") + at(lines_.openFlow) + "' is never closed");
            throw DocumentRefused();
        }
        diagnostics_.report(Code::Y019, source_.position(offset), "a key must be a word, not a list or a mapping",
                            "to begin a key or a text with '{' or '[', put it in quotes");
        throw DocumentRefused();
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.pos = source_.position(offset);
    frame.begin = offset;
    frame.end = offset + 1;
    frame.column = static_cast<size_t>(mark.column < 0 ? 0 : mark.column);
    frame.isFlow = at(offset) == '[' || at(offset) == '{';
    stack_.push_back(std::move(frame));
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value) {
    openContainerAt(mark, anchor, Node::Kind::sequence);
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
    openContainerAt(mark, anchor, Node::Kind::mapping);
}

void TreeBuilder::closeContainer(char bracket) {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    size_t end = frame.end;
    if (frame.isFlow) {
        // yaml-cpp does not say where a container ends: find its bracket behind what was last inside.
        const std::string& text = source_.text();
        size_t i = end;
        while (i < text.size() && text[i] != bracket) {
            bool isComment = text[i] == '#' && (text[i - 1] == ' ' || text[i - 1] == '\t' || text[i - 1] == '\n');
            if (isComment) {
                i = text.find('\n', i);
                if (i == std::string::npos) {
                    break;
                }
            } else if (std::string_view(" \t\r\n,:?").find(text[i]) == std::string_view::npos) {
                break;
            }
            ++i;
        }
        if (i < text.size() && text[i] == bracket) {
            end = i + 1;
        }
    }
    frame.node.end = source_.position(end > frame.begin ? end - 1 : end);
    addValue(std::move(frame.node), end);
}

}  // namespace specql::yaml
