"""The flows of Nahook's own management tests, by Nahook's own package, against a running Hookyard.

    python management.py URL TOKEN WORKSPACE

It makes what it needs, and says nothing unless something is not as it must be.
"""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from typing import Any, Iterator

from nahook import NahookAPIError, NahookManagement

NAME = uuid.uuid4().hex


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    try:
        yield
    except NahookAPIError as error:
        assert (error.status, error.code) == (status, code), (error.status, error.code, str(error))
    else:
        raise AssertionError(f"no {status} {code}")


def has(thing: dict[str, Any], **fields: Any) -> None:
    for name, value in fields.items():
        assert thing[name] == value, (name, thing)


def event_types(mgmt: NahookManagement, ws: str) -> None:
    name = f"test.mgmt.evt.{NAME}"
    made = mgmt.event_types.create(ws, name=name, description="for a test")
    assert made["id"].startswith("evt_"), made
    has(made, name=name, description="for a test", subscriberCount=0)
    assert made in mgmt.event_types.list(ws)["data"]
    assert mgmt.event_types.get(ws, made["id"]) == made
    has(mgmt.event_types.update(ws, made["id"], description="updated"), id=made["id"], description="updated")
    with refused(409, "conflict"):
        mgmt.event_types.create(ws, name=name)
    with refused(400, "invalid_request"):
        mgmt.event_types.create(ws, name="!!!invalid event type!!!")
    assert mgmt.event_types.delete(ws, made["id"]) is None
    with refused(404, "not_found"):
        mgmt.event_types.get(ws, made["id"])


def endpoints(mgmt: NahookManagement, ws: str) -> None:
    url = f"https://example.com/webhook/{NAME}"
    made = mgmt.endpoints.create(
        ws,
        url=url,
        type_="webhook",
        description="for a test",
        metadata={"team": "pay"},
        config={"channel": "#alerts"},
        auth_username="ada",
        auth_password="secret-of-the-test",
    )
    assert made["id"].startswith("ep_") and made["secret"].startswith("whsec_"), made
    has(made, url=url, type="webhook", isActive=True, metadata={"team": "pay"}, config={"channel": "#alerts"})
    one = mgmt.endpoints.get(ws, made["id"])
    assert "secret" not in one and "secret-of-the-test" not in str(one), one
    assert one in mgmt.endpoints.list(ws)["data"]
    changed = mgmt.endpoints.update(ws, made["id"], description="updated", is_active=False)
    has(changed, description="updated", isActive=False, metadata={"team": "pay"})
    assert mgmt.endpoints.delete(ws, made["id"]) is None
    with refused(404, "not_found"):
        mgmt.endpoints.get(ws, made["id"])


def applications(mgmt: NahookManagement, ws: str) -> None:
    made = mgmt.applications.create(ws, name="Customer", external_id=f"ext-{NAME}", metadata={"plan": "gold"})
    assert made["id"].startswith("app_"), made
    has(made, name="Customer", externalId=f"ext-{NAME}", metadata={"plan": "gold"}, maxEndpoints=None, showEventTypes=True)
    assert made in mgmt.applications.list(ws)["data"]
    assert mgmt.applications.get(ws, f"ext-{NAME}") == mgmt.applications.get(ws, made["id"]) == made
    has(mgmt.applications.update(ws, made["id"], name="Renamed"), name="Renamed", metadata={"plan": "gold"})
    assert len(mgmt.applications.list(ws, limit=1)["data"]) == 1
    assert mgmt.applications.list(ws, offset=10_000)["data"] == []
    with refused(400, "invalid_query"):
        mgmt.applications.list(ws, limit=-1)
    assert mgmt.applications.delete(ws, made["id"]) is None
    with refused(404, "not_found"):
        mgmt.applications.get(ws, made["id"])


def limits(mgmt: NahookManagement, ws: str) -> None:
    app = mgmt.applications.create(ws, name="Capped", max_endpoints=2, show_event_types=False)["id"]
    has(mgmt.applications.get(ws, app), maxEndpoints=2, showEventTypes=False)
    has(mgmt.applications.update(ws, app, max_endpoints=1, show_event_types=True), maxEndpoints=1, showEventTypes=True)
    has(mgmt.applications.update(ws, app, name="Capped still"), maxEndpoints=1)
    url = "https://httpbin.org/post"
    first = mgmt.applications.create_endpoint(ws, app, url=url)
    with refused(403, "application_endpoint_limit_reached"):
        mgmt.applications.create_endpoint(ws, app, url=url)
    mgmt.endpoints.update(ws, first["id"], is_active=False)
    with refused(403, "application_endpoint_limit_reached"):
        mgmt.applications.create_endpoint(ws, app, url=url)
    has(mgmt.applications.update(ws, app, max_endpoints=None), maxEndpoints=None)
    second = mgmt.applications.create_endpoint(ws, app, url=url)
    ids = [one["id"] for one in mgmt.applications.list_endpoints(ws, app)["data"]]
    assert ids == [first["id"], second["id"]], ids
    mgmt.applications.delete(ws, app)
    with refused(404, "not_found"):
        mgmt.endpoints.get(ws, first["id"])


def subscriptions(mgmt: NahookManagement, ws: str) -> None:
    endpoint = mgmt.endpoints.create(ws, url="https://example.com/")["id"]
    kind = mgmt.event_types.create(ws, name=f"test.sub.{NAME}")["id"]
    for _ in range(2):
        assert mgmt.subscriptions.create(ws, endpoint, event_type_ids=[kind]) == {"subscribed": 1}
    (one,) = mgmt.subscriptions.list(ws, endpoint)["data"]
    assert one["id"].startswith("sub_"), one
    has(one, eventTypeId=kind, eventTypeName=f"test.sub.{NAME}")
    has(mgmt.event_types.get(ws, kind), subscriberCount=1)
    with refused(400, "invalid_request"):
        mgmt.subscriptions.create(ws, endpoint, event_type_ids=[kind, "evt_nobody_knows"])
    assert mgmt.subscriptions.delete(ws, endpoint, kind) is None
    assert mgmt.subscriptions.list(ws, endpoint)["data"] == []
    with refused(404, "not_found"):
        mgmt.subscriptions.delete(ws, endpoint, kind)
    mgmt.endpoints.delete(ws, endpoint)
    mgmt.event_types.delete(ws, kind)


def environments(mgmt: NahookManagement, ws: str) -> None:
    made = mgmt.environments.create(ws, name="Test Env", slug=f"test-env-{NAME}")
    has(made, name="Test Env", slug=f"test-env-{NAME}", isDefault=False)
    assert made in mgmt.environments.list(ws)["data"]
    assert mgmt.environments.get(ws, made["id"]) == made
    has(mgmt.environments.update(ws, made["id"], name="Updated Env"), name="Updated Env")
    kind = mgmt.event_types.create(ws, name=f"test.visibility.{NAME}")
    entry = {"eventTypeId": kind["id"], "eventTypeName": kind["name"], "published": False}
    assert entry in mgmt.environments.list_event_type_visibility(ws, made["id"])["data"]
    for published in (True, False):
        entry["published"] = published
        answer = mgmt.environments.set_event_type_visibility(ws, made["id"], kind["id"], published=published)
        assert answer == entry, answer
        assert entry in mgmt.environments.list_event_type_visibility(ws, made["id"])["data"]
    mgmt.environments.delete(ws, made["id"])
    with refused(404, "not_found"):
        mgmt.environments.get(ws, made["id"])
    mgmt.event_types.delete(ws, kind["id"])


def portal(mgmt: NahookManagement, ws: str) -> None:
    app = mgmt.applications.create(ws, name="Customer")["id"]
    session = mgmt.portal_sessions.create(ws, app)
    assert sorted(session) == ["code", "expiresAt", "url"], session
    assert session["url"].endswith(session["code"]), session
    other = mgmt.portal_sessions.create(ws, app, metadata={"user": "ada"}, role="viewer", expires_in_minutes=5)
    assert other["code"] != session["code"]
    with refused(400, "invalid_request"):
        mgmt.portal_sessions.create(ws, app, role="owner")
    with refused(400, "invalid_request"):
        mgmt.portal_sessions.create(ws, app, expires_in_minutes=0)
    mgmt.applications.delete(ws, app)


def deliveries(mgmt: NahookManagement, ws: str) -> None:
    """Of whatever was delivered before: the caller sees to that."""
    (endpoint, page) = next(
        (endpoint["id"], page)
        for endpoint in mgmt.endpoints.list(ws)["data"]
        if (page := mgmt.deliveries.list(ws, endpoint["id"], limit=1))["data"]
    )
    one = page["data"][0]
    assert one["endpointId"] == endpoint, one
    seen = [one["id"]]
    while page["next_cursor"] is not None:
        assert not page["next_cursor"].startswith("del_"), page
        page = mgmt.deliveries.list(ws, endpoint, limit=1, cursor=page["next_cursor"])
        seen += [delivery["id"] for delivery in page["data"]]
    everything = [delivery["id"] for delivery in mgmt.deliveries.list(ws, endpoint)["data"]]
    assert seen == everything and len(seen) >= 2, (seen, everything)
    delivered = mgmt.deliveries.list(ws, endpoint, status="delivered")["data"]
    assert one["id"] in [delivery["id"] for delivery in delivered], (one, delivered)
    assert mgmt.deliveries.list(ws, endpoint, status="dead_letter")["data"] == []
    bare = mgmt.deliveries.get(ws, one["id"])
    assert "payload" not in bare and bare["hasPayload"] is True, bare
    payload = mgmt.deliveries.get(ws, one["id"], include_payload=True)["payload"]
    assert payload["status"] == "available" and payload["contentType"] and payload["data"], payload
    attempts = mgmt.deliveries.get_attempts(ws, one["id"])
    assert [attempt["attemptNumber"] for attempt in attempts] == list(range(1, len(attempts) + 1)), attempts
    has(attempts[-1], status="success", errorMessage=None)
    for look in (mgmt.deliveries.get, mgmt.deliveries.get_attempts):
        with refused(404, "not_found"):
            look(ws, "del_does_not_exist_anywhere")


def tokens(url: str, ws: str) -> None:
    with NahookManagement("nhm_invalid_token_that_does_not_exist", base_url=url) as stranger:
        with refused(401, "unauthorized"):
            stranger.event_types.list(ws)


def main() -> None:
    (url, token, ws) = sys.argv[1:]
    with NahookManagement(token, base_url=url) as mgmt:
        for flow in (event_types, endpoints, applications, limits, subscriptions, environments, portal, deliveries):
            flow(mgmt, ws)
    tokens(url, ws)


if __name__ == "__main__":
    main()
