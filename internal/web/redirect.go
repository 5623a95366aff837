package web

import "net/http"

// SeeOther sends a browser on with 303: never again with what it has posted (RFC 9700 §4.12). Where it goes may hold a code or a
// ticket, which nobody keeps and no other site is told.
func SeeOther(w http.ResponseWriter, location string) error {
	h := w.Header()
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
