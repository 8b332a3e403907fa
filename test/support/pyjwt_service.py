"""Verifies the access token on each line of its input by the JWK Set, and answers a line of JSON for each."""

import json
import sys

import jwt

jwks_uri, algorithm, issuer, audience = sys.argv[1:]
keys = jwt.PyJWKClient(jwks_uri)

for line in sys.stdin:
    token = line.strip()
    try:
        if jwt.get_unverified_header(token)["typ"] != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        key = keys.get_signing_key_from_jwt(token).key
        payload = jwt.decode(token, key, algorithms=[algorithm], issuer=issuer, audience=audience)
        answer = {"payload": payload}
    except jwt.PyJWTError as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
