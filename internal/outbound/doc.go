// Package outbound is how Gatehouse calls an address that somebody wrote down: a relying party's logout URI, an upstream provider, a
// published key set. Whoever writes such an address must not make the broker knock on doors that only the broker can reach, so the
// rule is: the address that is dialled, after every name was resolved, is a public one or one that the operator has allowed. What a
// name resolved to when it was registered counts for nothing.
//
// New returns an ordinary http.Client, so that any library can be given it. It may import iam.
package outbound
