"""Ids of keys: the client and Burnline make the same ones, and nobody prints a pepper or a key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burnline_client import credentials as client
from burnline_client.calls import Call, events_of
from burnline_client.environment import credential_pepper
from burnline_client.errors import InvalidUsageError
from schemas import credentials as ours
from schemas.errors import SettingsError

NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)
PEPPER = "k7:0123456789abcdef-canary"
KEY = "sk-proj-canary1234567890abcdef"
BEGINNINGS = (
    "sk-", "rk_", "pplx-", "AKIA", "AIza", "ghp_", "github_pat_", "xoxb-", "eyJ", "Bearer ", "bearer  ",
    "-----BEGIN RSA PRIVATE KEY-----", "xsk-", "a sk-", "_sk-", "-sk-",
)  # fmt: skip
tails = st.text("abAB01-_. ", max_size=48)
texts = st.builds("{}{}".format, st.sampled_from(BEGINNINGS), tails) | st.text(max_size=40)


def written(folder: Path, text: str = PEPPER) -> Path:
    """A file that holds this."""
    path = folder / "pepper"
    path.write_text(f"{text}\n")
    return path


@given(texts, st.booleans())
@example(KEY, True)  # noqa: FBT003  an example of both arguments
def test_the_client_and_burnline_make_the_same_ids(text: str, peppered: bool) -> None:  # noqa: FBT001  drawn
    """Of a key its id, under the pepper or as a plain hash; of anything else itself."""
    version, _, secret = PEPPER.partition(":")
    mine = client.Pepper(version, secret.encode()) if peppered else None
    theirs = ours.Pepper(version, secret.encode()) if peppered else None
    assert client.without_key(text, mine) == ours.without_key(text, theirs)
    assert client.credential_id(text.encode(errors="replace"), client.Pepper(version, secret.encode())) == (
        ours.credential_id(text, ours.Pepper(version, secret.encode()))
    )


def test_an_id_says_the_version_and_nothing_of_key_or_pepper(tmp_path: Path) -> None:
    """Equal keys have equal ids, other peppers other ids; what prints a pepper prints its version only."""
    pepper = ours.read_pepper(written(tmp_path))
    name = ours.credential_id(KEY, pepper)
    assert (name[:3], len(name), "canary" in name) == ("k7:", 35, False)
    assert name == ours.credential_id(KEY, pepper)
    assert name != ours.credential_id(KEY, ours.Pepper("k7", b"another pepper of ours"))
    for shown in (repr(pepper), str(pepper), repr(client.read_pepper(written(tmp_path)))):
        assert "k7" in shown
        assert "canary" not in shown


@pytest.mark.parametrize("text", ["", "0123456789abcdef-canary", "k1:short-canary", "k1:with a blank in the canary"])
def test_a_file_that_holds_no_pepper_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    """By both, with what to write instead."""
    path = written(tmp_path, text)
    for read, error in ((ours.read_pepper, SettingsError), (client.read_pepper, InvalidUsageError)):
        with pytest.raises(error, match="holds no pepper; write one line") as refused:
            read(path)
        assert "canary" not in str(refused.value)
    with pytest.raises(SettingsError, match="cannot read the pepper"):
        ours.read_pepper(tmp_path / "none")


def test_a_watched_client_tells_its_key_by_its_id(tmp_path: Path) -> None:
    """However the key was sent; without a pepper and without a key for fingerprints it tells none."""
    pepper = credential_pepper({"BURNLINE_CREDENTIAL_PEPPER_FILE": str(written(tmp_path))})
    assert pepper is not None
    expected = ours.credential_id(KEY, ours.read_pepper(tmp_path / "pepper"))
    for secret in (f"Bearer {KEY}", KEY):
        call = Call("openai", "openai", "chat", NINE, {"org": "acme"}, secret=secret.encode(), body=b"{}")
        assert [one["credential"] for one in events_of(call, pepper=pepper)] == [expected]
        assert "credential" not in events_of(call)[0]


def test_signed_requests_of_one_key_have_one_id() -> None:
    """A signature differs each time; what stands in it for the key does not."""
    signed = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261122/us-east-1/bedrock/aws4_request, Signature={}"
    calls = [
        Call("anthropic", "aws", "chat", NINE, {"org": "acme"}, secret=signed.format(one).encode(), body=b"{}")
        for one in ("0a", "0b")
    ]
    names = [events_of(call, pepper=client.Pepper("k1", b"0123456789abcdef"))[0]["credential"] for call in calls]
    assert names[0] == names[1]
