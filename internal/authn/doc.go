// Package authn is about people: who is signed in in a browser, how somebody proves to be a user, and how an interaction that was
// interrupted by that goes on. It owns sessions, passwords, the limits that slow down guessing, one-time links, the tickets that
// carry an interrupted request from page to page, and what is spoken with upstream providers.
//
// It answers no path and writes no page (packages signin and authserver do), and knows nothing of OAuth. It may import every package
// of a lower level but store: each of its types names the few methods that it needs.
package authn
