#include "spec/limits.hpp"

#include <algorithm>

#include "delivery/rate.hpp"
#include "text/ascii.hpp"
#include "text/duration.hpp"
#include "text/quote.hpp"

namespace specql::spec {

namespace {

constexpr size_t mostDigits = 9;
constexpr int64_t mostCallsAtOnce = 1000;
constexpr int64_t longestUseMs = 366LL * 24 * 3600 * 1000;

}  // namespace

std::string readNumber(ReadContext& context, const yaml::Entry& entry, int64_t most) {
    Text value = context.scalar(entry.value, entry.key.value);
    if (!value) {
        return {};
    }
    const std::string& text = value.value;
    bool plain = text.size() <= mostDigits && std::all_of(text.begin(), text.end(), isAsciiDigit) && text[0] != '0';
    if (!plain || std::stoll(text) > most) {
        context.diagnostics.report(
            Code::S071, value.pos,
            "\"" + entry.key.value + "\" must be a whole number from 1 to " + std::to_string(most));
        return {};
    }
    return text;
}

std::string readDuration(ReadContext& context, const yaml::Entry& entry, int64_t longestMs) {
    Text value = context.scalar(entry.value, entry.key.value);
    if (!value) {
        return {};
    }
    size_t errorsBefore = context.diagnostics.errorCount();
    context.checkDuration(entry.key.value, value, longestMs);
    bool good = context.diagnostics.errorCount() == errorsBefore;
    return good ? quoteJson(std::to_string(durationMs(value.value)) + " ms") : std::string();
}

std::string readRate(ReadContext& context, const yaml::Entry& entry) {
    Text value = context.scalar(entry.value, entry.key.value);
    if (!value) {
        return {};
    }
    delivery::Rate rate;
    std::string problem = delivery::parseRate(value.value, rate);
    if (!problem.empty()) {
        context.diagnostics.report(Code::S070, value.pos, "\"rate\" is not understood: " + problem,
                                   "for example 100 per second, 600 per minute, or 1000 per hour");
        return {};
    }
    return quoteJson(value.value);
}

std::string readBurst(ReadContext& context, const yaml::Entry& entry) {
    return readNumber(context, entry, delivery::mostCallsOfRate);
}

std::string readConcurrency(ReadContext& context, const yaml::Entry& entry) {
    return readNumber(context, entry, mostCallsAtOnce);
}

std::string readExpires(ReadContext& context, const yaml::Entry& entry) {
    return readDuration(context, entry, longestUseMs);
}

void checkLimits(ReadContext& context, const yaml::Node& mapping) {
    const yaml::Entry *rate = nullptr, *burst = nullptr;
    for (const yaml::Entry& entry : mapping.entries) {
        rate = entry.key.value == "rate" ? &entry : rate;
        burst = entry.key.value == "burst" ? &entry : burst;
    }
    if (burst != nullptr && rate == nullptr) {
        context.diagnostics.report(Code::S072, burst->key.pos);
    }
}

}  // namespace specql::spec
