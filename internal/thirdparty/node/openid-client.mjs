// A web application with openid-client: pushed and plain authorization requests with PKCE, UserInfo, refresh, introspection, revocation,
// a code that is used twice, logout. Each answer is checked by the library, the ID tokens' signatures too.
import * as client from "openid-client";
import { done, open, refused } from "./ask.mjs";

const [issuer, id, secret, redirect_uri, post_logout_redirect_uri] = process.argv.slice(2);
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret));
client.enableNonRepudiationChecks(config);

async function request(more, build) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true,
  };
  const parameters = {
    redirect_uri, scope: "openid profile email offline_access", state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: "S256", ...more,
  };
  return { callback: await open(await build(config, parameters)), checks };
}

const pushed = await request({ prompt: "consent" }, client.buildAuthorizationUrlWithPAR);
const tokens = await client.authorizationCodeGrant(config, pushed.callback, pushed.checks);
const { sub } = tokens.claims();
const person = await client.fetchUserInfo(config, tokens.access_token, sub);
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
await client.fetchUserInfo(config, renewed.access_token, sub);
const before = await client.tokenIntrospection(config, renewed.access_token);

const replay = await refused(() => client.authorizationCodeGrant(config, pushed.callback, pushed.checks));
const replayed = {
  first: await refused(() => client.fetchUserInfo(config, tokens.access_token, sub)),
  renewed: await refused(() => client.fetchUserInfo(config, renewed.access_token, sub)),
  refresh: await refused(() => client.refreshTokenGrant(config, renewed.refresh_token)),
  introspected: (await client.tokenIntrospection(config, renewed.access_token)).active,
};

const plain = await request({}, client.buildAuthorizationUrl);
const again = await client.authorizationCodeGrant(config, plain.callback, plain.checks);
await client.tokenRevocation(config, again.refresh_token);
const revoked = await refused(() => client.refreshTokenGrant(config, again.refresh_token));

const state = client.randomState();
const left = await open(client.buildEndSessionUrl(config, { post_logout_redirect_uri, id_token_hint: again.id_token, state }));
const silent = await request({ prompt: "none" }, client.buildAuthorizationUrl);
const signedOut = await refused(() => client.authorizationCodeGrant(config, silent.callback, silent.checks));

done({
  sub, same: again.claims().sub === sub, person, active: before.active, replay, replayed, revoked, signedOut,
  loggedOut: left.href === `${post_logout_redirect_uri}?state=${state}`,
});
