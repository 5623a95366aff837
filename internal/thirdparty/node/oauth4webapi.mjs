// A public client with oauth4webapi, of which every check is on: code with PKCE, the ID token's signature, UserInfo, refresh, a code
// that is used twice.
import * as oauth from "oauth4webapi";
import { done, open, refused } from "./ask.mjs";

const [issuer, client_id, redirect_uri] = process.argv.slice(2);
const at = new URL(issuer);
const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at));
const client = { client_id };
const verifier = oauth.generateRandomCodeVerifier(), state = oauth.generateRandomState(), nonce = oauth.generateRandomNonce();

const request = new URL(as.authorization_endpoint);
request.search = new URLSearchParams({
  client_id, redirect_uri, response_type: "code", scope: "openid profile offline_access", state, nonce, max_age: "600",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
});
const parameters = oauth.validateAuthResponse(as, client, await open(request), state);
const redeem = async () => {
  const answer = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, redirect_uri, verifier);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true, maxAge: 600 });
  await oauth.validateApplicationLevelSignature(as, answer);
  return tokens;
};
const tokens = await redeem();
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
const userinfo = async (token) => oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, token));
const refresh = async (token) =>
  oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token));

const person = await userinfo(tokens.access_token);
const renewed = await refresh(tokens.refresh_token);
await userinfo(renewed.access_token);
const replay = await refused(redeem);
done({
  sub, person, replay,
  replayed: { first: await refused(() => userinfo(tokens.access_token)), refresh: await refused(() => refresh(renewed.refresh_token)) },
});
