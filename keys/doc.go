// Package keys signs tokens and verifies them: key generation and sealing, the ring of published keys with its JWK set, compact
// JWS, and the plan by which keys rotate.
//
// The order of things: Plan says which changes are due, Apply makes them, SealKey and OpenKey carry keys to and from wherever
// they are kept, NewRing makes an immutable snapshot that signs and verifies without a lock. What holds throughout: a key is
// published for at least one JWKS lifetime before it signs, it stays published until the last token that it signed has died,
// and its private part is erased when it stops signing.
//
// The package is public: resource servers import it. It imports the standard library and go-jose (JWK encoding) only, does no
// I/O, and knows neither storage nor clock: times are passed in.
package keys
