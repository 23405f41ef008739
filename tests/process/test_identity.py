"""Who may use a node, on real nodes: keys, tokens of a real provider, certificates, rates, reload.

The tests share one alliance and change one node of it in their order; each leaves it serving.
"""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from node.identity.users import spki_pin
from tests.process.authority import Authority
from tests.process.identity_place import Callers, Place, hs256, presented
from tests.process.openid import AUDIENCE, OpenId, log_in, new_rsa
from tests.process.support import WHY, Alliance, until

pytestmark = pytest.mark.process
QUESTION = {**WHY, "kind": "email", "value": "somebody@scam-post.net"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("identity")
    alliance = Alliance.create(folder / "alliance", 4, 0)
    file = alliance.node(alliance.names[0]).home / "node.toml"
    text = file.read_text("utf-8")
    # These tests bring more wrong keys in a minute than a person does: 20 are the default.
    file.write_text(text.replace("[http]\n", "[http]\nwrong_keys_per_minute = 500\n", 1), "utf-8")
    try:
        alliance.start()
        yield Place(alliance, folder)
    finally:
        alliance.close()


@pytest.fixture(scope="module")
def provider(place: Place) -> Iterator[OpenId]:
    provider = OpenId(place.folder, f"{place.url}/console/oidc/callback")
    provider.start()
    try:
        secret = place.home / "client.secret"
        secret.write_text("c" * 32, "utf-8")
        secret.chmod(0o600)
        before = place.settings(
            f"""
            [oidc]
            issuer = "{provider.issuer}"
            audience = "{AUDIENCE}"
            leeway_seconds = 0
            unknown_key_seconds = 1
            client_id = "console"
            client_secret_file = "client.secret"
            redirect_uri = "{provider.redirect}"
            roles = [
              {{ value = "node-admins", role = "admin" }},
              {{ value = "fraud-desk", role = "analyst" }},
              {{ value = "supervisors", role = "auditor" }},
            ]
            """
        )
        answer = place.admin.post("/v1/node/reload")
        assert answer.status_code == 200, answer.text
        assert "oidc.issuer" in answer.json()["taken"]
        yield provider
        (place.home / "node.toml").write_text(before, "utf-8")
        assert place.admin.post("/v1/node/reload").status_code == 200
    finally:
        provider.stop()


def test_a_key_is_rotated_under_load_without_a_lost_request_and_revoked_at_once(
    place: Place,
) -> None:
    wish = {"role": "analyst", "id": "case-tool", "label": "case tool"}
    made = place.admin.post("/v1/api-keys", json=wish)
    assert made.status_code == 201, made.text
    old = made.json()["key"]
    keys = {"now": old}

    def ask() -> httpx.Response:
        headers = {"authorization": f"Bearer {keys['now']}"}
        return httpx.post(f"{place.url}/v1/screenings", json=QUESTION, headers=headers, timeout=30)

    with Callers(ask) as callers:
        callers.more()
        turned = place.admin.post("/v1/api-keys/case-tool/rotate", json={"overlap_seconds": 600})
        callers.more()  # with the old one
        keys["now"] = turned.json()["key"]
        callers.more()
    assert callers.lost == []
    assert place.ask(old).json() == place.ask(keys["now"]).json()

    assert place.admin.delete("/v1/api-keys/case-tool").json()["state"] == "revoked"
    for key in (old, keys["now"]):
        refused = place.ask(key)
        assert refused.status_code == 401 and "revoked" in refused.json()["detail"]
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert place.admin.post("/v1/api-keys", json=wish).status_code == 409
    text = (place.home / "api_keys.json").read_text("utf-8")
    assert old not in text and keys["now"] not in text
    assert (place.home / "api_keys.json").stat().st_mode & 0o777 == 0o600
    assert old not in place.alliance.log(place.name)


def test_a_running_node_takes_over_what_the_command_line_changes(place: Place) -> None:
    made = place.bulwark("api-key", "new", "--role", "operator", "--id", "cron", "--label", "jobs")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    until(lambda: place.ask(key).status_code == 200, "the new key is taken")
    assert place.bulwark("api-key", "revoke", "cron").returncode == 0
    until(lambda: place.ask(key).status_code == 401, "the revoked key is refused")
    shown = place.bulwark("api-key", "list")
    assert "cron" in shown.stdout and "revoked" in shown.stdout
    assert ("local", "api-key.created", "cron") in place.actions()
    assert ("local", "api-key.revoked", "cron") in place.actions()


def test_a_key_is_bound_to_its_networks_its_end_and_its_rate(place: Place) -> None:
    away = {"role": "analyst", "id": "away", "networks": ["192.0.2.0/24"]}
    key = place.admin.post("/v1/api-keys", json=away).json()["key"]
    assert place.ask(key).status_code == 403
    slow = {"role": "analyst", "id": "slow", "limit": {"per_second": 0.2, "burst": 3}}
    key = place.admin.post("/v1/api-keys", json=slow).json()["key"]
    answers = [place.ask(key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=15'
    assert [a.headers["ratelimit"] for a in answers[:2]] == ['"key";r=2;t=0', '"key";r=1;t=0']
    assert 1 <= int(answers[3].headers["retry-after"]) <= 5
    assert answers[3].json()["type"] == "urn:bulwark:problem:busy"
    assert place.ask(place.alliance.key(place.name, "analyst")).status_code == 200  # its own
    metrics = place.alliance.client(place.name, "operator").get("/metrics").text
    assert 'bulwark_http_rate_limited_total{role="analyst",bound="requests"} 1' in metrics
    past = {"role": "analyst", "expires": "2020-01-01T00:00:00Z"}
    assert place.admin.post("/v1/api-keys", json=past).status_code == 422


def test_a_reload_takes_what_it_can_names_what_it_can_not_and_a_broken_file_changes_nothing(
    place: Place,
) -> None:
    before = place.settings("[limits.auditor]\nper_second = 1000\n[tagging]\nthreads = 3")
    done = place.admin.post("/v1/node/reload").json()
    assert done["taken"] == ["limits.auditor.per_second"]
    assert done["restart"] == ["tagging.threads"]
    auditor = place.alliance.client(place.name, "auditor")
    assert auditor.get("/v1/whoami").headers["ratelimit-policy"] == '"auditor";q=2000;w=2'

    path = place.home / "node.toml"
    path.write_text(before + "\n[limits.auditor]\nper_second = 7\n[http\n", "utf-8")
    refused = place.admin.post("/v1/node/reload")
    assert refused.status_code == 422 and "nothing was changed" in refused.json()["detail"]
    assert auditor.get("/v1/whoami").headers["ratelimit-policy"] == '"auditor";q=2000;w=2'
    keys = place.home / "api_keys.json"
    good = keys.read_bytes()
    keys.write_text('{"keys": [{"id": "x"}]}', "utf-8")
    path.write_text(before, "utf-8")
    refused = place.admin.post("/v1/node/reload")
    assert refused.status_code == 422 and "entry 0" in refused.json()["detail"]
    keys.write_bytes(good)

    told = place.bulwark("node", "reload")
    assert told.returncode == 0, told.stderr
    assert "limits.auditor.per_second" in told.stdout and "wants a restart: nothing" in told.stdout
    settled = auditor.get("/v1/whoami").headers
    assert "ratelimit-policy" not in settled
    place.settings("[limits.auditor]\nper_second = 9")
    pid = place.alliance.node(place.name).pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    until(
        lambda: auditor.get("/v1/whoami").headers.get("ratelimit-policy") == '"auditor";q=18;w=2',
        "SIGHUP takes the bound over",
    )
    path.write_text(before, "utf-8")
    assert place.admin.post("/v1/node/reload").status_code == 200
    actions = [action for _, action, _ in place.actions()]
    assert actions.count("config.reload") == 4 and actions.count("config.reload.refused") == 2


def test_tokens_of_the_provider_get_the_role_that_their_claim_gives(
    place: Place, provider: OpenId
) -> None:
    who = place.ask(provider.token("case-tool")).json()
    assert who["role"] == "analyst" and who["via"] == "oidc" and who["id"].startswith("oidc:")
    assert place.ask(provider.token("admin-tool")).json()["role"] == "admin"
    stranger = place.ask(provider.token("stranger"))
    assert stranger.status_code == 401 and "no role" in stranger.json()["detail"]
    headers = {"authorization": f"Bearer {provider.token('case-tool')}"}
    asked = httpx.post(f"{place.url}/v1/screenings", json=QUESTION, headers=headers, timeout=30)
    assert asked.status_code == 200, asked.text
    assert place.log()[-1]["who"] == who["id"] and place.log()[-1]["kind"] == "screening"


def test_a_token_that_is_wrong_in_anything_is_refused_and_nothing_of_it_is_logged(
    place: Place, provider: OpenId
) -> None:
    assert place.ask(provider.signed()).status_code == 200
    public = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    now = jwt.decode(provider.signed(), options={"verify_signature": False})["iat"]
    good = provider.signed()
    head, body, signature = good.split(".")
    bent = signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    confused = hs256(head, body, public)
    wrong = {
        "expired": (provider.signed(iat=now - 100, exp=now - 1), "expired"),
        "audience": (provider.signed(aud="https://other.example"), "another audience"),
        "issuer": (provider.signed(iss="https://other.example"), "another issuer"),
        "start": (provider.signed(nbf=now + 500), "not valid yet"),
        "no exp": (provider.signed(exp=None), "lacks exp"),
        "age": (provider.signed(exp=now + 10**6), "lives longer"),
        "none": (provider.signed(key="", algorithm="none"), "algorithm"),
        "hs256": (confused, "algorithm"),
        "forged": (provider.signed(key=new_rsa()), "signature"),
        "bent": (f"{head}.{body}.{bent}", "signature"),
        "kid": (provider.signed(header={"kid": "nobody's"}), "no such key"),
        "crit": (provider.signed(header={"crit": ["b64"], "b64": True}), "header"),
        "id token": (provider.signed(header={"typ": "id+jwt"}), "typ"),
        "no role": (provider.signed(roles=["canteen"]), "no role"),
        "huge": (provider.signed(sub="x" * 9_000), "bytes"),
        "jku": (
            provider.signed(key=new_rsa(), header={"jku": "http://127.0.0.1:1/k", "kid": "x"}),
            "no such key",
        ),
    }
    log = place.alliance.log(place.name)
    for case, (token, detail) in wrong.items():
        answer = place.ask(token)
        assert answer.status_code == 401, f"{case}: {answer.text}"
        assert detail in answer.json()["detail"], f"{case}: {answer.text}"
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert token not in answer.text
    assert place.ask(provider.signed()).status_code == 200
    written = place.alliance.log(place.name)[len(log) :]
    for token, _ in wrong.values():
        assert token.split(".")[1] not in written
    assert ("", "oidc", "127.0.0.1") in place.actions()


def test_keys_turn_and_the_provider_may_be_away_while_its_keys_are_known(
    place: Place, provider: OpenId
) -> None:
    before = provider.token("case-tool")
    assert place.ask(before).status_code == 200
    provider.stop()
    assert place.ask(provider.signed()).status_code == 200  # never seen before, key known
    unknown = place.ask(provider.signed(header={"kid": "second"}))
    assert unknown.status_code == 401
    provider.turn_keys("second")
    fresh = provider.token("case-tool")
    until(lambda: place.ask(fresh).status_code == 200, "the new key is looked for and found")


def test_the_console_lets_people_in_by_the_provider_and_by_nothing_they_bring(
    place: Place, provider: OpenId
) -> None:
    start = f"{place.url}/console/oidc/start?next=/console/blocks"
    with httpx.Client(timeout=30.0) as browser:
        page = browser.get(f"{place.url}/console/login")
        assert "/console/oidc/start" in page.text
        done = log_in(browser, start, "ada")
        assert done.status_code == 200 and "/console/blocks" in done.text, done.text
        assert browser.get(f"{place.url}/console/blocks").status_code == 200
        cookies = [h for h in done.headers.get_list("set-cookie") if "bulwark_console" in h]
        assert "SameSite=Strict" in cookies[0] and "HttpOnly" in cookies[0]
        again = browser.get(str(done.url))  # the same code and state once more
        assert again.status_code == 403 and "used before" in again.text
        assert browser.get(f"{place.url}/console/blocks").status_code == 200
    with httpx.Client(timeout=30.0) as browser:
        refused = log_in(browser, start, "bob")
        assert refused.status_code == 403 and "no role" in refused.text
        assert browser.get(f"{place.url}/console/blocks").status_code == 303
    with httpx.Client(timeout=30.0) as browser, httpx.Client(timeout=30.0) as thief:
        browser.get(start)
        out = browser.get(start).headers["location"]
        assert "code_challenge_method=S256" in out and "nonce=" in out
        state = httpx.URL(out).params["state"]
        taken = thief.get(f"{place.url}/console/oidc/callback?state={state}&code=x")
        assert taken.status_code == 403 and "another browser" in taken.text
    entries = [entry for entry in place.log() if entry["kind"] == "log-in"]
    assert [entry["action"] for entry in entries] == ["console.oidc"]
    assert entries[0]["role"] == "auditor" and entries[0]["who"].startswith("oidc:")


def test_client_certificates_name_users_and_certificates_turn_without_a_lost_request(
    place: Place,
) -> None:
    tls = place.home / "http-tls"
    tls.mkdir()
    authority, stranger = Authority(tls, "ca"), Authority(place.folder, "stranger")
    authority.issue("server")
    desk = authority.issue("desk", client=True, uri="spiffe://bank-a/desk")
    ops = authority.issue("ops", client=True)
    authority.issue("nobody", client=True)
    authority.issue("late", client=True, hours=(-2.0, -1.0))
    authority.issue("purpose", uri="spiffe://bank-a/desk")
    stranger.issue("forged", client=True, uri="spiffe://bank-a/desk")
    (place.home / "users.toml").write_text(
        f"""
        [[certificate]]
        user = "desk"
        role = "analyst"
        san = "uri:spiffe://bank-a/desk"
        [[certificate]]
        user = "ops"
        role = "operator"
        spki_sha256 = "{spki_pin(ops)}"
        """,
        "utf-8",
    )
    authority.revoke()
    path = place.home / "node.toml"
    before = path.read_text("utf-8")
    http = '[http]\ncertificate = "http-tls/server.crt"\nprivate_key = "http-tls/server.key"\n'
    http += 'client_authority = "http-tls/ca.pem"\nusers = "users.toml"\n'
    http += 'client_revocations = "http-tls/revoked.crl"\n'
    assert "[http]\n" in before
    path.write_text(before.replace("[http]\n", http), "utf-8")
    done = place.admin.post("/v1/node/reload")
    assert done.status_code == 200, done.text
    assert any(text.startswith("HTTP server: certificate") for text in done.json()["taken"])
    url = place.url.replace("http://", "https://")

    def trusted(name: str | None = None, folder: Path = tls) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(authority.path))
        if name is not None:
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        return context

    def whoami(context: ssl.SSLContext, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.get(f"{url}/v1/whoami", verify=context, headers=headers, timeout=30)

    reply = whoami(trusted("desk")).json()
    assert (reply["id"], reply["role"], reply["via"]) == ("cert:desk", "analyst", "certificate")
    assert whoami(trusted("ops")).json()["id"] == "cert:ops"
    assert whoami(trusted("nobody")).status_code == 401
    assert whoami(trusted()).status_code == 401
    admin_key = place.alliance.key(place.name, "admin")
    assert whoami(trusted("desk"), admin_key).json()["id"] == "admin"  # the header decides
    for name, folder in (("forged", place.folder), ("late", tls), ("purpose", tls)):
        with pytest.raises(httpx.HTTPError):
            whoami(trusted(name, folder))

    admin = httpx.Client(
        base_url=url, verify=trusted(), headers={"authorization": f"Bearer {admin_key}"}, timeout=30
    )
    context = trusted("ops")
    with admin, Callers(lambda: whoami(context)) as callers:
        with httpx.Client(base_url=url, verify=trusted("desk"), timeout=30) as kept:
            assert kept.get("/v1/whoami").status_code == 200
            for _ in range(3):
                fresh = authority.issue("server")
                assert admin.post("/v1/node/reload").status_code == 200
                callers.more(10)
                assert presented(url, trusted()) == fresh.public_bytes(Encoding.DER)
            assert kept.get("/v1/whoami").status_code == 200  # on the connection of before
            authority.revoke(desk)
            assert admin.post("/v1/node/reload").status_code == 200
            assert kept.get("/v1/whoami").status_code == 401  # open connections too
        with pytest.raises(httpx.HTTPError):
            whoami(trusted("desk"))
        callers.more(10)
        (tls / "server.crt").write_text("no certificate", "utf-8")
        refused = admin.post("/v1/node/reload")
        assert refused.status_code == 422 and "server.crt" in refused.json()["detail"]
        callers.more(10)
        path.write_text(before, "utf-8")
        (tls / "server.crt").write_bytes(fresh.public_bytes(Encoding.PEM))
        assert callers.lost == []
        callers.__exit__()
        assert admin.post("/v1/node/reload").status_code == 200
    assert place.admin.get("/v1/whoami").status_code == 200  # plain HTTP again


def test_the_access_log_shows_what_administrators_did_and_is_whole(place: Place) -> None:
    told = place.actions()
    for action in ("api-key.created", "api-key.rotated", "api-key.revoked"):
        assert ("admin", action, "case-tool") in told
    assert ("admin", "users.changed", "cert:desk is analyst") in told
    assert any(action == "oidc.roles.changed" for _, action, _ in told)
    place.alliance.client(place.name, "admin").post(f"/v1/evidence/{'0' * 64}/post")
    who, action, subject = place.actions()[-1]
    assert (who, action) == ("admin", "POST /v1/evidence/{evidence_id}/post")
    assert subject == "0" * 64
    auditor = place.alliance.client(place.name, "auditor")
    checked = auditor.get("/v1/access-log/check").json()
    assert checked["complete"] and checked["entries"] == len(place.log())
    listed = place.bulwark("access-log", "list", "--json")
    assert listed.returncode == 0 and "api-key.rotated" in listed.stdout
    for entry in place.log():
        assert "Bearer" not in str(entry)
