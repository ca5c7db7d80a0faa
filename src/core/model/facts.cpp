#include "model/facts.hpp"

namespace specql {

const TableView* CatalogView::table(const std::string& schema, const std::string& name) const {
    for (const TableView& view : tables)
        if (view.name == name && view.schema == schema) return &view;
    return nullptr;
}

const ColumnView* TableView::column(const std::string& name) const {
    for (const ColumnView& candidate : columns)
        if (candidate.name == name) return &candidate;
    return nullptr;
}

}  // namespace specql
