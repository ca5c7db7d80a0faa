// How tests are called: sentences made from the words of the spec.
#pragma once

#include <string>

#include "resolve/action.hpp"

namespace specql::testgen {

// order_placed → order_placement, reorder_received → reorder_receipt; other names stay as they are.
std::string occurrence(const std::string& name);
// create → creates, notify → notifies, process → processes.
std::string thirdPerson(const std::string& verb);
// backorder → backorders, box → boxes; what is plural already stays.
std::string plural(const std::string& noun);
// create_reorder_request → "creates reorder request".
std::string operationPhrase(const std::string& operation);
// stock_change_trigger watches stock_quantity: "quantity", the words that the action's name has not said.
std::string unsaidWords(const std::string& field, const std::string& name);
// low_stock → "stock alerts"; empty unless the event type says that something is too little or too much.
std::string alertPhrase(const std::string& eventType);

}  // namespace specql::testgen
