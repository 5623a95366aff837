package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS opens a route to pages of other origins (Fetch §3.2), always without credentials: what Gatehouse answers to a page never
// depends on a cookie that the page did not set.
type CORS struct {
	// Public answers every origin with "*". For documents that anybody may read.
	Public bool
	// Registered reports whether any client lists origin. A preflight names no client, so this is all that can be asked then;
	// the handler calls AllowOrigin once it knows the client.
	Registered func(ctx context.Context, origin string) bool
	// Headers are the request headers, beside those that are always allowed, that a page may send: Authorization, DPoP.
	Headers []string
}

// preflightAge is how long a browser may remember a preflight. Origins that a client loses keep nothing by it: the answer itself
// is checked again.
const preflightAge = 10 * time.Minute

// open says what holds for every answer of the route.
func (c *CORS) open(w http.ResponseWriter, r *http.Request) {
	if c.Public {
		w.Header()["Access-Control-Allow-Origin"] = anyOrigin
		return
	}
	vary(w.Header())
}

// preflight answers the question of a browser whether it may send a request.
func (c *CORS) preflight(w http.ResponseWriter, r *http.Request, methods []string) {
	h := w.Header()
	if c.Public {
		h["Access-Control-Allow-Origin"] = anyOrigin
	} else {
		vary(h)
		origin, ok := originOf(r)
		if !ok || c.Registered == nil || !c.Registered(r.Context(), origin) {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	if len(c.Headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(c.Headers, ", "))
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(preflightAge/time.Second)))
}

// AllowOrigin lets the page that sent the request read the answer if its origin is one of allowed, byte for byte, and reports
// whether it is. It is for handlers that have learnt which client asks, and so which origins that client registered. Requests
// without an Origin come from no page and are none of its business: it reports true.
func AllowOrigin(w http.ResponseWriter, r *http.Request, allowed []string) bool {
	vary(w.Header())
	if len(r.Header["Origin"]) == 0 {
		return true
	}
	origin, ok := originOf(r)
	if !ok || !slices.Contains(allowed, origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	return true
}

// originOf returns the origin of the page. "null" is no origin but any sandbox or file, whatever may be registered.
func originOf(r *http.Request) (string, bool) {
	header := r.Header["Origin"]
	if len(header) != 1 || header[0] == "" || header[0] == "null" || header[0] == "*" {
		return "", false
	}
	return header[0], true
}

// vary says that the answer depends on who asks, so that a shared cache keeps one for each origin.
func vary(h http.Header) {
	if !slices.Contains(h["Vary"], "Origin") {
		h.Add("Vary", "Origin")
	}
}
