"""Tokens of every kind, and the keys of their issuer, as one JSON document; made by PyJWT, so not by ours."""

import base64
import hashlib
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://id.example.org"
SCOPES = ["dataset.read", "dataset.write", "dataset.version.create", "dataset.artifact.read"]
ALL = " ".join(["openid", *SCOPES])
NOW = int(time.time())
NOT_SIGNED = "no JWT that is signed"
NO_KEY = "key that the issuer does not have"


def key_of_rsa():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEYS = {
    "RS256": (key_of_rsa(), RSAAlgorithm),
    "PS256": (key_of_rsa(), RSAAlgorithm),
    "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}


def public(algorithm, key, name):
    members = KEYS[algorithm][1].to_jwk(key.public_key(), as_dict=True)
    return {**members, "kid": name, "alg": algorithm, "use": "sig"}


def claims(**changes):
    all_of_them = {
        "iss": ISSUER,
        "aud": ["other", "golden"],
        "sub": "alice",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
        "scope": ALL,
        **changes,
    }
    return {name: value for name, value in all_of_them.items() if value is not None}


def token(algorithm="ES256", key=None, kid=None, headers=None, **changes):
    names = {"kid": kid or algorithm, **(headers or {})}
    names = {name: value for name, value in names.items() if value is not None}
    return jwt.encode(claims(**changes), key or KEYS[algorithm][0], algorithm=algorithm, headers=names)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header, sign, **changes):
    """What PyJWT refuses to make."""
    parts = [json.dumps(part).encode() for part in (header, claims(**changes))]
    message = ".".join(encoded(part) for part in parts)
    return f"{message}.{encoded(sign(message.encode()))}"


def with_secret(secret, kid):
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    return by_hand(header, lambda message: hmac.new(secret, message, hashlib.sha256).digest())


def public_key_as(encoding):
    return KEYS["RS256"][0].public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def unchecked(algorithm, **changes):
    """With claims that PyJWT would not write."""
    body = json.dumps(claims(**changes)).encode()
    return jwt.api_jws.encode(body, KEYS[algorithm][0], algorithm, {"kid": algorithm})


new = ec.generate_private_key(ec.SECP256R1())
stranger = ec.generate_private_key(ec.SECP256R1())
small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
old_set = [public(algorithm, key, algorithm) for algorithm, (key, _) in KEYS.items()]
foreign = [
    {"kty": "oct", "kid": "secret", "k": encoded(b"of no use here")},
    {"kty": "EC", "kid": "curve", "crv": "secp256k1", "x": "AA", "y": "AA"},
    {"kty": "future", "kid": "x"},
]
good = token()
head, body, signature = good.split(".")
changed = json.dumps(claims(sub="bob")).encode()
print(
    json.dumps(
        {
            "jwks": {"keys": foreign + old_set + [public("RS256", small, "small")]},
            "rotated": {"keys": [public("ES256", new, "new")]},
            "accepted": {
                **{algorithm: token(algorithm) for algorithm in KEYS},
                "list": token(scope=ALL.split()),
                "scp": token(scope=None, scp=ALL),
                "scp list": token(scope=None, scp=ALL.split()),
                "one audience": token(aud="golden"),
                "no nbf": token(nbf=None),
                "within the leeway": token(exp=NOW - 10, nbf=NOW + 10),
            },
            "scopes": {scope: token(scope=scope) for scope in SCOPES},
            "scope lists": {scope: token(scope=None, scp=[scope]) for scope in SCOPES},
            "without": {scope: token(scope=[other for other in SCOPES if other != scope]) for scope in SCOPES},
            "no scope": token(scope=None),
            "longer scope": token(scope="dataset.read.all xdataset.read dataset"),
            "new": token(key=new, kid="new"),
            # What each is refused for, and whether the issuer vouches for who it is.
            "refused": {
                "expired": [token(exp=NOW - 3600), "has expired", True],
                "not yet valid": [token(nbf=NOW + 3600), "not valid yet", True],
                "issuer": [token(iss="https://id.example.com"), "another issuer", True],
                "a list of issuers": [unchecked("ES256", iss=[ISSUER, "x"]), "another issuer", True],
                "no issuer": [token(iss=None), "no `iss`", True],
                "audience": [token(aud="gold"), "another audience", True],
                "no audience": [token(aud=None), "no `aud`", True],
                "no end": [token(exp=None), "no `exp`", True],
                "signature": [token(key=stranger), "signature is wrong", False],
                "changed": [f"{head}.{encoded(changed)}.{signature}", "signature is wrong", False],
                "no signature": [f"{head}.{body}.", "signature is wrong", False],
                "alg none": [by_hand({"alg": "none", "typ": "JWT", "kid": "ES256"}, lambda _: b""), NOT_SIGNED, False],
                "alg None": [by_hand({"alg": "None", "kid": "ES256"}, lambda _: b""), NOT_SIGNED, False],
                "HS256 by the public key": [with_secret(public_key_as(Encoding.PEM), "RS256"), NOT_SIGNED, False],
                "HS256 by its DER": [with_secret(public_key_as(Encoding.DER), "RS256"), NOT_SIGNED, False],
                "RS512": [token("RS512", key=KEYS["RS256"][0], kid="RS256"), NOT_SIGNED, False],
                "another algorithm of the key": [token("PS256", key=KEYS["RS256"][0], kid="RS256"), NO_KEY, False],
                "a small key": [token("RS256", key=small, kid="small"), "signature is wrong", False],
                "unknown key": [token(kid="elsewhere"), NO_KEY, False],
                "a key that is a secret": [with_secret(b"of no use here", "secret"), NOT_SIGNED, False],
                "no key id": [jwt.encode(claims(), KEYS["ES256"][0], "ES256"), "does not name the key", False],
                "critical": [token(headers={"crit": ["exp"], "exp": 1}), NOT_SIGNED, False],
                "no token": ["hunter2-is-no-token", NOT_SIGNED, False],
            },
        }
    )
)
