//! Contacts.

use super::{Managed as _, created_at, manage, name, pinned_id, updated_at};
use openapi::{Api, Method, configured_id, field, list, maybe, named, object, text};

const TAG: &str = "Contacts";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "The registered senders of the app doors.");
    let address = || {
        object([
            field(
                "source",
                text().note("A source's slug; in a request, its id, too."),
            ),
            field(
                "id",
                text().from_to(1, 255).note("What its platform calls the sender."),
            ),
        ])
    };
    api.shape(
        "Contact",
        object([
            field("id", configured_id("con_")),
            field("name", text()),
            field("addresses", list(address())),
            created_at(),
            updated_at(),
        ]),
    );
    let fields = || {
        object([
            pinned_id("con_"),
            field("name", name()),
            maybe("addresses", list(address().closed()).from_to(0, 100)),
        ])
    };
    let one = || named("Contact");
    api.add(
        manage(Method::Get, "/contacts", "listContacts", (TAG, "List contacts"))
            .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/contacts",
            "createContact",
            (TAG, "Register a contact"),
        )
        .reads(fields())
        .edits()
        .makes("The contact.", one()),
    );
    let path = "/contacts/{id}";
    api.add(manage(Method::Get, path, "getContact", (TAG, "Show a contact")).gives("The contact.", one()));
    api.add(
        manage(Method::Patch, path, "updateContact", (TAG, "Change a contact"))
            .reads(fields().partial())
            .edits()
            .gives("The contact.", one()),
    );
    api.add(manage(Method::Delete, path, "deleteContact", (TAG, "Remove a contact")).removes());
}
