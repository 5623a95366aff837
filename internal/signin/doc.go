// Package signin answers the pages on which people sign in and look after their account: /login, /account, and what
// one-time links lead to: /link, /verify, /password/reset and /invitation, with /password/forgot, where such a link is asked for.
//
// A page reads its form, asks authn, and either shows itself again or sends the browser on: to where the ticket says, or to /account.
// Nothing that a stranger writes chooses where a browser goes. How somebody proves who he is, and how guessing is slowed down, is
// authn's; what pages look like is page's. It imports no store: each type of authn, and app, hands over what it needs.
package signin
