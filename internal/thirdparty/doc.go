// Package thirdparty has clients, libraries and relying parties that are not ours sign people in at a whole broker over TLS, as those
// who run Gatehouse do: openid-client and oauth4webapi on Node, golang.org/x/oauth2 and go-oidc, GitHub's cli/oauth, and Apache with
// mod_auth_openidc. Each knows the issuer's address and its own client, and nothing else.
//
// It has tests only. It may import everything; nothing imports it. What they need beside Go is installed by .ci/tools.
package thirdparty
