"""Where an alert goes: always the log; a webhook and e-mail where the environment names them. It never raises.

    NIGHTMARKET_ALERT_WEBHOOK   an http(s) address that takes {"text": …}, as chat services do
    NIGHTMARKET_ALERT_MAIL      addresses, separated by commas; the first is the sender, too
    NIGHTMARKET_ALERT_SMTP      host:port of a relay that takes mail without a password; default localhost:25

The address of a webhook is a secret: no line names it.
"""

import json
import logging
import os
import smtplib
import urllib.request
from email.message import EmailMessage

log = logging.getLogger("nightmarket.alerts")
SECONDS = 10


def send(line: str) -> None:
    """One line to everywhere; what cannot be reached is said in the log, and is no failure of whoever alerts."""
    log.error("%s", line)
    for name, way in (("WEBHOOK", _post), ("MAIL", _mail)):
        target = os.environ.get(f"NIGHTMARKET_ALERT_{name}", "")
        if target:
            try:
                way(target, line)
            except Exception as error:  # whatever it was, the task that alerts has its own outcome
                log.warning("the alert did not go out by %s: %s", name.lower(), type(error).__name__)


def _post(url: str, line: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http address")
    body = json.dumps({"text": line}).encode()
    # S310 asks that no other scheme, such as file:, is opened: that was looked at above.
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
        pass


def _mail(addresses: str, line: str) -> None:
    receivers = [address.strip() for address in addresses.split(",")]
    host, _, port = os.environ.get("NIGHTMARKET_ALERT_SMTP", "localhost:25").partition(":")
    message = EmailMessage()
    message["Subject"] = " ".join(line.split()[:6])
    message["From"], message["To"] = receivers[0], ", ".join(receivers)
    message.set_content(line)
    with smtplib.SMTP(host, int(port or 25), timeout=SECONDS) as relay:
        relay.send_message(message)
