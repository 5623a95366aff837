// Package web is what every HTTP surface of Gatehouse shares: the router, the request event, problems, forms, security headers,
// CORS, load shedding, the server and its drain, and the operations endpoints. It knows nothing of OAuth, of storage or of pages.
//
// A request reads top to bottom through Router.ServeHTTP: the event begins (request id, peer), the Host is checked, the route is
// found, headers are set, the body is read within its bounds, a slot of the route's Limiter is taken, the Handler answers or
// returns an error, the route's ErrorWriter writes it, and one log line and one measurement end the event.
//
// Nothing here believes the request about its own address: links come from configuration, the peer's address from the connection
// or from a trusted proxy.
//
// It imports iam, the standard library, gorilla/mux and the Prometheus client.
package web
