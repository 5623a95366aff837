// Verifies a Gatehouse access token the way an API in Node would, with a library that knows nothing of Gatehouse: jose. It reads
// the token, or the token endpoint's answer, from standard input.
//
//   npm --prefix docs/verify/node ci
//   curl -s … http://127.0.0.1:8080/oauth/token | node docs/verify/node/verify.mjs --issuer http://127.0.0.1:8080 --audience https://hub.flox.dev/api
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { values: options } = parseArgs({
  options: {
    issuer: { type: 'string', default: 'http://127.0.0.1:8080' }, // the issuer that the API trusts
    audience: { type: 'string' }, // the API's own identifier: the token must be meant for it
  },
})

// readToken accepts a bare token and the JSON that the token endpoint answers.
function readToken(input) {
  if (!input.startsWith('{')) return input
  const answer = JSON.parse(input)
  if (!answer.access_token) throw new Error(`the token endpoint answered ${answer.error}: ${answer.error_description}`)
  return answer.access_token
}

// discover returns the metadata (RFC 8414 §3) of the issuer, and of nobody else (§3.3).
async function discover(issuer) {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Error(`the metadata of ${issuer} answered ${response.status}`)
  const metadata = await response.json()
  if (metadata.issuer !== issuer) throw new Error(`the metadata of ${issuer} is of ${metadata.issuer}`)
  return metadata
}

try {
  // Without an audience jose would take a token that is meant for another API.
  if (!options.audience) throw new Error('say with --audience which API this is')
  const token = readToken((await text(process.stdin)).trim())
  // A long-lived API does this once: the set caches the keys and fetches them again when it meets a new one.
  const keys = createRemoteJWKSet(new URL((await discover(options.issuer)).jwks_uri))
  // The type keeps ID tokens and other JWTs of the same issuer out (RFC 9068 §4).
  const { payload } = await jwtVerify(token, keys, {
    issuer: options.issuer,
    audience: options.audience,
    typ: 'at+jwt',
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  })
  console.log(`accepted: valid until ${new Date(payload.exp * 1000).toTimeString().slice(0, 8)}`)
  console.log(JSON.stringify(payload, null, 2))
} catch (error) {
  const reason = [error.code, error.message, error.cause?.message].filter(Boolean).join(': ')
  console.error(`refused: ${reason}`)
  process.exitCode = 1
}
