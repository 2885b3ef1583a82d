"""Verifies captured deliveries with the Python package `standardwebhooks`.

Reads JSON lines {"secret": "whsec_…", "headers": {name: value}, "body": "<base64>"} from standard input and answers
each with a line: `valid`, or `invalid: ` and the reason. The package takes only text, so a body that is no UTF-8 is
checked as the specification says it, with Python's own HMAC, and answered `valid by hand`.
"""

import base64
import hashlib
import hmac
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def main():
    for line in sys.stdin:
        delivery = json.loads(line)
        print(verify(delivery["secret"], delivery["headers"], base64.b64decode(delivery["body"])))


def verify(secret, headers, body):
    try:
        body.decode()
    except UnicodeDecodeError:
        return verify_by_hand(secret, headers, body)
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError as error:
        return f"invalid: {error}"
    return "valid"


def verify_by_hand(secret, headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    signatures = headers["webhook-signature"].split(" ")
    return "valid by hand" if expected in signatures else "invalid: No matching signature found"


main()
