// Validates an OpenAPI description, read from standard input, against the specification and its JSON schema, with a library that
// knows nothing of Gatehouse: @apidevtools/swagger-parser.
//
//   npm --prefix docs/verify/openapi ci
//   curl -s http://127.0.0.1:8080/api/openapi.json | node docs/verify/openapi/validate.mjs
import { text } from 'node:stream/consumers'
import SwaggerParser from '@apidevtools/swagger-parser'

try {
  const { openapi, paths } = await SwaggerParser.validate(JSON.parse(await text(process.stdin)), { resolve: { external: false } })
  console.log(`valid: OpenAPI ${openapi} with ${Object.keys(paths).length} paths`)
} catch (err) {
  console.error(`invalid: ${err.message}`)
  process.exitCode = 1
}
