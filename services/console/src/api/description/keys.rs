//! API keys and management tokens.

use super::refusals::IN_USE;
use super::{
    Managed as _, created_at, manage, name, new_rate_limit, pinned_id, rate_limit, token, updated_at,
};
use openapi::{Api, Field, Method, boolean, configured_id, field, list, maybe, named, object, text, word};

const KEYS: &str = "API keys";
const TOKENS: &str = "Management tokens";

pub(super) fn describe(api: &mut Api) {
    describe_keys(api);
    describe_tokens(api);
}

fn describe_keys(api: &mut Api) {
    api.tag(KEYS, "What authenticates senders at doors 3 and 7.");
    api.shape(
        "ApiKey",
        object([
            field("id", configured_id("key_")),
            field("name", text()),
            field(
                "environmentId",
                configured_id("env_")
                    .or_null()
                    .note("The one it is limited to; null: all."),
            ),
            field("scopes", list(scope())),
            field("enabled", boolean()),
            field("rateLimit", rate_limit().or_null()),
            field("hint", text().note("Its last characters.")),
            created_at(),
            updated_at(),
            maybe(
                "token",
                text().note("The key itself, only in the answer that made it."),
            ),
        ]),
    );
    let one = || named("ApiKey");
    api.add(
        manage(Method::Get, "/api-keys", "listApiKeys", (KEYS, "List API keys"))
            .gives("All of them.", list(one())),
    );
    let new = maybe("token", token("nhk_").note("Made where it is left out."));
    api.add(
        manage(
            Method::Post,
            "/api-keys",
            "createApiKey",
            (KEYS, "Make an API key"),
        )
        .reads(object([vec![new], fields()].concat()))
        .edits()
        .makes("The key, with its token.", one()),
    );
    let path = "/api-keys/{id}";
    api.add(manage(Method::Get, path, "getApiKey", (KEYS, "Show an API key")).gives("The key.", one()));
    api.add(
        manage(Method::Patch, path, "updateApiKey", (KEYS, "Change an API key"))
            .reads(object(fields()).partial())
            .edits()
            .gives("The key.", one()),
    );
    api.add(manage(Method::Delete, path, "deleteApiKey", (KEYS, "Revoke an API key")).removes());
    api.add(
        manage(
            Method::Post,
            "/api-keys/{id}/rotate",
            "rotateApiKey",
            (KEYS, "Put a new key in the old one's place"),
        )
        .edits()
        .gives("The key, with its new token.", one()),
    );
}

fn scope() -> openapi::Shape {
    word(&["ingest", "trigger"])
}

fn fields() -> Vec<Field> {
    let environment = || text().or_null().note("An environment's slug or id; null: all.");
    vec![
        pinned_id("key_"),
        field("name", name()),
        maybe("environment", environment()),
        maybe("environmentId", environment()),
        maybe("enabled", boolean()),
        maybe(
            "scopes",
            list(scope())
                .from_to(1, 100)
                .note("All of them where it is left out."),
        ),
        maybe("rateLimit", new_rate_limit()),
    ]
}

fn describe_tokens(api: &mut Api) {
    api.tag(TOKENS, "What authenticates operators and their programs here.");
    api.shape(
        "ManagementToken",
        object([
            field("id", configured_id("mt_")),
            field("name", text()),
            created_at(),
            maybe(
                "token",
                text().note("The token itself, only in the answer that made it."),
            ),
        ]),
    );
    let one = || named("ManagementToken");
    api.add(
        manage(
            Method::Get,
            "/management-tokens",
            "listManagementTokens",
            (TOKENS, "List management tokens"),
        )
        .gives("All of them.", list(one())),
    );
    let fields = [
        pinned_id("mt_"),
        field("name", name()),
        maybe("token", token("nhm_").note("Made where it is left out.")),
    ];
    api.add(
        manage(
            Method::Post,
            "/management-tokens",
            "createManagementToken",
            (TOKENS, "Make a management token"),
        )
        .reads(object(fields))
        .edits()
        .makes("The token, shown this once.", one()),
    );
    api.add(
        manage(
            Method::Get,
            "/management-tokens/{id}",
            "getManagementToken",
            (TOKENS, "Show a management token"),
        )
        .gives("The token, without what it is.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            "/management-tokens/{id}",
            "deleteManagementToken",
            (TOKENS, "Revoke a management token"),
        )
        .removes()
        .refuses(&[IN_USE]),
    );
}
