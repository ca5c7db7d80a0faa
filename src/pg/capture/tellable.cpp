#include "pg/capture/tellable.hpp"

#include "pg/capture/registry.hpp"

namespace specql::capture {

namespace {

constexpr char withheldMessage[] = "the message is withheld, because it may quote a private field";
constexpr char withheldDetail[] = "The action has to do with private fields, so values are left out.";

// Was it raised by code of somebody, by RAISE or the like? Such a text may say anything.
bool isRaised(const ErrorData* error) {
    const char* file = error->filename == nullptr ? nullptr : strrchr(error->filename, '/');
    const char* name = file != nullptr ? file + 1 : error->filename;
    return name == nullptr || strcmp(name, "pl_exec.c") == 0 || strncmp(name, "pl", 2) == 0;
}

// Has the server's message names and no values? In these classes it has; values stand in its detail.
bool hasPlainMessage(const ErrorData* error) {
    const char* state = unpack_sql_state(error->sqlerrcode);
    if (strncmp(state, "SQ", 2) == 0) return true;
    if (isRaised(error)) return false;
    for (const char* kind : {"08", "23", "40", "53", "54", "55", "57", "58", "XX"})
        if (strncmp(state, kind, 2) == 0) return true;
    return error->sqlerrcode == ERRCODE_DIVISION_BY_ZERO || error->sqlerrcode == ERRCODE_NULL_VALUE_NOT_ALLOWED;
}

// A line of the context that has names and numbers, and not the text of a statement.
bool isPlace(const char* line, size_t length) {
    constexpr char begin[] = "PL/pgSQL function ", at[] = ") line ", statement[] = " at ";
    if (length <= strlen(begin) || strncmp(line, begin, strlen(begin)) != 0) return false;
    const char* text = pnstrdup(line, length);
    const char* number = strstr(text, at);
    if (number == nullptr) return false;
    number += strlen(at);
    size_t digits = strspn(number, "0123456789");
    if (digits == 0) return false;
    const char* rest = number + digits;
    if (*rest == '\0') return true;
    if (strncmp(rest, statement, strlen(statement)) != 0) return false;
    for (const char* c = rest; *c != '\0'; ++c)
        if (!isalpha(static_cast<unsigned char>(*c)) && *c != ' ' && *c != '.' && *c != '/') return false;
    return true;
}

char* placesOf(const char* context) {
    if (context == nullptr) return nullptr;
    StringInfoData places;
    initStringInfo(&places);
    for (const char* line = context; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (isPlace(line, length)) {
            if (places.len > 0) appendStringInfoChar(&places, '\n');
            appendBinaryStringInfo(&places, line, static_cast<int>(length));
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    return places.len > 0 ? places.data : nullptr;
}

}  // namespace

ErrorData* withoutValues(const ErrorData* error) {
    auto* told = static_cast<ErrorData*>(palloc(sizeof(ErrorData)));
    *told = *error;
    bool plain = hasPlainMessage(error);
    bool ours = strncmp(unpack_sql_state(error->sqlerrcode), "SQ", 2) == 0;
    if (!plain) told->message = pstrdup(withheldMessage);
    if (!ours) told->detail = error->detail != nullptr || !plain ? pstrdup(withheldDetail) : nullptr;
    if (!ours) told->hint = nullptr;
    told->detail_log = nullptr;
    told->context = placesOf(error->context);
    told->internalquery = nullptr;
    return told;
}

int hideStatement(const char* action) {
    bool hide = tellsPrivate(action);
    (void)errhidestmt(hide);
    return errhidecontext(hide);
}

const ErrorData* tellable(const char* action, const ErrorData* error) {
    return tellsPrivate(action) ? withoutValues(error) : error;
}

}  // namespace specql::capture
