#include "pg/worker/hmac.hpp"

#include "pg/bridge/guarded.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "common/hmac.h"
#include "common/sha2.h"
}

namespace specql::worker {

std::string hmacSha256(const std::string& key, const std::string& text) {
    uint8 result[PG_SHA256_DIGEST_LENGTH];
    const std::string* k = &key;
    const std::string* t = &text;
    uint8* to = result;
    guarded([k, t, to] {
        // An HMAC context of OpenSSL must belong to a resource owner, and there is none between transactions.
        ResourceOwner before = CurrentResourceOwner;
        ResourceOwner own = before == nullptr ? ResourceOwnerCreate(nullptr, "specql signature") : nullptr;
        if (own != nullptr) CurrentResourceOwner = own;
        pg_hmac_ctx* context = pg_hmac_create(PG_SHA256);
        bool good = pg_hmac_init(context, reinterpret_cast<const uint8*>(k->data()), k->size()) >= 0 &&
                    pg_hmac_update(context, reinterpret_cast<const uint8*>(t->data()), t->size()) >= 0 &&
                    pg_hmac_final(context, to, PG_SHA256_DIGEST_LENGTH) >= 0;
        pg_hmac_free(context);
        CurrentResourceOwner = before;
        if (own != nullptr) ResourceOwnerDelete(own);
        if (!good) ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a signature could not be computed")));
    });
    return std::string(reinterpret_cast<const char*>(result), sizeof result);
}

}  // namespace specql::worker
