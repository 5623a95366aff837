// Package authserver answers the OAuth 2.0 endpoints: one file per endpoint, one grant_*.go per grant. The token endpoint runs
// through fosite's pipeline; this is the only package that imports fosite, the fosite_*.go files are where its types meet ours,
// and nothing of it leaves the package.
//
// A token request reads top to bottom in token.go: shape, who asks and whether the grant is good, what may be issued, mint,
// answer. What may be issued and how it is signed is package token's; who a client is, clientauth's. It may import every package
// of a lower level but store.
package authserver
