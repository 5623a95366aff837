// Package token decides what may be issued and makes it: Policy turns a request into an Authorization (scope, audience,
// organization, roles), Issuer signs it as an access token (RFC 9068), Inspector tells later whether a token still holds
// (RFC 7662) and Revoker ends it (RFC 7009). Nothing is stored for a token that is issued.
//
// It imports iam, access and keys; what it reads comes through the small interfaces that it declares. It knows nothing of
// HTTP, so "what would this client get?" is the same code for the token endpoint, the admin API and the tests.
package token
