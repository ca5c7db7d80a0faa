#include "model/object.hpp"

#include "text/quote.hpp"

namespace specql {

void Object::nameOn(std::string own, std::string of) {
    identity = own + " on " + of;
    name = std::move(own);
    table = std::move(of);
}

std::string Object::sql() const {
    return (shape.adopted ? "-- an existing table, adopted\n" : "") + join(commands, "\n");
}

bool leftBehind(const Object& object, const FunctionView& function) {
    return object.kind == ObjectKind::function && function.callerOwns && function.identity == object.identity &&
           !function.comment.empty() && function.comment == object.comment;
}

bool leftBehind(const Object& object, const ExtraView& extra) {
    return object.kind == extra.kind && extra.callerOwns && extra.identity == object.identity &&
           !extra.comment.empty() && extra.comment == object.comment;
}

bool leftBehind(const Object& object, const TableView& table) {
    return table.callerOwns && !table.comment.empty() && table.comment == object.shape.comment;
}

}  // namespace specql
