#include "resolve/process_graph.hpp"

namespace specql::resolve {

void drawStages(EventGraph& graph, const ResolvedAction& action, size_t self, const DrawSteps& draw) {
    const std::vector<ResolvedStep>& stages = action.branches.front().steps;
    std::vector<size_t> nodes;
    for (const ResolvedStep& stage : stages) {
        nodes.push_back(graph.nodes.size());
        graph.nodes.push_back({GraphNode::Kind::step, action.info->name() + ": " + stage.spec->label.value, false, ""});
    }
    auto at = [&](int place) { return nodes[static_cast<size_t>(place - 1)]; };
    size_t before = self;
    for (size_t i = 0; i < stages.size(); i++) {
        const spec::Stage& stage = *stages[i].spec->stage;
        const bool isNext = stage.parent == 0 && stage.chosenBy == 0 && stage.afterTimeoutOf == 0;
        graph.edges.push_back({isNext                ? before
                               : stage.parent != 0   ? at(stage.parent)
                               : stage.chosenBy != 0 ? at(stage.chosenBy)
                                                     : at(stage.afterTimeoutOf),
                               nodes[i],
                               isNext || stage.parent != 0 ? ""
                               : stage.chosenBy != 0       ? "if chosen"
                                                           : "timeout",
                               false});
        if (isNext) before = nodes[i];
        if (stage.kind != spec::StageKind::choose) draw(nodes[i], stages[i].then, "");
        draw(nodes[i], stages[i].otherwise, "undo: ");
    }
}

}  // namespace specql::resolve
