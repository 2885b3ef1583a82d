"""The flows of Nahook's own ingestion tests, by Nahook's own package, against a running Hookyard.

    python nahook_ingest.py URL TOKEN WORKSPACE KEY ENDPOINT

KEY is an API key, TOKEN a management token of its workspace. It says nothing unless something is not as it must be.
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from nahook import NahookClient, NahookManagement
from nahook_management import NAME, refused

SECONDS = 30


def delivered(mgmt: NahookManagement, ws: str, delivery: str) -> Any:
    """What a delivery carried, once it has come."""
    deadline = time.monotonic() + SECONDS
    while (one := mgmt.deliveries.get(ws, delivery, include_payload=True))["status"] != "delivered":
        assert time.monotonic() < deadline, one
        time.sleep(0.02)
    return one["payload"]["data"]


def send(client: NahookClient, mgmt: NahookManagement, ws: str, endpoint: str) -> None:
    payload = {"test": "send", "nested": {"a": [1, None, "ü"]}}
    key = str(uuid.uuid4())
    first = client.send(endpoint, payload, idempotency_key=key)
    assert first["status"] == "accepted" and first["idempotencyKey"] == key, first
    assert first["deliveryId"].startswith("del_"), first
    assert client.send(endpoint, payload, idempotency_key=key)["deliveryId"] == first["deliveryId"]
    assert client.send(endpoint, payload)["deliveryId"] != first["deliveryId"]
    assert delivered(mgmt, ws, first["deliveryId"]) == payload
    with refused(404, "not_found"):
        client.send("ep_nonexistent_endpoint_xyz", payload)


def trigger(client: NahookClient, mgmt: NahookManagement, ws: str, endpoint: str) -> None:
    name = f"payment.{NAME}"
    kind = mgmt.event_types.create(ws, name=name)["id"]
    assert mgmt.subscriptions.create(ws, endpoint, event_type_ids=[kind]) == {"subscribed": 1}
    deadline = time.monotonic() + SECONDS
    while not (result := client.trigger(name, {"n": 1}, metadata={"a": "b"}))["deliveryIds"]:
        # What was subscribed counts within a second.
        assert time.monotonic() < deadline, result
        time.sleep(0.02)
    assert result["status"] == "accepted" and result["eventTypeId"] == kind, result
    assert delivered(mgmt, ws, result["deliveryIds"][0]) == {"n": 1}
    nobody = client.trigger(f"nobody.subscribed.{NAME}", {})
    assert nobody["deliveryIds"] == [] and nobody["eventTypeId"].startswith("evt_"), nobody
    with refused(400, "invalid_event_type"):
        client.trigger("!!!invalid event type!!!", {})


def batches(client: NahookClient, endpoint: str) -> None:
    items = [{"endpointId": endpoint, "payload": {"n": n}} for n in (1, 2)]
    result = client.send_batch(items)["items"]
    assert [(item["index"], item["status"]) for item in result] == [(0, "accepted"), (1, "accepted")], result
    result = client.send_batch([{"endpointId": "ep_nobody", "payload": {}}, items[0]])["items"]
    assert result[0]["error"]["code"] == "not_found" and result[1]["status"] == "accepted", result
    result = client.trigger_batch([{"eventType": f"payment.{NAME}", "payload": {"n": n}} for n in (1, 2)])["items"]
    assert all(item["status"] == "accepted" and len(item["deliveryIds"]) == 1 for item in result), result


def main() -> None:
    (url, token, ws, key, endpoint) = sys.argv[1:]
    with NahookClient(key, base_url=url) as client, NahookManagement(token, base_url=url) as mgmt:
        send(client, mgmt, ws, endpoint)
        trigger(client, mgmt, ws, endpoint)
        batches(client, endpoint)
    with NahookClient("nhk_us_invalid_key_that_does_not_exist", base_url=url) as stranger:
        with refused(401, "unauthorized"):
            stranger.send(endpoint, {})


if __name__ == "__main__":
    main()
