package web

import "net/http"

// Header values are shared by all answers and never changed: their capacity is their length, so an Add copies.
var (
	contentJSON = []string{"application/json"}
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
	twoYears    = []string{"max-age=63072000"}
)

// secure sets what every answer carries: nothing is sniffed, nothing dynamic is stored (RFC 9111 §5.2.2.5; a handler of
// something static says otherwise), and a browser that has seen https stays with it (RFC 6797).
func secure(h http.Header, https bool) {
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	if https {
		h["Strict-Transport-Security"] = twoYears
	}
}
