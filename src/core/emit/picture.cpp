#include "emit/picture.hpp"

namespace specql::emit {

namespace {

struct Look {
    resolve::GraphNode::Kind kind;
    const char* open;  // of a mermaid node
    const char* close;
    const char* dot;  // attributes of a Graphviz node
};
constexpr Look looks[] = {
    {resolve::GraphNode::Kind::entity, "[(", ")]", "shape=cylinder"},
    {resolve::GraphNode::Kind::event, "([", "])", "shape=box, style=rounded"},
    {resolve::GraphNode::Kind::action, "[", "]", "shape=box"},
    {resolve::GraphNode::Kind::answer, "[/", "/]", "shape=parallelogram"},
    {resolve::GraphNode::Kind::service, "{{", "}}", "shape=hexagon"},
    {resolve::GraphNode::Kind::channel, ">", "]", "shape=cds"},
    {resolve::GraphNode::Kind::state, "(", ")", "shape=ellipse"},
    {resolve::GraphNode::Kind::step, "[[", "]]", "shape=box, peripheries=2"},
};

const Look& lookOf(const resolve::GraphNode& node) {
    for (const Look& look : looks)
        if (look.kind == node.kind) return look;
    return looks[0];
}

// Inside quotes mermaid knows no escape but entities, reads a backtick as the start of Markdown, and takes < for HTML.
std::string mermaidText(const std::string& text) {
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"' || c == '#' || c == '<' || c == '>' || c == '&' || c == '`' || c == ';' || c == '\\')
            quoted += "#" + std::to_string(static_cast<int>(c)) + ";";
        else
            quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return quoted + "\"";
}

std::string dotText(const std::string& text) {
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return quoted + "\"";
}

std::string shownName(const resolve::GraphNode& node) {
    return node.detail.empty() ? node.name : node.name + ", " + node.detail;
}

std::string nodeId(size_t node) {
    return "n" + std::to_string(node + 1);
}

std::string mermaid(const resolve::EventGraph& graph) {
    std::string text = "flowchart LR\n", onCycle, links;
    for (size_t i = 0; i < graph.nodes.size(); i++) {
        const resolve::GraphNode& node = graph.nodes[i];
        const Look& look = lookOf(node);
        text += "    " + nodeId(i) + look.open + mermaidText(shownName(node)) + look.close + "\n";
        if (node.cycle) onCycle += (onCycle.empty() ? "" : ",") + nodeId(i);
    }
    for (size_t i = 0; i < graph.edges.size(); i++) {
        const resolve::GraphEdge& edge = graph.edges[i];
        text += "    " + nodeId(edge.from) + (edge.cycle ? " ==>" : " -->") +
                (edge.label.empty() ? "" : "|" + mermaidText(edge.label) + "|") + " " + nodeId(edge.to) + "\n";
        if (edge.cycle) links += (links.empty() ? "" : ",") + std::to_string(i);
    }
    if (!onCycle.empty())
        text += "    classDef cycle stroke:#c00,stroke-width:3px\n    class " + onCycle + " cycle\n    linkStyle " +
                links + " stroke:#c00\n";
    return text;
}

std::string dot(const resolve::EventGraph& graph) {
    std::string text = "digraph specql {\n    rankdir=LR;\n";
    for (size_t i = 0; i < graph.nodes.size(); i++) {
        const resolve::GraphNode& node = graph.nodes[i];
        text += "    " + nodeId(i) + " [label=" + dotText(shownName(node)) + ", " + lookOf(node).dot +
                (node.cycle ? ", color=red, penwidth=2" : "") + "];\n";
    }
    for (const resolve::GraphEdge& edge : graph.edges) {
        text += "    " + nodeId(edge.from) + " -> " + nodeId(edge.to) + " [label=" + dotText(edge.label) +
                (edge.cycle ? ", color=red, penwidth=2" : "") + "];\n";
    }
    return text + "}\n";
}

struct Format {
    const char* name;
    std::string (*draw)(const resolve::EventGraph&);
};
constexpr Format formats[] = {{"mermaid", mermaid}, {"dot", dot}};

}  // namespace

bool isPictureFormat(const std::string& format) {
    for (const Format& known : formats)
        if (format == known.name) return true;
    return false;
}

std::string drawGraph(const resolve::EventGraph& graph, const std::string& format) {
    for (const Format& known : formats)
        if (format == known.name) return known.draw(graph);
    return {};
}

}  // namespace specql::emit
