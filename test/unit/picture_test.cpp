#include "emit/picture.hpp"

#include <gtest/gtest.h>

namespace specql {

using namespace specql::emit;
using namespace specql::resolve;
namespace {

EventGraph twoNodes(const std::string& name, const std::string& label, bool cycle = false) {
    EventGraph graph;
    graph.nodes = {{GraphNode::Kind::entity, name, false, ""}, {GraphNode::Kind::action, "s.on_x", cycle, ""}};
    graph.edges = {{0, 1, label, cycle}, {1, 0, "", false}};
    return graph;
}

TEST(Picture, KnowsItsFormats) {
    EXPECT_TRUE(isPictureFormat("mermaid"));
    EXPECT_TRUE(isPictureFormat("dot"));
    EXPECT_FALSE(isPictureFormat("Mermaid"));
    EXPECT_FALSE(isPictureFormat(""));
}

TEST(Picture, DrawsMermaid) {
    EXPECT_EQ(drawGraph(twoNodes("s.x", "update"), "mermaid"),
              "flowchart LR\n"
              "    n1[(\"s.x\")]\n"
              "    n2[\"s.on_x\"]\n"
              "    n1 -->|\"update\"| n2\n"
              "    n2 --> n1\n");
}

TEST(Picture, MarksCycles) {
    EXPECT_EQ(drawGraph(twoNodes("s.x", "update", true), "mermaid"),
              "flowchart LR\n"
              "    n1[(\"s.x\")]\n"
              "    n2[\"s.on_x\"]\n"
              "    n1 ==>|\"update\"| n2\n"
              "    n2 --> n1\n"
              "    classDef cycle stroke:#c00,stroke-width:3px\n"
              "    class n2 cycle\n"
              "    linkStyle 0 stroke:#c00\n");
    EXPECT_EQ(drawGraph(twoNodes("s.x", "update", true), "dot"),
              "digraph specql {\n"
              "    rankdir=LR;\n"
              "    n1 [label=\"s.x\", shape=cylinder];\n"
              "    n2 [label=\"s.on_x\", shape=box, color=red, penwidth=2];\n"
              "    n1 -> n2 [label=\"update\", color=red, penwidth=2];\n"
              "    n2 -> n1 [label=\"\"];\n"
              "}\n");
}

TEST(Picture, QuotesWhatTheFormatsWouldTakeForTheirOwn) {
    std::string odd = "a\"b`c<d>#e;&\\\nf|]";
    std::string mermaid = drawGraph(twoNodes(odd, odd), "mermaid");
    EXPECT_NE(mermaid.find("n1[(\"a#34;b#96;c#60;d#62;#35;e#59;#38;#92; f|]\")]"), std::string::npos) << mermaid;
    std::string dot = drawGraph(twoNodes(odd, odd), "dot");
    EXPECT_NE(dot.find("n1 [label=\"a\\\"b`c<d>#e;&\\\\ f|]\""), std::string::npos) << dot;
}

}  // namespace
}  // namespace specql
